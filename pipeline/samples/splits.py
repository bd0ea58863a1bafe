"""Splits by identity: people who appear together are on one side, and so is every photo with any of them."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence

SPLITS = ("train", "validation", "test")


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

    Two rules bound what chance may do. A component with more than half of all people trains: on another side it
    would leave too little. And a split with a share that chance left empty gets the component next to its border.

    Args:
        groups: the people of each photo.
        validation, test: shares of the components.
    """
    component = components(groups)
    sizes = Counter(component.values())
    places = {name: _place(name, seed) for name in sizes if 2 * sizes[name] <= len(component)}
    chosen = dict.fromkeys(sizes, "train") | {
        name: "test" if place < test else "validation" if place < test + validation else "train"
        for name, place in places.items()
    }
    if places and "train" not in chosen.values():
        chosen[max(places, key=lambda name: places[name])] = "train"
    for split, border, share in (("test", test, test), ("validation", test + validation, validation)):
        _fill(split, border, share, places, chosen)
    return {name: chosen[found] for name, found in component.items()}


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
