"""A posed head in a photo, and after a similarity of the photo."""

import numpy as np

from pipeline.head.camera import Camera
from pipeline.head.head_pose import Posed, in_photo, landmarks_of, transformed
from tests import tiny_models


def posed(landmarks: np.ndarray) -> Posed:
    draw = np.random.default_rng(0)
    shape, expression = draw.normal(size=tiny_models.SHAPE), draw.uniform(size=tiny_models.EXPRESSION)
    return Posed(shape.astype(np.float32), expression.astype(np.float32), Camera(20, -10, 15, 30, 70, 50), landmarks)


def test_a_similarity_of_the_photo_moves_the_head_with_it() -> None:
    head, angle = tiny_models.head(), 0.3
    points, depth = landmarks_of(head, posed(np.zeros((68, 2), np.float32)))
    linear = 1.5 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turn = np.concatenate([linear, [[5.0], [-7.0]]], axis=1).astype(np.float32)
    wanted = points @ linear.T + [5, -7]
    after = transformed(posed(points), turn)
    found, deeper = landmarks_of(head, after)
    assert np.allclose(found, wanted, atol=0.01)
    assert np.allclose(after.landmarks, wanted, atol=0.01)
    assert np.allclose(deeper, 1.5 * depth, atol=0.01)


def test_a_row_of_the_samples_is_a_posed_head() -> None:
    row = tiny_models.samples_row()["faces"][0]
    found = in_photo(row)
    assert found.camera == Camera(0, 0, 0, 16, *row["translation"])
    assert found.landmarks.shape == (68, 2)
