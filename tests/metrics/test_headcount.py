"""headcount: how many faces against how many people."""

import numpy as np
import pytest

from pipeline.metric import WHOLE_IMAGE
from pipeline.metrics import headcount
from tests.metrics.evidence import evidence, missing, nobody, person, random_units, turned, values

RNG = np.random.default_rng(0)


def score(people: int, faces: int):
    cast = [person(f"p{index}", [turned(0)], [turned(0)]) for index in range(people)]
    return headcount.score(evidence(cast, random_units(RNG, faces, 4), [-1] * people))


@pytest.mark.parametrize(
    ("people", "faces", "exact", "error"), [(2, 2, 1, 0), (2, 1, 0, 1), (1, 4, 0, 3), (3, 0, 0, 3)]
)
def test_by_hand(people: int, faces: int, exact: int, error: int) -> None:
    scores = score(people, faces)
    assert values(scores, "count_exact") == [exact]
    assert values(scores, "count_error") == [error]
    assert values(scores, "no_face") == [float(faces == 0)]
    assert {each.slot for each in scores} == {WHOLE_IMAGE}


def test_no_image_counts_as_no_face() -> None:
    scores = headcount.score(nobody([person("p", [turned(0)], [turned(0)])] * 2))
    assert values(scores, "count_error") == [2.0]
    assert missing(scores, "count_exact") == [True]


def test_too_many_and_too_few_are_equally_wrong_but_no_face_is_not_symmetric() -> None:
    assert values(score(2, 3), "count_error") == values(score(3, 2), "count_error")
    assert values(score(2, 0), "no_face") == [1.0]
