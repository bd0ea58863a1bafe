"""HiFi-Portrait's own parts: background, several references, landmarks of the references' shape."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.backbone import load
from pipeline.backbone.batch import Batch, People, Reference
from pipeline.backbone.frozen import FrozenEncoders
from pipeline.methods.hifi_portrait import GREY, HifiPortrait, shade, without_background
from pipeline.settings import Models
from pipeline.weights import checkpoint
from tests import tiny_models


@pytest.fixture
def method(models: Models) -> HifiPortrait:
    torch.manual_seed(0)
    made = checkpoint.create("hifi_portrait", load.load(models.backbone), FrozenEncoders(models))
    assert isinstance(made, HifiPortrait)
    return made.eval()


def people(method: HifiPortrait, references: int, given: int) -> People:
    generator = torch.Generator().manual_seed(0)
    features = {
        name: torch.randn(1, 1, references, *value.shape, generator=generator)
        for name, value in method.null_features.items()
    }
    return People(features, (torch.arange(references) < given).view(1, 1, -1))


def tokens(method: HifiPortrait, who: People) -> torch.Tensor:
    batch = Batch(None, who, (8, 8))  # type: ignore[arg-type]
    faces = method.condition(batch).faces
    return faces.tokens[faces.readable]


def test_the_background_goes_and_the_head_stays() -> None:
    crop = np.random.default_rng(0).integers(0, 256, (112, 112, 3)).astype(np.uint8)
    seen = without_background(Reference(crop, np.zeros(8, np.float32), tiny_models.head_pose()), tiny_models.head())
    assert np.array_equal(seen[56, 56], crop[56, 56])
    assert (seen[:20] == GREY).all()
    kept = (seen == crop).all(-1).mean()
    assert 0.15 < kept < 0.4  # two units of 30 pixels, squared, in 112 x 112


def test_references_are_stacked_and_missing_ones_are_not_read(method: HifiPortrait) -> None:
    four = people(method, 4, 4)
    assert tokens(method, four).shape == (16, 16)
    two = replace(four, given=torch.tensor([[[True, True, False, False]]]))
    alone = People({name: value[:, :, :2] for name, value in four.features.items()}, torch.ones(1, 1, 2) > 0)
    assert torch.allclose(tokens(method, two), tokens(method, alone), atol=1e-5)
    assert torch.allclose(tokens(method, four)[:8], tokens(method, alone), atol=1e-5)


def test_without_the_refiner_a_face_is_its_embedding(method: HifiPortrait, models: Models) -> None:
    """The image encoder's tokens are what the refiner reads."""
    torch.manual_seed(0)
    without = checkpoint.create("hifi_portrait-no_refiner", load.load(models.backbone), FrozenEncoders(models)).eval()
    who = people(method, 1, 1)
    other = replace(who, features={**who.features, "patches": -who.features["patches"]})
    assert torch.equal(tokens(without, who), tokens(without, other))
    assert not torch.allclose(tokens(method, who), tokens(method, other))


def test_landmarks_have_the_shape_of_the_references_and_the_pose_of_the_picture() -> None:
    head = tiny_models.head()
    first, other, turned = (
        HifiPortrait.render_control(head, [each], (112, 112))
        for each in (tiny_models.head_pose(), tiny_models.head_pose(shape=3.0), tiny_models.head_pose(yaw=40.0))
    )
    assert first.shape == (112, 112, 3)
    assert first[..., 0].max() == 255
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, turned)
    straight, aside = (nearness(each[:, 56:]) - nearness(each[:, :56]) for each in (first, turned))
    assert abs(aside) > 0.05 > abs(straight)  # one side comes nearer


def nearness(canvas: np.ndarray) -> float:
    """How near the lines of a canvas are, 0 to 1."""
    return float(canvas[..., 1].sum() / canvas[..., 0].sum())


def test_what_is_nearer_is_brighter() -> None:
    depth = np.linspace(-3, 3, 68)
    assert shade(depth, (66, 67), 1.0) == 253
    assert shade(depth, (0, 1), 1.0) == 1
    assert shade(depth, (33, 34), 1.0) == 127


def test_the_variant_without_landmarks_has_an_empty_canvas(models: Models) -> None:
    made = checkpoint.create("hifi_portrait-no_landmarks", load.load(models.backbone), FrozenEncoders(models)).eval()
    batch = Batch(None, people(made, 1, 1), (8, 8), control_image=torch.ones(1, 3, 64, 64))  # type: ignore[arg-type]
    assert made.condition(batch).control_image is not None
    assert made.condition(batch).control_image.sum() == 0
