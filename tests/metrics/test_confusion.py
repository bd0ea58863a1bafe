"""confusion: swaps, mix-ups, blends and doubles of people in one image."""

import numpy as np
import pytest

from pipeline.metrics import confusion
from tests.metrics.evidence import evidence, missing, nobody, person, random_case, turned, values

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
    found = values(confusion.score(asked), "blending")
    for i, who in enumerate(asked.people):
        parts = []
        for name in "bc":
            for j, other in enumerate(asked.people):
                if j != i:
                    to_other = np.mean([t @ asked.faces[name][i] for t in other.held_out[name]])
                    real = np.mean([t @ s for t in other.held_out[name] for s in who.held_out[name]])
                    parts.append(to_other - real)
        assert found[i] == pytest.approx(np.mean(parts))


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
    assert values(scores, "duplicate") == [0.0]


def test_an_empty_place_is_missing_though_the_person_is_found_elsewhere() -> None:
    scores = confusion.score(evidence(couple(), [turned(0), turned(90)], [0, 1], [LEFT, [60, 0, 70, 10]]))
    assert missing(scores, "swap") == [False, True]
    assert missing(scores, "confusion") == [False, False]


def test_reordering_people_reorders_their_scores() -> None:
    one = confusion.score(evidence(couple(), [turned(30), turned(10)], [0, 1], [LEFT, RIGHT]))
    other = confusion.score(evidence(couple()[::-1], [turned(30), turned(10)], [1, 0], [LEFT, RIGHT]))
    for metric in ("swap", "confusion", "blending", "blending_raw"):
        assert values(one, metric) == pytest.approx(values(other, metric)[::-1])
