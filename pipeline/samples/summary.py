"""data/samples/_metrics.json: what became of the photos, and what the benchmark asks for."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from pipeline.benchmark.cases import Benchmark, Person
from pipeline.samples.selection import Photo


def summarise(photos: Sequence[Photo], people: Sequence[Person], benchmark: Benchmark) -> dict[str, Any]:
    """Counts of photos and people by split, of rejects by reason, and of cases by number of people.

    `given_up` counts the photos whose people are in several splits; `shares` are those of the splits.
    """
    kept = [photo for photo in photos if photo.reject is None]
    members = {(photo.split, name) for photo in kept for name in photo.identity_ids}
    by_photo, by_person = Counter(str(photo.split) for photo in kept), Counter(str(split) for split, _ in members)
    cases = Counter(str(len(case.people)) for case in benchmark.cases)
    return {
        "photos": dict(by_photo),
        "groups": dict(Counter(str(photo.split) for photo in kept if len(photo.identity_ids) > 1)),
        "people": dict(by_person),
        "shares": {"people": _shares(by_person), "photos": _shares(by_photo)},
        "given_up": sum(photo.reject == "split" for photo in photos),
        "rejected": dict(Counter(photo.reject for photo in photos if photo.reject)),
        "benchmark": {"name": benchmark.name, "hash": benchmark.hash, "people": len(people), "cases": dict(cases)},
    }


def _shares(counts: Counter[str]) -> dict[str, float]:
    return {split: count / counts.total() for split, count in counts.items()}
