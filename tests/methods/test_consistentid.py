"""ConsistentID's own parts: parts of the face, as words and as masks."""

import numpy as np
import pytest
import torch

from pipeline.backbone import load
from pipeline.backbone.batch import Batch, People
from pipeline.backbone.frozen import FrozenEncoders
from pipeline.backbone.load import Backbone
from pipeline.head.camera import Camera
from pipeline.head.head_pose import HeadPose
from pipeline.head.model import load_head
from pipeline.methods.consistentid import PARTS, ConsistentId, part_masks
from pipeline.settings import Models
from pipeline.weights import checkpoint
from tests.tiny_data import HEAD


@pytest.fixture
def backbone(models: Models) -> Backbone:
    return load.load(models.backbone)


@pytest.fixture
def method(models: Models, backbone: Backbone) -> ConsistentId:
    torch.manual_seed(0)
    made = checkpoint.create("consistentid", backbone, FrozenEncoders(models))
    assert isinstance(made, ConsistentId)
    return made.eval()


def batch(method: ConsistentId, backbone: Backbone, count: int) -> Batch:
    features = {name: torch.randn(1, count, 1, *value.shape) for name, value in method.null_features.items()}
    people = People(features, torch.ones(1, count, 1, dtype=torch.bool))
    return Batch(backbone.encode_text(["a of b"]), people, (8, 8))


def test_the_parts_of_the_worlds_head_are_where_they_belong() -> None:
    head = load_head(HEAD)
    person = HeadPose(Camera(0, 0, 0, 4, 64, 64), np.zeros(len(head.expression)), np.zeros((68, 2)))
    masks = dict(zip(PARTS, part_masks(head, person, (128, 128)).transpose(2, 0, 1), strict=True))
    rows = {name: np.nonzero(mask)[0].mean() for name, mask in masks.items()}
    assert rows["eyes"] < rows["nose"] < rows["mouth"]
    assert masks["face"].sum() > masks["mouth"].sum() > 0
    assert (masks["eyes"] * (1 - masks["face"])).sum() == 0
    columns = np.nonzero(masks["ears"])[1]
    assert columns.min() < 64 - 20 < 64 + 20 < columns.max()


def test_one_person_has_words_for_their_parts_and_several_have_none(method: ConsistentId, backbone: Backbone) -> None:
    asked = batch(method, backbone, 1)
    found = method.condition(asked)
    assert found.words is not None
    assert int((found.text.hidden != asked.text.hidden).any(-1).sum()) == len(PARTS)
    both = method.condition(batch(method, backbone, 2))
    assert both.words is None
    assert both.faces.tokens.shape[1] == 2
