"""Reference sets: which of a person's photos a generator is given, and which are only scored against."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.benchmark.cases import Person, Shot

# A turn of this many degrees is as good a reason to take a photo as a whole grade of quality.
DEGREES_PER_GRADE = 60.0


@dataclass(frozen=True)
class ReferenceCandidate:
    """What is known of a person's face in one photo."""

    face_id: str
    photo_id: str
    identity_id: str
    quality: float  # in [0, 1]
    pixels: float  # shorter side of the face's box
    yaw: float
    pitch: float
    alone: bool  # nobody else is in the photo


def rank(candidates: Sequence[ReferenceCandidate]) -> list[ReferenceCandidate]:
    """A person's photos, best first: the best one, then each time good quality in a pose that is not there yet."""
    left = sorted(candidates, key=lambda candidate: candidate.face_id)
    ranked: list[ReferenceCandidate] = []
    while left:
        best = max(left, key=lambda candidate: _worth(candidate, ranked))
        ranked.append(best)
        left.remove(best)
    return ranked


def rows(candidates: Sequence[ReferenceCandidate], split: str, references: int) -> list[dict[str, Any]]:
    """Rows of records.REFERENCES for one person. Nothing is held out of the training split.

    Elsewhere at most half of the photos are references, so that there are always photos to score against.
    """
    given = len(candidates) if split == "train" else min(references, len(candidates) // 2)
    return [
        {
            "identity_id": candidate.identity_id,
            "split": split,
            "face_id": candidate.face_id,
            "photo_id": candidate.photo_id,
            "rank": place,
            "held_out": place >= given,
        }
        for place, candidate in enumerate(rank(candidates))
    ]


def person(identity_id: str, found: Sequence[dict[str, Any]]) -> Person | None:
    """A person of the benchmark from their rows, in order of rank.

    None with too few photos: three are needed, a reference, one for the bounds and one to score against. The best
    photo that is held out is the one that the bounds show; it is then not scored against.
    """
    shots = [(Shot(row["face_id"], row["photo_id"]), row["held_out"]) for row in found]
    references = tuple(shot for shot, held_out in shots if not held_out)
    held_out = tuple(shot for shot, held_out in shots if held_out)
    if not references or len(held_out) < 2:
        return None
    return Person(identity_id, references, held_out[1:], held_out[0])


def _worth(candidate: ReferenceCandidate, ranked: Sequence[ReferenceCandidate]) -> float:
    turns = [np.hypot(candidate.yaw - other.yaw, candidate.pitch - other.pitch) for other in ranked]
    novelty = min(turns, default=0.0) / DEGREES_PER_GRADE
    # Small faces carry less than their quality says; 112 pixels are what a recogniser looks at.
    return candidate.quality * min(candidate.pixels / 112.0, 1.0) ** 0.5 + 0.1 * candidate.alone + min(novelty, 0.5)
