"""Names that last, and the log of what happened to them."""

from pipeline.identities.history import changes, names

A, B = ["a1", "a2", "a3"], ["b1", "b2"]


def founded(groups: list[list[str]]) -> tuple[list[str], dict[str, str]]:
    ids = names(groups, {})
    return ids, {face: identity for identity, faces in zip(ids, groups, strict=True) for face in faces}


def events(groups: list[list[str]], before: dict[str, str]) -> list[tuple[str, str, str | None]]:
    rows = changes(groups, names(groups, before), before)
    return [(row["identity_id"], row["event"], row["other_id"]) for row in rows]


def test_names_depend_on_the_founders_only() -> None:
    assert names([A, B], {}) == names([B[::-1], A[::-1]], {})[::-1]
    assert len(set(names([A, B], {}))) == 2
    assert all(len(name) == 16 for name in names([A, B], {}))


def test_new_photos_keep_old_names() -> None:
    ids, before = founded([A, B])
    assert names([[*A, "a4"], [*B, "b3", "b4", "b5"]], before) == ids
    assert events([[*A, "a4"], B], before) == []


def test_most_shared_faces_decide() -> None:
    (a, _), before = founded([A, B])
    grown, split = [*A[:2], "x1"], [A[2], "x2"]
    ids = names([split, grown, B], before)
    assert ids[1] == a
    assert ids[0] not in before.values()
    assert (a, "split", ids[0]) in events([split, grown, B], before)
    assert (ids[0], "founded", None) in events([split, grown, B], before)


def test_a_merger_keeps_the_larger_name_and_is_logged() -> None:
    (a, b), before = founded([A, B])
    assert names([[*A, *B]], before) == [a]
    assert events([[*A, *B]], before) == [(b, "merged", a)]


def test_people_who_are_gone_end() -> None:
    (_, b), before = founded([A, B])
    assert events([A], before) == [(b, "ended", None)]


def test_a_name_in_use_is_not_given_to_its_founders_again() -> None:
    (a,), before = founded([A])
    before |= dict.fromkeys(["n1", "n2", "n3", "n4"], a)
    ids = names([A, ["n1", "n2", "n3", "n4"]], before)
    assert ids[1] == a
    assert ids[0] != a
