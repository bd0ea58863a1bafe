"""data/samples/_metrics.json: what became of the photos, and what the benchmark asks for."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from pipeline.benchmark.cases import Benchmark, Person
from pipeline.samples.selection import Photo


def summarise(photos: Sequence[Photo], people: Sequence[Person], benchmark: Benchmark) -> dict[str, Any]:
    """Counts of photos and people by split, of rejects by reason, and of cases by number of people."""
    kept = [photo for photo in photos if photo.reject is None]
    members = {(photo.split, name) for photo in kept for name in photo.identity_ids}
    cases = Counter(str(len(case.people)) for case in benchmark.cases)
    return {
        "photos": dict(Counter(str(photo.split) for photo in kept)),
        "groups": dict(Counter(str(photo.split) for photo in kept if len(photo.identity_ids) > 1)),
        "people": dict(Counter(str(split) for split, _ in members)),
        "rejected": dict(Counter(photo.reject for photo in photos if photo.reject)),
        "benchmark": {"name": benchmark.name, "hash": benchmark.hash, "people": len(people), "cases": dict(cases)},
    }
