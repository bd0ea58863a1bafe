"""expression: distance of expression weights, of the face that lies in each box of the layout."""

import numpy as np
import pytest
from scipy.spatial.distance import euclidean

from pipeline.metrics import expression
from tests.metrics.evidence import head_pose, laid_out, missing, nobody, person, random_pose, turned, values

LEFT, RIGHT = [0, 0, 10, 10], [20, 0, 30, 10]


def score(wanted, found, boxes=(LEFT, RIGHT)) -> list[float]:
    scores = expression.score(laid_out(wanted, found, [LEFT, RIGHT][: len(wanted)], boxes[: len(found)]))
    return values(scores, "expression_error")


def test_by_hand() -> None:
    """A smile of 0.3 that was to be 0.6, and a jaw that opens by 0.4: the root of 0.09 + 0.16."""
    assert score([head_pose(expression=(0.6, 0.0))], [head_pose(expression=(0.3, 0.4))]) == pytest.approx([0.5])


def test_against_scipy() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        one, other = random_pose(rng), random_pose(rng)
        assert expression.apart(one, other) == pytest.approx(euclidean(one.expression, other.expression))


def test_pose_and_place_do_not_matter() -> None:
    smile, turned_away = head_pose(expression=(0.5, 0.0)), head_pose(40, 10, 5, (0.1, 0.0), np.ones((68, 2)), 3.0)
    assert score([smile], [turned_away]) == pytest.approx(score([smile], [head_pose(expression=(0.1, 0.0))]))


def test_faces_and_boxes_may_differ_in_number_and_order() -> None:
    smile, neutral = head_pose(expression=(0.5, 0.0)), head_pose()
    assert score([smile, neutral], [neutral, smile], (RIGHT, LEFT)) == pytest.approx([0, 0])
    assert score([smile, neutral], [smile], (RIGHT,)) == pytest.approx([np.nan, 0.5], nan_ok=True)
    assert score([smile], [smile, neutral], (RIGHT, LEFT)) == pytest.approx([0.5])


def test_a_missing_face_is_left_out_and_counted() -> None:
    scores = expression.score(nobody([person("p", [turned(0)], [turned(0)], LEFT, head_pose())]))
    assert np.isnan(values(scores, "expression_error")).all()
    assert missing(scores, "expression_error") == [True]


def test_without_a_layout_there_is_no_score() -> None:
    assert expression.score(laid_out([None], [head_pose()], [None], [LEFT])) == []
