"""FastComposer's own parts: people as words, and a drawing that begins without them."""

import pytest
import torch

from pipeline.backbone import adapter, load
from pipeline.backbone.batch import Batch, People
from pipeline.backbone.load import Backbone
from pipeline.method import Frozen
from pipeline.methods.fastcomposer import FastComposer
from pipeline.settings import Models


@pytest.fixture
def backbone(models: Models) -> Backbone:
    return load.load(models.backbone)


@pytest.fixture
def method(models: Models, backbone: Backbone) -> FastComposer:
    torch.manual_seed(0)
    made = adapter.create("fastcomposer", backbone, Frozen(models))
    assert isinstance(made, FastComposer)
    return made.eval()


def batch(method: FastComposer, backbone: Backbone, given: list[bool]) -> Batch:
    features = {"embedding": torch.randn(1, len(given), 1, len(method.blank["embedding"]))}
    return Batch(backbone.encode_text(["a of b"]), People(features, torch.tensor(given).view(1, -1, 1)), (8, 8))


def test_only_the_words_of_people_who_are_there_change(method: FastComposer, backbone: Backbone) -> None:
    asked = batch(method, backbone, [True, False, True])
    found = method.condition(asked)
    changed = (found.text.hidden != asked.text.hidden).any(-1)[0]
    assert found.words is not None
    assert found.words.shape[1] <= asked.text.hidden.shape[1] // 2
    first, second, third = found.words[0].unflatten(0, (3, -1))
    assert changed.nonzero().flatten().tolist() == [*first.tolist(), *third.tolist()]
    assert not set(second.tolist()) & set(third.tolist())


def test_drawing_begins_with_the_caption_alone(method: FastComposer, backbone: Backbone) -> None:
    asked = batch(method, backbone, [True])
    found = method.condition(asked)
    assert torch.equal(method.at(found, 0.0).text.hidden, asked.text.hidden)
    assert method.at(found, 0.5) is found
