"""identity: by hand, against a loop, invariances, and what must differ when arguments are swapped."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.metrics import identity
from tests.metrics.evidence import evidence, missing, nobody, person, random_case, random_units, turned, values


def test_by_hand() -> None:
    """cos 60 = 0.5 and cos 0 = 1: mean 0.75 over the two held-out photographs; the reference plays no part."""
    asked = evidence([person("p", [turned(60), turned(0)], [turned(180)])], [turned(0)], [0])
    assert values(identity.score(asked), "sim_heldout") == pytest.approx([0.75])
    assert values(identity.score(asked), "sim_heldout_b") == pytest.approx([0.75])


def test_mean_of_the_two_encoders() -> None:
    asked = evidence([person("p", [turned(0)], [turned(0)])], {"b": [turned(0)], "c": [turned(60)]}, [0])
    scores = identity.score(asked)
    assert [values(scores, f"sim_heldout{end}")[0] for end in ("", "_b", "_c")] == pytest.approx([0.75, 1.0, 0.5])


def test_against_a_loop() -> None:
    asked = random_case(np.random.default_rng(0))
    found = values(identity.score(asked), "sim_heldout")
    for slot, who in enumerate(asked.people):
        total = 0.0
        for name in ("b", "c"):
            for photo in who.held_out[name]:
                total += sum(a * b for a, b in zip(photo, asked.faces[name][asked.matched[slot]], strict=True))
        assert found[slot] == pytest.approx(total / 4)


def test_a_missing_face_counts_as_zero_and_is_counted() -> None:
    people = [person("p", [turned(0)], [turned(0)]), person("q", [turned(90)], [turned(90)])]
    scores = identity.score(evidence(people, [turned(0)], [0, -1]))
    assert values(scores, "sim_heldout") == pytest.approx([1.0, 0.0])
    assert missing(scores, "sim_heldout") == [False, True]
    assert np.isnan(values(scores, "sim_detected")[1])
    assert missing(scores, "sim_detected") == [False, True]


def test_no_image_is_a_missing_face_for_everybody() -> None:
    scores = identity.score(nobody([person("p", [turned(0)], [turned(0)])]))
    assert values(scores, "sim_heldout") == [0.0]
    assert missing(scores, "sim_heldout") == [True]


def test_order_of_held_out_photographs_and_of_faces_does_not_matter() -> None:
    rng = np.random.default_rng(1)
    photos, faces = random_units(rng, 3), random_units(rng, 4)
    one = identity.score(evidence([person("p", photos, photos)], faces, [2]))
    other = identity.score(evidence([person("p", photos[::-1], photos)], faces[::-1], [1]))
    assert values(one, "sim_heldout") == pytest.approx(values(other, "sim_heldout"))


def test_references_and_held_out_are_not_the_same_thing() -> None:
    straight = evidence([person("p", [turned(60)], [turned(0)])], [turned(0)], [0])
    swapped = evidence([person("p", [turned(0)], [turned(60)])], [turned(0)], [0])
    assert values(identity.score(straight), "sim_heldout") == pytest.approx([0.5])
    assert values(identity.score(swapped), "sim_heldout") == pytest.approx([1.0])


def test_the_worst_of_two_by_hand() -> None:
    """0.5 and 1: the smaller; missing or on the other side of a right angle: 0; one person has no such score."""
    people = [person("p", [turned(60)], [turned(0)]), person("q", [turned(90)], [turned(90)])]
    straight = identity.score(evidence(people, [turned(0), turned(90)], [0, 1]))
    assert values(straight, "sim_worst") == pytest.approx([0.5])
    assert missing(straight, "sim_worst") == [False]
    away = identity.score(evidence(people, [turned(180), turned(90)], [0, 1]))
    assert values(away, "sim_worst") == [0.0]
    lost = identity.score(evidence(people, [turned(60)], [0, -1]))
    assert (values(lost, "sim_worst"), missing(lost, "sim_worst")) == ([0.0], [True])
    assert values(identity.score(evidence(people[:1], [turned(0)], [0])), "sim_worst") == []


def test_the_worst_against_a_loop_and_in_any_order() -> None:
    asked = random_case(np.random.default_rng(6))
    scores = identity.score(asked)
    assert values(scores, "sim_worst") == pytest.approx([max(0.0, min(values(scores, "sim_heldout")))])
    turned_round = replace(asked, people=asked.people[::-1], matched=asked.matched[::-1])
    assert values(identity.score(turned_round), "sim_worst") == pytest.approx(values(scores, "sim_worst"))
