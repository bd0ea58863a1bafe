"""data/identities/_metrics.json: faces, people and what changed."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import shards
from pipeline.identities.worker import CHANGES, FACES, PEOPLE


def summarise(folder: Path) -> dict[str, Any]:
    """Counts over the shards of `folder`."""
    faces, people = shards.read_all(folder, FACES), shards.read_all(folder, PEOPLE)
    events = shards.read_all(folder, CHANGES, ["event"])["event"]
    return {
        "faces": len(faces),
        "kept": faces["reject"].null_count,
        "rejects": _tally(faces["reject"].drop_null()),
        "people": len(people),
        "faces_per_person": pc.mean(people["faces"]).as_py(),
        "cohesion": pc.mean(people["cohesion"]).as_py(),
        "margin": pc.mean(people["margin"]).as_py(),
        "changes": _tally(events),
    }


def _tally(values: pa.ChunkedArray) -> dict[str, int]:
    return {row["values"]: row["counts"] for row in pc.value_counts(values).to_pylist()}
