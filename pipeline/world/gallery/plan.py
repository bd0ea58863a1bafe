"""The plan of the gallery: who is photographed together, what happens to each file, and where it lies.

Nothing here draws; all of it is a pure function of the settings. People meet only within their circle, so that a
split of circles never cuts a group photograph in two.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline import shards
from pipeline.settings import WorldSettings

GROUP_SIZES = (2, 3, 4)
FIGURES_PER_PAGE = 24

# Which of the photographs (by number) has a mishap: one of so many, beginning with that one.
EVERY = {
    "private": (50, 11),  # lies where robots.txt forbids
    "reserved": (50, 23),  # comes with a header that opts out
    "busy": (40, 29),  # lies on a host that refuses some at first
    "moved": (60, 17),  # is linked to by an address that redirects
    "copied": (25, 3),  # another host has the same file
    "recoded": (25, 7),  # another host has it with more compression
    "resized": (50, 19),  # another host has it smaller
    "truncated": (150, 31),  # another host has half the file
    "garbled": (150, 65),  # another host has it with broken bytes
    "markup": (150, 91),  # another host shows HTML under its name
    "tiny": (150, 121),  # another host has a thumbnail
}
WITHHELD = ("private", "reserved")
REFUSED_AT_FIRST = (1000, 29)  # of the busy host's photographs
RESERVATIONS = ("X-Robots-Tag: noai, noimageai", "tdm-reservation: 1", "Content-Usage: train-ai=n")


@dataclass(frozen=True)
class Shot:
    """One photograph to take: its number, the people from left to right, and the seed of everything else."""

    number: int
    people: tuple[int, ...]
    seed: int

    @property
    def mishaps(self) -> frozenset[str]:
        """The keys of EVERY that this photograph meets; a withheld one meets nothing else."""
        met = {name for name, (every, first) in EVERY.items() if self.number % every == first}
        return frozenset(met.intersection(WITHHELD) or met)

    @property
    def offered(self) -> str:
        """What a polite crawl makes of it: kept, robots or opt_out."""
        return "robots" if "private" in self.mishaps else "opt_out" if "reserved" in self.mishaps else "kept"


def shots(world: WorldSettings) -> list[Shot]:
    """All photographs, circle by circle: the portraits of its people, then its groups."""
    circles = [
        range(start, min(start + world.circle, world.people)) for start in range(0, world.people, max(world.circle, 1))
    ]
    found: list[Shot] = []
    for number, circle in enumerate(circles):
        alone = [(person,) for person in circle for _ in range(world.portraits_per_person)]
        for turn, people in enumerate(alone + _groups(world, number, len(circles), circle)):
            found.append(Shot(len(found), people, _seed(world.seed, number, turn)))
    return found


def _groups(world: WorldSettings, number: int, circles: int, circle: Sequence[int]) -> list[tuple[int, ...]]:
    """The groups of one circle, whose share of all groups is as equal as it can be; a circle of one has none."""
    first, end = world.groups * number // circles, world.groups * (number + 1) // circles
    rng = np.random.default_rng([world.seed, number, 0x6A1])
    return [_meet(circle, GROUP_SIZES[group % len(GROUP_SIZES)], rng) for group in range(first, end) if len(circle) > 1]


def _meet(circle: Sequence[int], size: int, rng: np.random.Generator) -> tuple[int, ...]:
    return tuple(int(person) for person in rng.choice(circle, min(size, len(circle)), replace=False))


def _seed(*parts: int) -> int:
    # Not consecutive numbers: those seed the photographs that the model pack was trained on.
    return int(shards.fingerprint("gallery", *parts)[:8], 16)


def address(shot: Shot) -> str:
    """Where the site shows a photograph. Nothing in it tells who is on it."""
    name = shards.fingerprint("name", shot.seed)[:12] + (".png" if shot.number % 20 == 9 else ".jpg")
    if shot.mishaps & set(WITHHELD):
        return f"http://shy.world.test/{'private' if 'private' in shot.mishaps else 'reserved'}/{name}"
    if "busy" in shot.mishaps:
        return f"http://busy.world.test/photos/{name}"
    host = "friends" if len(shot.people) > 1 else ("faces", "studio")[shot.number % 2]
    return f"http://{host}.world.test/photos/{name}"


def headers(shot: Shot) -> list[str]:
    """The header by which a reserved photograph opts out; none for the others."""
    return [RESERVATIONS[shot.number // 50 % len(RESERVATIONS)]] if "reserved" in shot.mishaps else []


def refusals(shot: Shot) -> int:
    """How many requests for it are refused first."""
    every, first = REFUSED_AT_FIRST
    return int(shot.number % every == first)


def pages(count: int) -> int:
    """Album pages that `count` photographs fill."""
    return -(-count // FIGURES_PER_PAGE)
