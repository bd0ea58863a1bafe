"""layout: faces in the places that were asked for."""

import numpy as np
import pytest
from torch import tensor
from torchvision.ops import box_iou

from pipeline.metrics import layout
from tests.metrics.evidence import evidence, missing, nobody, person, random_units, turned, values

RNG = np.random.default_rng(0)
LEFT, RIGHT = [0, 0, 10, 10], [20, 0, 30, 10]


def score(places: list, boxes: list):
    cast = [person(f"p{index}", [turned(0)], [turned(0)], box) for index, box in enumerate(places)]
    return layout.score(evidence(cast, random_units(RNG, len(boxes), 4), [-1] * len(cast), boxes))


def test_by_hand() -> None:
    # half of the left place and half of itself outside: a third; the right one is met exactly
    scores = score([LEFT, RIGHT], [RIGHT, [5, 0, 15, 10]])
    assert values(scores, "layout_iou") == pytest.approx([1 / 3, 1.0])
    assert values(scores, "layout_recall") == [0.0, 1.0]
    assert missing(scores, "layout_iou") == [False, False]


@pytest.mark.parametrize(("share", "filled"), [(0.49, 0.0), (0.51, 1.0)])
def test_a_place_is_filled_from_half_of_its_union_on(share: float, filled: float) -> None:
    """A face inside of its place, so that the overlap is the share of the place that it covers."""
    assert values(score([LEFT], [[0, 0, 10, 10 * share]]), "layout_recall") == [filled]


def test_places_filled_against_torchvision_whatever_the_order() -> None:
    """Pairs with the largest sum among all ways to deal two faces out to two places, worked out one by one."""
    for _ in range(20):
        places, boxes = ([_box() for _ in range(2)] for _ in range(2))
        shared = box_iou(tensor(places), tensor(boxes)).numpy()
        best = max(([0, 1], [1, 0]), key=lambda dealt: shared[0, dealt[0]] + shared[1, dealt[1]])
        expected = [float(shared[place, best[place]] >= 0.5) for place in range(2)]
        assert values(score(places, boxes), "layout_recall") == expected
        assert values(score(places, boxes[::-1]), "layout_recall") == expected


def _box() -> list[float]:
    left, top = RNG.uniform(0, 4, 2)
    return [left, top, left + RNG.uniform(4, 10), top + RNG.uniform(4, 10)]


def test_one_face_fills_one_place_only() -> None:
    scores = score([LEFT, [1, 0, 11, 10]], [LEFT])
    assert values(scores, "layout_iou") == [1.0, 0.0]
    assert missing(scores, "layout_iou") == [False, True]


def test_faces_are_dealt_out_so_that_the_sum_is_largest() -> None:
    # the first face is best for both places; greedily the second place would get nothing of the second face
    places, boxes = [[0, 0, 10, 10], [4, 0, 14, 10]], [[3, 0, 13, 10], [-4, 0, 6, 10]]
    found = values(score(places, boxes), "layout_iou")
    wanted = box_iou(tensor(places), tensor(boxes)).numpy()
    assert found == pytest.approx([wanted[0, 1], wanted[1, 0]])
    assert sum(found) > wanted[0, 0] + wanted[1, 1]


def test_the_order_of_faces_does_not_matter_and_places_and_faces_are_not_the_same_thing() -> None:
    boxes = [[1, 0, 11, 10], [19, 1, 29, 11], [50, 50, 60, 60]]
    first = values(score([LEFT, RIGHT], boxes), "layout_iou")
    assert first == values(score([LEFT, RIGHT], boxes[::-1]), "layout_iou")
    assert len(values(score(boxes, [LEFT, RIGHT]), "layout_iou")) == 3


def test_without_a_layout_there_is_no_score_and_without_an_image_it_is_zero() -> None:
    assert score([None], [LEFT]) == []
    scores = layout.score(nobody([person("p", [turned(0)], [turned(0)], LEFT)]))
    assert values(scores, "layout_iou") == [0.0]
    assert missing(scores, "layout_recall") == [True]
