"""References are good and different; what is scored against is never given."""

from dataclasses import replace

from pipeline.samples import references
from pipeline.samples.references import ReferenceCandidate

BASE = ReferenceCandidate("f", "p", "ann", quality=0.8, pixels=60, yaw=0, pitch=0, alone=True)


def shots(*changes: dict) -> list[ReferenceCandidate]:
    return [replace(BASE, face_id=f"f{n}", photo_id=f"p{n}", **change) for n, change in enumerate(changes)]


def test_the_best_first_then_another_pose() -> None:
    found = references.rank(shots({"quality": 0.7}, {"quality": 0.9}, {"quality": 0.85}, {"quality": 0.7, "yaw": 30.0}))
    assert [portrait.face_id for portrait in found] == ["f1", "f3", "f2", "f0"]


def test_larger_faces_and_portraits_come_first() -> None:
    assert references.rank(shots({"pixels": 20.0}, {}))[0].face_id == "f1"
    assert references.rank(shots({"alone": False}, {}))[0].face_id == "f1"


def test_half_at_most_is_given_and_nothing_held_out_of_training() -> None:
    for count, given in ((2, 1), (3, 1), (5, 2), (8, 4), (12, 4)):
        rows = references.rows(shots(*[{}] * count), "test", 4)
        assert [row["held_out"] for row in rows] == [False] * given + [True] * (count - given)
    assert not any(row["held_out"] for row in references.rows(shots({}, {}), "train", 4))


def test_a_person_of_the_benchmark_needs_three_photos() -> None:
    assert references.person("ann", references.rows(shots({}, {}), "test", 4)) is None
    found = references.person("ann", references.rows(shots(*[{}] * 5), "test", 4))
    assert found is not None
    kinds = [set(found.references), {found.other}, set(found.held_out)]
    assert [len(kind) for kind in kinds] == [2, 1, 2]
    assert len(set().union(*kinds)) == 5
