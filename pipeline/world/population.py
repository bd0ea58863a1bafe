"""The people of the drawn world: who they are, as a pure function of a seed and a number."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.head.model import Head, load_head
from pipeline.world.anatomy.build import MODEL, albedo_names

MARKS = {  # one-sided albedo modes: how many people have one, and how strong it is in standard deviations
    "moustache": (0.12, 2.4),
    "goatee": (0.1, 2.3),
    "beard": (0.12, 2.3),
    "sideburns": (0.07, 1.8),
    "stubble": (0.12, 1.3),
    "freckles": (0.2, 1.6),
    "patch_left": (0.05, 1.2),
    "patch_forehead": (0.05, 1.2),
    "mole_left_cheek": (0.14, 1.7),
    "mole_right_cheek": (0.14, 1.7),
    "mole_lip": (0.14, 1.7),
    "mole_chin": (0.14, 1.7),
    "mole_brow": (0.14, 1.7),
    "mole_jaw": (0.14, 1.7),
    "under_eye": (0.5, 1.0),
    "blush": (0.4, 1.3),
    "nose_red": (0.3, 1.2),
    "eyelids": (0.3, 1.4),
    "brow_bridge": (0.12, 1.8),
}
ONSETS = (
    "",
    "b",
    "d",
    "f",
    "g",
    "h",
    "k",
    "l",
    "m",
    "n",
    "p",
    "r",
    "s",
    "t",
    "v",
    "z",
    "br",
    "dr",
    "kr",
    "tr",
    "sh",
    "th",
)
VOWELS = ("a", "e", "i", "o", "u", "ai", "ea", "io", "ou")
CODAS = ("", "", "n", "l", "r", "s", "m", "nd", "rt", "x")


@dataclass(frozen=True)
class Person:
    """Who somebody is: 3DMM shape (K,) in standard deviations, albedo (A,), and a made-up name."""

    index: int
    name: str
    shape: NDArray[np.float32]
    albedo: NDArray[np.float32]


@cache
def world_head(path: Path = MODEL) -> Head:
    """The world's head model, read once."""
    return load_head(path)


def person(seed: int, index: int) -> Person:
    """Person `index` of the population `seed`; other seeds give other people."""
    rng = np.random.default_rng([seed, index, 0x9E0])
    head = world_head()
    shape = truncated(rng, len(head.identity))
    return Person(index, made_up_name(rng), shape, complexion(rng, len(head.albedo)))


def truncated(rng: np.random.Generator, count: int, limit: float = 2.2) -> NDArray[np.float32]:
    """Normal numbers (count,), drawn again where they are beyond `limit`."""
    values = rng.normal(size=count)
    while (beyond := np.abs(values) > limit).any():
        values[beyond] = rng.normal(size=int(beyond.sum()))
    return values.astype(np.float32)


def complexion(rng: np.random.Generator, count: int) -> NDArray[np.float32]:
    """Albedo coefficients (count,): normal, except marks, which most people lack."""
    values = truncated(rng, count, 2.0)
    for place, name in enumerate(albedo_names()):
        has, strength = rng.random(), rng.uniform(0.6, 1.0)
        if name in MARKS:
            values[place] = MARKS[name][1] * strength if has < MARKS[name][0] else 0.0
    return values


def made_up_name(rng: np.random.Generator) -> str:
    """A first and a last name that no language owns."""
    return " ".join("".join(syllable(rng) for _ in range(count)).capitalize() for count in (2, int(rng.integers(2, 4))))


def syllable(rng: np.random.Generator) -> str:
    """One syllable: onset, vowel, coda."""
    return str(rng.choice(ONSETS)) + str(rng.choice(VOWELS)) + str(rng.choice(CODAS))
