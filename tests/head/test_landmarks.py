"""The unit and the error of 68 landmarks."""

import numpy as np
import pytest

from pipeline.head.landmarks import eye_distance, nme


def face() -> np.ndarray:
    """Points on a grid, the outer corners of the eyes 40 pixels apart."""
    points = np.mgrid[:4, :17].reshape(2, 68).T.astype(np.float64)
    points[36], points[45] = (40, 60), (80, 60)
    return points


def test_landmarks_moved_by_five_pixels_err_by_an_eighth_of_forty() -> None:
    truth = face()
    assert eye_distance(truth) == 40
    assert nme(truth + np.array([3.0, 4.0]), truth, eye_distance(truth)) == pytest.approx(5 / 40)


def test_each_face_has_its_own_unit() -> None:
    truth = np.stack([face(), 2 * face()])
    assert nme(truth + np.array([3.0, 4.0]), truth, eye_distance(truth)).tolist() == pytest.approx([5 / 40, 5 / 80])


def test_depth_counts_where_points_have_one() -> None:
    points = np.pad(face(), ((0, 0), (0, 1)))
    points[45, 2] = 30
    assert eye_distance(points) == 50


def test_points_that_all_coincide_have_a_unit() -> None:
    assert eye_distance(np.zeros((68, 2))) > 0
