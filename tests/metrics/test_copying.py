"""copying: copy-paste by hand and against the formula, invariances, and its sign when target and reference swap."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.metrics import copying
from tests.metrics.evidence import evidence, missing, nobody, person, random_case, random_units, turned, values


def score(held_out, references, face) -> float:
    return values(copying.score(evidence([person("p", held_out, references)], [face], [0])), "copy_paste")[0]


def test_by_hand() -> None:
    """Target at 0, reference at 60 degrees, face at 45: (45 - 15) / 60 = 0.5."""
    assert score([turned(0)], [turned(60)], turned(45)) == pytest.approx(0.5)


@pytest.mark.parametrize(("degrees", "expected"), [(60, 1.0), (0, -1.0), (30, 0.0)])
def test_the_ends_of_the_scale(degrees: float, expected: float) -> None:
    assert score([turned(0)], [turned(60)], turned(degrees)) == pytest.approx(expected, abs=1e-6)


def test_swapping_target_and_reference_changes_the_sign() -> None:
    assert score([turned(0)], [turned(60)], turned(45)) == pytest.approx(-score([turned(60)], [turned(0)], turned(45)))


def test_against_the_formula() -> None:
    rng = np.random.default_rng(0)
    faces, held_out, references = random_units(rng, 2), random_units(rng, 3), random_units(rng, 2)
    expected = [
        max(
            np.mean([(np.arccos(face @ t) - np.arccos(face @ r)) / np.arccos(t @ r) for t in held_out])
            for r in references
        )
        for face in faces
    ]
    np.testing.assert_allclose(copying.copy_paste(faces, held_out, references), expected)


def test_one_of_four_references_pasted_is_a_copy() -> None:
    references = random_units(np.random.default_rng(3), 4, 4)
    assert score([turned(0)], references, references[2]) == pytest.approx(1.0, abs=1e-6)


def test_what_the_generator_was_not_given_is_not_copied() -> None:
    """Of three references one was given: the others may be anything."""
    rng = np.random.default_rng(4)
    references = random_units(rng, 3, 4)
    others = [references[0], *random_units(rng, 2, 4)]
    found = [
        [
            values(
                copying.score(evidence([replace(person("p", [turned(0)], shown), given=given)], [turned(45)], [0])),
                name,
            )
            for name in ("sim_reference", "copy_paste")
        ]
        for shown, given in ((references, 1), (others, 1), (references[:1], None), (references, None))
    ]
    assert found[0] == found[1] == found[2]
    assert found[0] != found[3]


def test_pairs_too_close_to_tell_are_left_out() -> None:
    """5 degrees are 0.087 rad: only the pair with the reference at 60 degrees counts."""
    assert score([turned(0)], [turned(5), turned(60)], turned(45)) == pytest.approx(0.5)
    assert np.isnan(copying.copy_paste(np.array([turned(45)]), np.array([turned(0)]), np.array([turned(5)]))).all()


def test_a_slot_without_a_pair_is_left_out_and_counted() -> None:
    scores = copying.score(evidence([person("p", [turned(0)], [turned(5)])], [turned(45)], [0]))
    assert np.isnan(values(scores, "copy_paste")).all()
    assert missing(scores, "copy_paste") == [True]


def test_order_of_photographs_does_not_matter() -> None:
    rng = np.random.default_rng(2)
    faces, held_out, references = random_units(rng, 2), random_units(rng, 3), random_units(rng, 2)
    np.testing.assert_allclose(
        copying.copy_paste(faces, held_out, references), copying.copy_paste(faces, held_out[::-1], references[::-1])
    )


def test_similarity_to_references_by_hand() -> None:
    scores = copying.score(evidence([person("p", [turned(90)], [turned(0), turned(60)])], [turned(0)], [0]))
    assert values(scores, "sim_reference") == pytest.approx([0.75])


def test_missing_faces() -> None:
    scores = copying.score(nobody([person("p", [turned(0)], [turned(60)])]))
    assert values(scores, "sim_reference") == [0.0]
    assert np.isnan(values(scores, "copy_paste")[0])
    assert missing(scores, "copy_paste") == [True]


def test_every_value_is_in_range() -> None:
    for seed in range(20):
        for each in copying.score(random_case(np.random.default_rng(seed))):
            assert not each.missing
            assert -1.0 - 1e-9 <= each.value <= 1.0 + 1e-9
