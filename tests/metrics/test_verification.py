"""verification: share of accepted pairs."""

import numpy as np
import pytest

from pipeline.metrics import verification
from tests.metrics.evidence import evidence, missing, nobody, person, random_case, turned, values


def test_by_hand() -> None:
    """The threshold is 0.4: cos 60 = 0.5 passes, cos 80 = 0.17 does not, so half of the pairs do."""
    asked = evidence([person("p", [turned(60), turned(80)], [turned(0)])], [turned(0)], [0])
    assert values(verification.score(asked), "id_accuracy") == pytest.approx([0.5])


def test_encoders_are_averaged() -> None:
    asked = evidence([person("p", [turned(0)], [turned(0)])], {"b": [turned(0)], "c": [turned(80)]}, [0])
    assert values(verification.score(asked), "id_accuracy") == pytest.approx([0.5])


def test_against_a_loop() -> None:
    asked = random_case(np.random.default_rng(3))
    for slot, found in enumerate(values(verification.score(asked), "id_accuracy")):
        passed = [
            float(photo @ asked.faces[name][slot]) > 0.4 for name in "bc" for photo in asked.people[slot].held_out[name]
        ]
        assert found == pytest.approx(np.mean(passed))


def test_a_missing_face_fails() -> None:
    scores = verification.score(nobody([person("p", [turned(0)], [turned(0)])]))
    assert values(scores, "id_accuracy") == [0.0]
    assert missing(scores, "id_accuracy") == [True]


def test_held_out_and_reference_are_not_the_same_thing() -> None:
    straight = evidence([person("p", [turned(80)], [turned(0)])], [turned(0)], [0])
    swapped = evidence([person("p", [turned(0)], [turned(80)])], [turned(0)], [0])
    assert values(verification.score(straight), "id_accuracy") != values(verification.score(swapped), "id_accuracy")
