"""Splits by identity: people who appear together are on one side, and so is every photo with any of them.

Where so many hang together that one side would be all of them, they are cut apart: photographs of people on several
sides are then in no split.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from pipeline.samples import partition

SPLITS = ("train", "validation", "test")
# A component is cut where it holds more than this share of all people, and more people than this.
LARGEST_SHARE, LARGEST = 0.05, 12
# How far the people of a split may be from its share, of all people: room to leave circles whole.
SLACK = 0.0075


def components(groups: Iterable[Sequence[str]]) -> dict[str, str]:
    """For every person the name of their component: people are joined by the groups they appear in (union-find).

    A component is named by its member with the smallest hash, so that a newcomer rarely renames it.
    """
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for group in groups:
        for name in group:
            parent.setdefault(name, name)
        for name in group[1:]:
            first, second = sorted((root(group[0]), root(name)), key=_digest)
            parent[second] = first
    return {name: root(name) for name in parent}


def assign(groups: Iterable[Sequence[str]], validation: float, test: float, seed: int) -> dict[str, str]:
    """The split of every person: a seeded hash of their component, so that newcomers move nobody else.

    Components of more than LARGEST people and LARGEST_SHARE of all are cut so that the splits have their shares of the
    people, SLACK more or less; few photographs show people of several splits then (partition.py). A newcomer may move
    people there. Of the other components those train that would make a split too large, the ones of the largest hashes.

    Without such a component two rules bound what chance may do. One with more than half of all people trains: on
    another side it would leave too little. And a split with a share that chance left empty gets the component next to
    its border.

    Args:
        groups: the people of each photo.
        validation, test: shares of the people.
    """
    groups = list(groups)
    component = components(groups)
    sizes = Counter(component.values())
    people = len(component)
    large = {name for name, size in sizes.items() if size > max(LARGEST, LARGEST_SHARE * people)}
    if not large:
        chosen = _by_hash(sizes, validation, test, seed)
        return {name: chosen[found] for name, found in component.items()}
    chosen = _within_shares({name: sizes[name] for name in sizes if name not in large}, validation, test, seed, people)
    hung = {name for name, found in component.items() if found in large}
    small = {name: chosen[found] for name, found in component.items() if found in chosen}
    return small | _cut(hung, groups, small, {"test": test, "validation": validation}, seed)


def crosses(people: Iterable[str], split: Mapping[str, str]) -> bool:
    """Whether a photo shows people of several splits."""
    return len({split[name] for name in people}) > 1


def _cut(
    hung: set[str], groups: Sequence[Sequence[str]], small: Mapping[str, str], shares: Mapping[str, float], seed: int
) -> dict[str, str]:
    """Give each split what the small components left of its share; the rest trains."""
    everybody, had = len(hung) + len(small), Counter(small.values())
    found: dict[str, str] = {}
    for split, share in shares.items():
        left = hung - found.keys()
        within = [group for group in groups if len(group) > 1 and left.issuperset(group)]
        wanted = max(1.0 if share > 0 and not had[split] else 0.0, share * everybody - had[split])
        found |= dict.fromkeys(partition.bisect(left, within, wanted, SLACK * everybody, seed), split)
    return dict.fromkeys(hung, "train") | found


def _by_hash(sizes: Mapping[str, int], validation: float, test: float, seed: int) -> dict[str, str]:
    everybody = sum(sizes.values())
    places = {name: _place(name, seed) for name in sizes if 2 * sizes[name] <= everybody}
    chosen = dict.fromkeys(sizes, "train") | {name: _side(place, validation, test) for name, place in places.items()}
    if places and "train" not in chosen.values():
        chosen[max(places, key=lambda name: places[name])] = "train"
    for split, border, share in (("test", test, test), ("validation", test + validation, validation)):
        _fill(split, border, share, places, chosen)
    return chosen


def _within_shares(
    sizes: Mapping[str, int], validation: float, test: float, seed: int, everybody: int
) -> dict[str, str]:
    """The split of components that are not cut; those that no longer fit into theirs train."""
    chosen: dict[str, str] = {}
    had, most = Counter[str](), {"test": test, "validation": validation, "train": 1.0}
    for place, name in sorted((_place(name, seed), name) for name in sizes):
        side = _side(place, validation, test)
        had[side] += sizes[name]
        chosen[name] = side if had[side] <= (most[side] + SLACK) * everybody else "train"
    return chosen


def _side(place: float, validation: float, test: float) -> str:
    return "test" if place < test else "validation" if place < test + validation else "train"


def _fill(split: str, border: float, share: float, places: dict[str, float], chosen: dict[str, str]) -> None:
    if share <= 0 or split in chosen.values():
        return
    trained = [name for name in places if chosen[name] == "train"]
    if len(trained) > 1 or (trained and len(chosen) > len(places)):  # never the last that trains
        chosen[min(trained, key=lambda name: abs(places[name] - border))] = split


def _place(name: str, seed: int) -> float:
    return int(hashlib.sha256(f"{seed} {name}".encode()).hexdigest()[:13], 16) / 16**13


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()
