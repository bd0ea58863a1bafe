"""data/faces/_metrics.json: photos, faces and why faces are not used."""

from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from pipeline import shards
from pipeline.faces.worker import KIND


def summarise(folder: Path) -> dict[str, Any]:
    """Counts over the shards of `folder`; a photo without one is counted under rejects as no_face or bad_image."""
    table = shards.read_all(folder, KIND, ["photo_id", "index", "reject"])
    rejects = {row["values"]: row["counts"] for row in pc.value_counts(table["reject"].drop_null()).to_pylist()}
    return {
        "photos": pc.count_distinct(table["photo_id"]).as_py(),
        "faces": pc.sum(pc.greater_equal(table["index"], 0)).as_py(),
        "kept": table["reject"].null_count,
        "rejects": rejects,
    }
