"""confusion: swaps, mix-ups, blends and doubles of people in one image."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.metric import Calibration
from pipeline.metrics import confusion
from tests.metrics.evidence import evidence, missing, nobody, person, random_case, turned, unit, values

LEFT, RIGHT = [0, 0, 10, 10], [20, 0, 30, 10]


def couple():
    """Two people at right angles, asked for at the left and at the right."""
    return [person("p", [turned(0)], [turned(0)], LEFT), person("q", [turned(90)], [turned(90)], RIGHT)]


def test_everybody_in_place() -> None:
    scores = confusion.score(evidence(couple(), [turned(10), turned(80)], [0, 1], [LEFT, RIGHT]))
    assert values(scores, "swap") == [0.0, 0.0]
    assert values(scores, "confusion") == [0.0, 0.0]
    assert values(scores, "duplicate") == [0.0]


def test_swapped_places_are_no_confusion() -> None:
    """The assignment follows the people, so only the places are wrong."""
    scores = confusion.score(evidence(couple(), [turned(80), turned(10)], [1, 0], [LEFT, RIGHT]))
    assert values(scores, "swap") == [1.0, 1.0]
    assert values(scores, "confusion") == [0.0, 0.0]


def test_the_same_person_twice() -> None:
    """Both faces are p: q's face is p's, and the two pass for one person."""
    scores = confusion.score(evidence(couple(), [turned(0), turned(10)], [0, 1], [LEFT, RIGHT]))
    assert values(scores, "confusion") == [0.0, 1.0]
    assert values(scores, "duplicate") == [1.0]


def test_each_encoder_has_its_scale() -> None:
    """B, whose scale is half as wide, sees 0.3 more of q, C 0.5 more of p: 0.6 for q against 0.5 for p, so q it is.

    On one scale for both, C would decide, for p.
    """
    scales = {"b": Calibration(0.0, 0.5, 0.4), "c": Calibration(0.2, 1.2, 0.4)}
    seen = {"b": [unit(0.1, 0.4, 0.911, 0.0)], "c": [unit(0.6, 0.1, 0.794, 0.0)]}
    asked = evidence(couple(), seen, [0, -1], [LEFT], scales=scales)
    assert values(confusion.score(asked), "confusion")[0] == 1.0
    assert values(confusion.score(replace(asked, calibration=dict.fromkeys("bc", scales["b"]))), "confusion")[0] == 0.0


def test_calibrated_by_hand() -> None:
    """B: (0.3 - 0.1) / (0.5 - 0.1) = 0.5; C: (0.4 - 0.2) / (1.0 - 0.2) = 0.25."""
    scales = {"b": Calibration(0.1, 0.5, 0.4), "c": Calibration(0.2, 1.0, 0.4)}
    asked = evidence(couple(), [turned(0)], [0, -1], [LEFT], scales=scales)
    assert asked.calibrated({"b": np.array([0.3]), "c": np.array([0.4])}) == pytest.approx([0.375])


@pytest.mark.parametrize(("threshold", "doubled"), [(0.9, 0.0), (0.7, 1.0)])
def test_each_encoder_has_its_threshold(threshold: float, doubled: float) -> None:
    """cos 60 = 0.5 is 0.3 above B's threshold of 0.2; 0.4 below C's is more than that, 0.2 below is less."""
    scales = {"b": Calibration(0.0, 0.8, 0.2), "c": Calibration(0.0, 0.8, threshold)}
    scores = confusion.score(evidence(couple(), [turned(0), turned(60)], [0, 1], [LEFT, RIGHT], scales=scales))
    assert values(scores, "duplicate") == [doubled]


def test_blending_by_hand() -> None:
    """Face at 30 degrees: cos 60 = 0.5 to the other's photo, less cos 90 = 0 of the real ones."""
    scores = confusion.score(evidence(couple(), [turned(30), turned(90)], [0, 1], [LEFT, RIGHT]))
    assert values(scores, "blending") == pytest.approx([0.5, 0.0])
    assert values(scores, "blending_raw") == pytest.approx([0.5, 0.0])


def test_look_alikes_are_no_blend() -> None:
    """The two people are 60 degrees apart; each face is perfect."""
    twins = [person("p", [turned(0)], [turned(0)]), person("q", [turned(60)], [turned(60)])]
    scores = confusion.score(evidence(twins, [turned(0), turned(60)], [0, 1]))
    assert values(scores, "blending") == pytest.approx([0, 0])
    assert values(scores, "blending_raw") == pytest.approx([0.5, 0.5])


def test_blending_against_a_loop() -> None:
    asked = random_case(np.random.default_rng(5))
    scores = confusion.score(asked)
    for i, who in enumerate(asked.people):
        parts, raw = [], []
        for name in "bc":
            for j, other in enumerate(asked.people):
                if j != i:
                    to_other = np.mean([t @ asked.faces[name][i] for t in other.held_out[name]])
                    real = np.mean([t @ s for t in other.held_out[name] for s in who.held_out[name]])
                    parts.append(to_other - real)
                    raw.append(to_other)
        assert values(scores, "blending")[i] == pytest.approx(np.mean(parts))
        assert values(scores, "blending_raw")[i] == pytest.approx(np.mean(raw))


def test_without_a_layout_nothing_is_swapped() -> None:
    people = [person("p", [turned(0)], [turned(0)]), person("q", [turned(90)], [turned(90)])]
    assert values(confusion.score(evidence(people, [turned(80), turned(10)], [1, 0])), "swap") == []


def test_one_person_has_no_such_scores() -> None:
    assert confusion.score(evidence(couple()[:1], [turned(0)], [0], [LEFT])) == []


