"""landmarks: normalised mean error, of the face that lies in each box of the layout."""

import numpy as np
import pytest

from pipeline.metrics import landmarks
from tests.metrics.evidence import head_pose, laid_out, missing, nobody, person, random_pose, turned, values

LEFT, RIGHT = [0, 0, 10, 10], [20, 0, 30, 10]
GRID = head_pose().landmarks


def score(wanted, found, boxes=(LEFT, RIGHT)):
    return landmarks.score(laid_out(wanted, found, [LEFT, RIGHT][: len(wanted)], boxes[: len(found)]))


def test_by_hand() -> None:
    """Half of the points 3 to the right and 4 down, 5 pixels: 2.5 on average, an eighth of 20 between the eyes."""
    moved = GRID + np.where(np.arange(68) % 2, 0, 1)[:, None] * [3, 4]
    scores = score(
        [head_pose(), head_pose()], [head_pose(landmarks=moved), head_pose(landmarks=GRID + np.array([1, 0]))]
    )
    assert values(scores, "landmark_nme") == pytest.approx([0.125, 0.05])
    assert values(scores, "landmarks_met") == [0.0, 1.0]


def test_against_a_loop() -> None:
    rng = np.random.default_rng(0)
    one, other = random_pose(rng), random_pose(rng)
    apart = [np.hypot(x - u, y - v) for (x, y), (u, v) in zip(one.landmarks, other.landmarks, strict=True)]
    assert landmarks.landmark_error(one, other) == pytest.approx(sum(apart) / 68 / one.eye_distance)


def test_the_size_of_the_image_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    points, others = rng.uniform(0, 100, (2, 68, 2))
    small = landmarks.landmark_error(head_pose(landmarks=points, eyes=20.0), head_pose(landmarks=others))
    assert landmarks.landmark_error(
        head_pose(landmarks=3 * points + 7, eyes=60.0), head_pose(landmarks=3 * others + 7)
    ) == pytest.approx(small)


def test_the_unit_is_the_wanted_head_s_not_the_found_one_s() -> None:
    """A face drawn at half its size must not earn a small error by being its own measure, nor pay twice."""
    wanted, found = head_pose(eyes=20.0), head_pose(landmarks=GRID / 2, eyes=10.0)
    assert landmarks.landmark_error(found, wanted) == pytest.approx(2 * landmarks.landmark_error(wanted, found))


def test_faces_and_boxes_may_differ_in_number_and_order() -> None:
    far = head_pose(landmarks=GRID + np.array([2, 0]))
    assert values(score([head_pose(), far], [far, head_pose()], (RIGHT, LEFT)), "landmark_nme") == pytest.approx([0, 0])
    found = values(score([head_pose(), far], [head_pose()], (RIGHT,)), "landmark_nme")
    assert found == pytest.approx([np.nan, 0.1], nan_ok=True)


def test_a_missing_face_is_left_out_of_the_error_and_counts_as_not_met() -> None:
    scores = landmarks.score(nobody([person("p", [turned(0)], [turned(0)], LEFT, head_pose())]))
    assert np.isnan(values(scores, "landmark_nme")).all()
    assert values(scores, "landmarks_met") == [0.0]
    assert missing(scores, "landmarks_met") == missing(scores, "landmark_nme") == [True]


def test_without_a_layout_there_is_no_score() -> None:
    assert landmarks.score(laid_out([None], [head_pose()], [None], [LEFT])) == []
