"""InstantID's own parts: five coloured points, and how much its net says."""

import numpy as np
import torch

from pipeline.backbone import load
from pipeline.backbone.batch import Batch, People
from pipeline.backbone.frozen import FrozenEncoders
from pipeline.encoders.recogniser import kps_from_landmarks68
from pipeline.head.camera import Camera
from pipeline.head.head_pose import HeadPose
from pipeline.methods.instantid import COLOURS, InstantId
from pipeline.settings import Models
from pipeline.weights import checkpoint
from tests import tiny_models


def face(x: float) -> HeadPose:
    points = np.full((68, 2), [x, 60], np.float32)
    for start, stop, place in ((36, 42, (-15, -10)), (42, 48, (15, -10)), (48, 49, (-10, 20)), (54, 55, (10, 20))):
        points[start:stop] += place
    return HeadPose(Camera(0, 0, 0, 1, 0, 0), np.zeros(tiny_models.EXPRESSION), points)


def test_five_points_of_five_colours_joined_to_the_nose() -> None:
    canvas = InstantId.render_control(tiny_models.head(), [face(60), face(180)], (128, 256))
    for person in (face(60), face(180)):
        for (x, y), colour in zip(kps_from_landmarks68(person.landmarks), COLOURS, strict=True):
            assert tuple(canvas[round(y), round(x)]) == colour
    assert canvas[55, 53].any()  # between an eye and the nose
    assert not canvas[:, 110:130].any()
    assert not canvas[100:].any()


def test_of_several_references_the_embeddings_are_averaged(models: Models) -> None:
    method = checkpoint.create("instantid", load.load(models.backbone), FrozenEncoders(models)).eval()
    embedding = torch.randn(1, 1, 3, 8)
    both = People({"embedding": embedding}, torch.tensor([[[True, True, False]]]))
    mean = People({"embedding": embedding[:, :, :2].mean(2, keepdim=True)}, torch.ones(1, 1, 1, dtype=torch.bool))
    found = [method.condition(Batch(None, who, (8, 8))).faces.tokens for who in (both, mean)]  # type: ignore[arg-type]
    assert found[0].shape == (1, 1, 16, 16)
    assert torch.allclose(*found, atol=1e-5)
