"""verification: share of accepted pairs."""

import numpy as np
import pytest

from pipeline.metric import Calibration
from pipeline.metrics import verification
from tests.metrics.evidence import evidence, missing, nobody, person, random_case, turned, values


def test_by_hand() -> None:
    """The threshold is 0.4: cos 60 = 0.5 passes, cos 80 = 0.17 does not, so half of the pairs do."""
    asked = evidence([person("p", [turned(60), turned(80)], [turned(0)])], [turned(0)], [0])
    assert values(verification.score(asked), "id_accuracy") == pytest.approx([0.5])


def test_encoders_are_averaged() -> None:
    asked = evidence([person("p", [turned(0)], [turned(0)])], {"b": [turned(0)], "c": [turned(80)]}, [0])
    assert values(verification.score(asked), "id_accuracy") == pytest.approx([0.5])


def test_each_encoder_has_its_threshold() -> None:
    """cos 60 = 0.5 passes B's threshold of 0.4 and not C's of 0.6; cos 70 = 0.34 neither, cos 45 = 0.71 both."""
    scales = {"b": Calibration(0.0, 0.8, 0.4), "c": Calibration(0.0, 0.8, 0.6)}
    for degrees, share in ((60, 0.5), (70, 0.0), (45, 1.0)):
        asked = evidence([person("p", [turned(degrees)], [turned(0)])], [turned(0)], [0], scales=scales)
        assert values(verification.score(asked), "id_accuracy") == [share]


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
