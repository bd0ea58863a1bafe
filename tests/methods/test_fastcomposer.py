"""FastComposer's own parts: people as words, and a drawing that begins without them."""

import pytest
import torch

from pipeline.backbone import load
from pipeline.backbone.batch import Batch, People
from pipeline.backbone.frozen import FrozenEncoders
from pipeline.backbone.load import Backbone
from pipeline.methods.fastcomposer import FastComposer, shares
from pipeline.settings import Models
from pipeline.weights import checkpoint


@pytest.fixture
def backbone(models: Models) -> Backbone:
    return load.load(models.backbone)


@pytest.fixture
def method(models: Models, backbone: Backbone) -> FastComposer:
    torch.manual_seed(0)
    made = checkpoint.create("fastcomposer", backbone, FrozenEncoders(models))
    assert isinstance(made, FastComposer)
    return made.eval()


def batch(method: FastComposer, backbone: Backbone, given: list[bool]) -> Batch:
    features = {"embedding": torch.randn(1, len(given), 1, len(method.null_features["embedding"]))}
    return Batch(backbone.encode_text(["a of b"]), People(features, torch.tensor(given).view(1, -1, 1)), (8, 8))


def test_only_the_words_of_people_who_are_there_change(method: FastComposer, backbone: Backbone) -> None:
    asked = batch(method, backbone, [True, False, True])
    found = method.condition(asked)
    changed = (found.text.hidden != asked.text.hidden).any(-1)[0]
    assert found.words is not None
    words = asked.text.hidden.shape[1] // 2
    assert found.words.shape[1] == words
    assert changed.nonzero().flatten().tolist() == found.words[0, : words // 2 * 2].tolist()


def test_the_people_of_a_picture_share_its_words() -> None:
    present = torch.tensor([[True, False, True], [False, True, False], [False] * 3])
    found = shares(present, 5)
    assert found.person[0].tolist()[:4] == [0, 0, 2, 2]
    assert found.person[1].tolist() == [1] * 5
    assert found.number[:2].tolist() == [[0, 1, 0, 1, 0], [0, 1, 2, 3, 4]]
    assert found.used.tolist() == [[True] * 4 + [False], [True] * 5, [False] * 5]
    maps = torch.arange(15.0).view(3, 5, 1)
    assert found.means(maps, 3)[..., 0].tolist() == [[0.5, 0.0, 2.5], [0.0, 7.0, 0.0], [0.0] * 3]
    assert shares(torch.ones(1, 3, dtype=torch.bool), 2).person.tolist() == [[0, 1]]  # more people than words


def test_drawing_begins_with_the_caption_alone(method: FastComposer, backbone: Backbone) -> None:
    asked = batch(method, backbone, [True])
    found = method.condition(asked)
    assert torch.equal(method.condition_at(found, 0.0).text.hidden, asked.text.hidden)
    assert method.condition_at(found, 0.5) is found
