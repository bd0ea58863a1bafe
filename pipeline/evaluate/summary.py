"""Small figures of a folder of scores, for `dvc metrics show`: means without intervals, which the report has."""

from pathlib import Path
from typing import Any

from pipeline import shards
from pipeline.evaluate import outside
from pipeline.evaluate.casts import read_gallery


def of(folder: Path) -> dict[str, Any]:
    """protocol -> people -> metric -> mean of the scores of a method (shuffled casts left out), faces found."""
    table = shards.read_all(folder, "scores").to_pandas()
    table = table[~table["method"].str.contains(":")]
    means: dict[str, Any] = {}
    for (protocol, people, metric), rows in table.groupby(["protocol", "people", "metric"]):
        value = rows["value"].mean()
        means.setdefault(protocol, {}).setdefault(str(people), {})[metric] = None if value != value else float(value)
    faces = table[table["metric"] == "sim_heldout"]
    return {"images": int(table["case_id"].nunique()), "missing_faces": int(faces["missing"].sum()), "means": means}


def of_real(folder: Path) -> dict[str, Any]:
    """The scales of the recognisers and of judges from outside, and how much they were fitted on."""
    faces = shards.read_all(folder, "faces", ["identity_id", "photo_id"])
    scales = {name: vars(scale) for name, scale in read_gallery(folder).calibration.items()}
    scales |= {title: vars(judge.calibration) for title, judge in outside.read_galleries(folder).items()}
    people = len(set(faces["identity_id"].to_pylist()))
    return {"faces": faces.num_rows, "people": people, "calibration": scales}
