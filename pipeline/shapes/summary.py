"""data/shapes/_metrics.json: how many faces were fitted, and how well."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from pipeline import shards
from pipeline.shapes.worker import KIND


def summarise(folder: Path) -> dict[str, Any]:
    """Counts over the shards of `folder`."""
    table = shards.read_all(folder, KIND, ["identity_id", "residual", "reject", "yaw"])
    kept = table.filter(pc.is_null(table["reject"]))
    reasons = {row["values"]: row["counts"] for row in pc.value_counts(table["reject"].drop_null()).to_pylist()}
    residual = kept["residual"].to_numpy()
    return {
        "faces": len(table),
        "identities": pc.count_distinct(table["identity_id"]).as_py(),
        "fitted": len(kept),
        "rejected": dict(sorted(reasons.items())),
        "residual_mean": float(residual.mean()) if len(kept) else None,
        "residual_p95": float(np.quantile(residual, 0.95)) if len(kept) else None,
        "yaw_p95": float(np.quantile(np.abs(kept["yaw"].to_numpy()), 0.95)) if len(kept) else None,
    }
