"""Casts: embeddings by case, and other people for everybody."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.errors import MissingInput
from pipeline.evaluate.casts import Gallery, impostor_casts
from pipeline.head.head_pose import HeadPose
from pipeline.metric import Calibration
from tests.benchmark import fairness_data

SCALE = Calibration(0.0, 1.0, 0.5)
MARKS = {f"{name}{number}-0": np.full((68, 2), ord(name) + 0.1 * number) for name in "ab" for number in range(5)}


IMAGES = {f"{name}{number}": np.eye(8)[number] for name in "ab" for number in range(5)}


def wanted(pose: HeadPose, references: np.ndarray) -> HeadPose:
    """What was asked of it, written where it can be read again."""
    return replace(pose, landmarks=references)


def test_impostor_casts_share_nobody() -> None:
    cases = [
        fairness_data.case("a", "b", index=0),
        fairness_data.case("c", "d", index=1),
        fairness_data.case("a", index=2),
    ]
    found = impostor_casts(cases)
    for case in cases:
        others = {person.identity_id for person in found[case.case_id]}
        assert len(others) == len(case.people)
        assert not others & {person.identity_id for person in case.people}


def test_everybody_has_a_turn_as_impostor() -> None:
    cases = [fairness_data.case(f"p{index}", index=index) for index in range(6)]
    used = [person.identity_id for others in impostor_casts(cases).values() for person in others]
    assert sorted(used) == [f"p{index}" for index in range(6)]


def test_too_few_people_for_impostors() -> None:
    assert impostor_casts([fairness_data.case("a", "b")]) == {}


def test_references_and_held_out_come_from_the_right_photos() -> None:
    case = fairness_data.case("a")
    shots = [*case.people[0].references, *case.people[0].held_out]
    vectors = {shot.face_id: np.eye(8)[index] for index, shot in enumerate(shots)}
    person = Gallery({"b": vectors, "c": vectors}, {"b": SCALE, "c": SCALE}, MARKS, IMAGES).cast(
        case, "layout", wanted
    )[0]
    assert person.references["b"].argmax(1).tolist() == [0, 1]
    assert person.held_out["c"].argmax(1).tolist() == [2, 3]
    assert person.reference_images is not None
    assert person.reference_images.argmax(1).tolist() == [0, 1]
    assert person.held_out_images is not None
    assert person.held_out_images.argmax(1).tolist() == [3, 4]
    assert person.box is not None
    assert person.box.tolist() == case.layout[0].box.tolist()


def test_the_wanted_pose_has_the_shape_of_the_references_alone() -> None:
    case = fairness_data.case("a", "b")
    vectors = {face: np.eye(4)[0] for face in MARKS}
    gallery = Gallery({"b": vectors, "c": vectors}, {"b": SCALE, "c": SCALE}, MARKS, IMAGES)
    for person, who, pose in zip(gallery.cast(case, "layout", wanted), case.people, case.layout, strict=True):
        assert person.wanted is not None
        assert person.wanted.landmarks[:, 0, 0].tolist() == [MARKS[shot.face_id][0, 0] for shot in who.references]
        assert person.wanted.box is pose.box


def test_free_cases_want_no_pose() -> None:
    case = fairness_data.case("a")
    vectors = {shot.face_id: np.eye(4)[0] for shot in (*case.people[0].references, *case.people[0].held_out)}
    assert Gallery({"b": vectors, "c": vectors}, {}, {}, IMAGES).cast(case, "free", wanted)[0].box is None


def test_a_face_that_is_not_there_is_named() -> None:
    with pytest.raises(MissingInput, match="run the samples stage again"):
        Gallery({"b": {}, "c": {}}, {}, {}, {}).cast(fairness_data.case("a"), "free", wanted)
