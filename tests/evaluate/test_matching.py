"""The assignment is the best there is, and the scales of the recognisers are what the pairs say."""

import itertools

import numpy as np
import pytest

from pipeline.errors import MissingInput
from pipeline.evaluate.matching import MOST_FACES, assign, calibrate
from tests.metrics.evidence import turned


def brute_force(similarity: np.ndarray) -> float:
    """The best sum over all one-to-one assignments that leave as few as possible out."""
    people, faces = similarity.shape
    if people > faces:
        return brute_force(similarity.T)
    return max(
        sum(similarity[row, column] for row, column in enumerate(columns))
        for columns in itertools.permutations(range(faces), people)
    )


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (3, 3), (3, 2), (2, 4), (4, 3)])
def test_as_good_as_brute_force(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        similarity = rng.normal(0.25, 0.2, size)
        matched = assign(similarity)
        pairs = [(slot, face) for slot, face in enumerate(matched) if face >= 0]
        assert len(pairs) == min(size)
        assert len({face for _, face in pairs}) == len(pairs)
        assert sum(similarity[pair] for pair in pairs) == pytest.approx(brute_force(similarity))


def test_greedy_would_be_worse() -> None:
    """Greedy takes 0.9 first and is left with 0.0; the best sum is 0.8 + 0.7."""
    assert assign(np.array([[0.9, 0.8], [0.7, 0.0]])).tolist() == [1, 0]


def test_people_and_faces_are_not_the_same_axis() -> None:
    """Two people, one face: the second person is without one, not the second face."""
    assert assign(np.array([[0.9], [0.1]])).tolist() == [0, -1]
    assert assign(np.array([[0.1, 0.9]])).tolist() == [1]


def test_no_face() -> None:
    assert assign(np.empty((2, 0))).tolist() == [-1, -1]


def test_scale_by_hand() -> None:
    """Faces of p at 0 and 60 degrees, of q at 90: mates cos 60, strangers cos 90 and cos 30."""
    scale = calibrate(np.array([turned(0), turned(60), turned(90)]), ["p", "p", "q"])
    assert scale.genuine == pytest.approx(0.5)
    assert scale.impostor == pytest.approx(np.sqrt(3) / 4)
    assert scale.threshold == pytest.approx(np.sqrt(3) / 2, abs=1e-2)


def test_the_threshold_lets_one_in_a_thousand_strangers_pass() -> None:
    rng = np.random.default_rng(0)
    faces = rng.normal(size=(200, 16))
    faces /= np.linalg.norm(faces, axis=1, keepdims=True)
    names = [f"p{index // 2}" for index in range(200)]
    faces[1::2] = faces[::2]
    scale = calibrate(faces, names)
    strangers = [(faces[i] @ faces[j]) for i in range(200) for j in range(i) if i // 2 != j // 2]
    assert np.mean(np.array(strangers) > scale.threshold) == pytest.approx(1e-3, abs=3e-4)
    assert scale(np.array([scale.impostor, scale.genuine])) == pytest.approx([0.0, 1.0])


def test_many_faces_are_thinned_the_same_way_every_time() -> None:
    rng = np.random.default_rng(1)
    faces = np.repeat(rng.normal(size=(MOST_FACES // 2 + 50, 4)), 2, axis=0)
    faces /= np.linalg.norm(faces, axis=1, keepdims=True)
    names = [f"p{index // 2}" for index in range(len(faces))]
    assert calibrate(faces, names) == calibrate(faces, names)


@pytest.mark.parametrize("names", [["p", "p"], ["p", "q"]])
def test_too_few_people_to_calibrate(names: list[str]) -> None:
    with pytest.raises(MissingInput, match="at least two people"):
        calibrate(np.array([turned(0), turned(30)]), names)


def test_a_recogniser_that_cannot_tell_people_apart() -> None:
    with pytest.raises(MissingInput, match=r"check models\.recogniser_b"):
        calibrate(np.array([turned(0), turned(90), turned(0)]), ["p", "p", "q"])
