"""Casts: embeddings by case, and other people for everybody."""

import numpy as np
import pytest

from pipeline.benchmark.cases import Place
from pipeline.errors import MissingInput
from pipeline.evaluate.casts import Gallery, impostor_casts
from pipeline.metric import Calibration, Held
from tests.benchmark import fairness_data

SCALE = Calibration(0.0, 1.0, 0.5)
MARKS = {f"{name}{number}-0": np.full((68, 2), ord(name) + 0.1 * number) for name in "ab" for number in range(5)}


def hold(place: Place, references: np.ndarray) -> Held:
    """What was asked of it, written where it can be read again."""
    return Held(np.eye(3), np.zeros(0), references, np.array(place.box[0]))


def test_strangers_share_nobody() -> None:
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


def test_everybody_has_a_turn_as_stranger() -> None:
    cases = [fairness_data.case(f"p{index}", index=index) for index in range(6)]
    used = [person.identity_id for others in impostor_casts(cases).values() for person in others]
    assert sorted(used) == [f"p{index}" for index in range(6)]


def test_too_few_people_for_strangers() -> None:
    assert impostor_casts([fairness_data.case("a", "b")]) == {}


def test_references_and_held_out_come_from_the_right_photos() -> None:
    case = fairness_data.case("a")
    shots = [*case.people[0].references, *case.people[0].held_out]
    vectors = {shot.face_id: np.eye(8)[index] for index, shot in enumerate(shots)}
    person = Gallery({"b": vectors, "c": vectors}, {"b": SCALE, "c": SCALE}, MARKS).cast(case, "layout", hold)[0]
    assert person.references["b"].argmax(1).tolist() == [0, 1]
    assert person.held_out["c"].argmax(1).tolist() == [2, 3]
    assert person.box is not None
    assert person.box.tolist() == list(case.layout[0].box)


def test_a_person_is_held_as_the_place_wants_it_with_the_shape_of_the_references_alone() -> None:
    case = fairness_data.case("a", "b")
    vectors = {face: np.eye(4)[0] for face in MARKS}
    gallery = Gallery({"b": vectors, "c": vectors}, {"b": SCALE, "c": SCALE}, MARKS)
    for person, who, place in zip(gallery.cast(case, "layout", hold), case.people, case.layout, strict=True):
        assert person.held is not None
        assert person.held.landmarks[:, 0, 0].tolist() == [MARKS[shot.face_id][0, 0] for shot in who.references]
        assert person.held.eyes == place.box[0]


def test_free_cases_have_no_places() -> None:
    case = fairness_data.case("a")
    vectors = {shot.face_id: np.eye(4)[0] for shot in (*case.people[0].references, *case.people[0].held_out)}
    assert Gallery({"b": vectors, "c": vectors}, {}, {}).cast(case, "free", hold)[0].box is None


def test_a_face_that_is_not_there_is_named() -> None:
    with pytest.raises(MissingInput, match="run the samples stage again"):
        Gallery({"b": {}, "c": {}}, {}, {}).cast(fairness_data.case("a"), "free", hold)
