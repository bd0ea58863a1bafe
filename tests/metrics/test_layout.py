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
