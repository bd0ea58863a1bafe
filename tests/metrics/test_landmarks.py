"""landmarks: normalised mean error, of the face that stands in each place."""

import numpy as np
import pytest

from pipeline.metrics import landmarks
from tests.metrics.evidence import held, missing, nobody, person, placed, random_held, turned, values

LEFT, RIGHT = [0, 0, 10, 10], [20, 0, 30, 10]
GRID = held().landmarks


def score(wanted, found, boxes=(LEFT, RIGHT)):
    return landmarks.score(placed(wanted, found, [LEFT, RIGHT][: len(wanted)], boxes[: len(found)]))


def test_by_hand() -> None:
    """Half of the points 3 to the right and 4 down, 5 pixels: 2.5 on average, an eighth of 20 between the eyes."""
    moved = GRID + np.where(np.arange(68) % 2, 0, 1)[:, None] * [3, 4]
    scores = score([held(), held()], [held(landmarks=moved), held(landmarks=GRID + np.array([1, 0]))])
    assert values(scores, "landmark_nme") == pytest.approx([0.125, 0.05])
    assert values(scores, "landmarks_met") == [0.0, 1.0]


def test_against_a_loop() -> None:
    rng = np.random.default_rng(0)
    one, other = random_held(rng), random_held(rng)
    apart = [np.hypot(x - u, y - v) for (x, y), (u, v) in zip(one.landmarks, other.landmarks, strict=True)]
    assert landmarks.landmark_error(one, other) == pytest.approx(sum(apart) / 68 / one.eyes)


def test_the_size_of_the_image_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    points, others = rng.uniform(0, 100, (2, 68, 2))
    small = landmarks.landmark_error(held(landmarks=points, eyes=20.0), held(landmarks=others))
    assert landmarks.landmark_error(
        held(landmarks=3 * points + 7, eyes=60.0), held(landmarks=3 * others + 7)
    ) == pytest.approx(small)


def test_the_unit_is_the_wanted_head_s_not_the_found_one_s() -> None:
    """A face drawn at half its size must not earn a small error by being its own measure, nor pay twice."""
    wanted, found = held(eyes=20.0), held(landmarks=GRID / 2, eyes=10.0)
    assert landmarks.landmark_error(found, wanted) == pytest.approx(2 * landmarks.landmark_error(wanted, found))


def test_places_and_faces_are_not_the_same_thing() -> None:
    far = held(landmarks=GRID + np.array([2, 0]))
    assert values(score([held(), far], [far, held()], (RIGHT, LEFT)), "landmark_nme") == pytest.approx([0, 0])
    found = values(score([held(), far], [held()], (RIGHT,)), "landmark_nme")
    assert found == pytest.approx([np.nan, 0.1], nan_ok=True)


def test_a_missing_face_is_left_out_of_the_error_and_counts_as_not_met() -> None:
    scores = landmarks.score(nobody([person("p", [turned(0)], [turned(0)], LEFT, held())]))
    assert np.isnan(values(scores, "landmark_nme")).all()
    assert values(scores, "landmarks_met") == [0.0]
    assert missing(scores, "landmarks_met") == missing(scores, "landmark_nme") == [True]


def test_without_a_layout_there_is_no_score() -> None:
    assert landmarks.score(placed([None], [held()], [None], [LEFT])) == []
