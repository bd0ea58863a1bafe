"""Names that last: identities keep their id when faces come and go, and what happened to them is written down.

An identity is named by a fingerprint of the faces that founded it, and keeps that name as long as most of its faces
stay together. What was there before is the stage's previous output: there is no other memory, so that a takedown
reaches it and a restored data folder brings its names with it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.shards import fingerprint

Groups = Sequence[Sequence[str]]


def names(groups: Groups, before: Mapping[str, str]) -> list[str]:
    """The id of each group of face ids; `before` maps face ids to the identity they had.

    An earlier identity goes to the group with which it shares most faces, each to one group and each group to one:
    the largest overlap first, then in the order of ids. Other groups are founded.
    """
    overlaps = [(-count, old, number) for number, faces in enumerate(groups) for old, count in _old(faces, before)]
    given: dict[int, str] = {}
    taken: set[str] = set()
    for _, old, number in sorted(overlaps):
        if number not in given and old not in taken:
            given[number] = old
            taken.add(old)
    taken.update(before.values())
    return [given[number] if number in given else _found(faces, taken) for number, faces in enumerate(groups)]


def changes(groups: Groups, ids: Sequence[str], before: Mapping[str, str]) -> list[dict[str, Any]]:
    """What happened since `before`, as rows of records.CHANGES sorted by identity and event."""
    sources = {identity: Counter(dict(_old(faces, before))) for identity, faces in zip(ids, groups, strict=True)}
    heirs: dict[str, Counter[str]] = {old: Counter() for old in before.values()}
    for identity, counts in sources.items():
        for old, count in counts.items():
            heirs[old][identity] = count
    rows = [_event(identity, "founded", None, len(faces)) for identity, faces in zip(ids, groups, strict=True)]
    rows = [row for row in rows if row["identity_id"] not in heirs]
    for old, counts in heirs.items():
        rows += _fate(old, counts, old in sources)
    return sorted(rows, key=lambda row: (row["identity_id"], row["event"], row["other_id"] or ""))


def _fate(old: str, heirs: Mapping[str, int], lives: bool) -> Iterable[dict[str, Any]]:
    if not heirs and not lives:
        yield _event(old, "ended", None, 0)
    for heir, count in heirs.items():
        if heir != old:
            yield _event(old, "split" if lives else "merged", heir, count)


def _event(identity: str, event: str, other: str | None, faces: int) -> dict[str, Any]:
    return {"identity_id": identity, "event": event, "other_id": other, "faces": faces}


def _old(faces: Sequence[str], before: Mapping[str, str]) -> list[tuple[str, int]]:
    return list(Counter(before[face] for face in faces if face in before).items())


def _found(faces: Sequence[str], taken: set[str]) -> str:
    """A fresh id; when the founders' own is in use (they founded it once and were split off), the next one."""
    attempt = 0
    while (identity := fingerprint(sorted(faces), attempt)) in taken:
        attempt += 1
    taken.add(identity)
    return identity
