"""Each angle turns the way that its name says, and pixels count down the image."""

import numpy as np
import pytest

from pipeline.head.camera import Camera, project, rotation

NOSE, CROWN = np.array([[0.0, 0.0, 1.0]], np.float32), np.array([[0.0, 1.0, 0.0]], np.float32)


def test_without_angles_only_scale_shift_and_the_flip_of_y_remain() -> None:
    points, depth = project(np.array([[1.0, 2.0, 3.0]], np.float32), Camera(0, 0, 0, 10, 64, 60))
    np.testing.assert_allclose(points, [[74, 40]])
    np.testing.assert_allclose(depth, [30])


@pytest.mark.parametrize(
    ("camera", "point", "expected"),
    [
        (Camera(90, 0, 0, 1, 0, 0), NOSE, [1, 0]),  # to the image's right
        (Camera(0, 90, 0, 1, 0, 0), NOSE, [0, -1]),  # up
        (Camera(0, 0, 90, 1, 0, 0), CROWN, [1, 0]),  # clockwise
    ],
)
def test_angles_turn_as_documented(camera: Camera, point: np.ndarray, expected: list[float]) -> None:
    np.testing.assert_allclose(project(point, camera)[0][0], expected, atol=1e-6)


def test_a_rotation_keeps_lengths_and_handedness() -> None:
    matrix = rotation(31, -12, 7)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-6)
    assert np.linalg.det(matrix) == pytest.approx(1.0, abs=1e-6)


def test_a_batch_of_heads_equals_its_members() -> None:
    heads = np.random.default_rng(0).normal(size=(4, 9, 3)).astype(np.float32)
    camera = Camera(20, 5, -8, 3, 10, 12)
    points, depth = project(heads, camera)
    assert points.shape == (4, 9, 2)
    np.testing.assert_allclose(points[2], project(heads[2], camera)[0], atol=1e-5)
    np.testing.assert_allclose(depth[2], project(heads[2], camera)[1], atol=1e-5)