def test_missing_faces_are_counted() -> None:
    scores = confusion.score(nobody(couple()))
    assert missing(scores, "swap") == [True, True]
    assert missing(scores, "confusion") == [True, True]
    assert np.isnan(values(scores, "blending")).all()
    assert np.isnan(values(scores, "duplicate")).all()
    assert missing(scores, "duplicate") == [True]


@pytest.mark.parametrize(("share", "empty"), [(0.09, True), (0.11, False)])
def test_a_place_is_taken_from_a_tenth_of_its_union_on(share: float, empty: bool) -> None:
    """A face inside of q's place, so that the overlap is the share of the place that it covers."""
    small = [20, 0, 30, 10 * share]
    scores = confusion.score(evidence(couple(), [turned(0), turned(90)], [0, 1], [LEFT, small]))
    assert missing(scores, "swap") == [False, empty]


def test_an_empty_place_is_missing_though_the_person_is_found_elsewhere() -> None:
    scores = confusion.score(evidence(couple(), [turned(0), turned(90)], [0, 1], [LEFT, [60, 0, 70, 10]]))
    assert missing(scores, "swap") == [False, True]
    assert missing(scores, "confusion") == [False, False]


def test_reordering_people_reorders_their_scores() -> None:
    one = confusion.score(evidence(couple(), [turned(30), turned(10)], [0, 1], [LEFT, RIGHT]))
    other = confusion.score(evidence(couple()[::-1], [turned(30), turned(10)], [1, 0], [LEFT, RIGHT]))
    for metric in ("swap", "confusion", "margin", "blending", "blending_raw"):
        assert values(one, metric) == pytest.approx(values(other, metric)[::-1])


def test_reordering_faces_changes_nothing() -> None:
    boxes, seen = [LEFT, RIGHT, [60, 0, 70, 10]], [turned(30), turned(10), turned(5)]
    one = confusion.score(evidence(couple(), seen, [0, 1], boxes))
    other = confusion.score(evidence(couple(), seen[::-1], [2, 1], boxes[::-1]))
    assert [(each.metric, each.value) for each in one] == [(each.metric, each.value) for each in other]


def test_the_margin_by_hand() -> None:
    """p: cos 0 = 1 before cos 60 = 0.5, margin 0.5; q at right angles to p: cos 30 before cos 90, all of it."""
    scores = confusion.score(evidence(couple(), [turned(0), turned(60)], [0, 1], [LEFT, RIGHT]))
    assert values(scores, "margin") == pytest.approx([0.5, 1.0])


@pytest.mark.parametrize("faces", [[], [turned(0)]])
def test_fewer_than_two_faces_have_no_margin(faces: list) -> None:
    seen = np.array(faces).reshape(len(faces), 4)
    scores = confusion.score(evidence(couple(), seen, [0 if faces else -1, -1]))
    assert values(scores, "margin") == [0.0, 0.0]
    assert missing(scores, "margin") == [True, True]


def test_nobody_who_is_like_the_person_is_no_margin() -> None:
    assert confusion.margin(np.array([-0.1, -0.5])) == 0.0
    assert confusion.margin(np.array([0.4, -0.2])) == 1.0


def test_all_of_it_against_loops() -> None:
    """Confusion, swaps, doubles and margins worked out face by face."""
    for seed in range(20):
        rng = np.random.default_rng(seed)
        asked = random_case(rng)
        order = rng.permutation(3)
        asked = replace(asked, boxes=asked.boxes[order])  # who is taken for a person need not stand in their place
        scores = confusion.score(asked)
        scale = asked.calibration["b"]
        alike = [[_alike(asked, who, face) for face in range(3)] for who in asked.people]
        on_scale = [[(each - scale.impostor) / (scale.genuine - scale.impostor) for each in own] for own in alike]
        for slot, face in enumerate(asked.matched):
            others = [on_scale[other][face] for other in range(3) if other != slot]
            assert values(scores, "confusion")[slot] == float(max(others) > on_scale[slot][face])
            stands = int(np.flatnonzero(order == slot)[0])
            there = [on_scale[other][stands] for other in range(3) if other != slot]
            assert values(scores, "swap")[slot] == float(max(there) > on_scale[slot][stands])
            first, second = sorted(alike[slot], reverse=True)[:2]
            assert values(scores, "margin")[slot] == pytest.approx(
                max(0.0, min(1.0, (first - second) / first)) * (first > 0)
            )
        pairs = [(0, 1), (0, 2), (1, 2)]
        twins = [np.mean([asked.faces[e][i] @ asked.faces[e][j] - scale.threshold for e in "bc"]) > 0 for i, j in pairs]
        assert values(scores, "duplicate") == [float(any(twins))]


def _alike(asked, who, face: int) -> float:
    return float(np.mean([np.mean([photo @ asked.faces[e][face] for photo in who.held_out[e]]) for e in "bc"]))


def test_references_play_no_part() -> None:
    """Held-out photographs and references swapped: everybody is somebody else."""
    mixed = [person("p", [turned(0)], [turned(90)], LEFT), person("q", [turned(90)], [turned(0)], RIGHT)]
    swapped = [person("p", [turned(90)], [turned(0)], LEFT), person("q", [turned(0)], [turned(90)], RIGHT)]
    for cast, wrong in ((mixed, 0.0), (swapped, 1.0)):
        scores = confusion.score(evidence(cast, [turned(10), turned(80)], [0, 1], [LEFT, RIGHT]))
        assert values(scores, "confusion") == values(scores, "swap") == [wrong, wrong]
