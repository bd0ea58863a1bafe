"""Whom the photographs of Labeled Faces in the Wild show: their folder names, which only score and never cluster.

`python -m tests.real.labels` prints how well data/identities agrees with them.
"""

import argparse
from collections import defaultdict
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pyarrow.compute as pc

from pipeline import shards
from pipeline.errors import run
from pipeline.report.statistics.agreement import Agreement, bcubed, pairwise

MOST = 20  # photographs of one person that are scored, so that a few famous people do not decide


def labelled(data: Path) -> dict[str, str]:
    """Face id to person: in each photo the face nearest to the centre, of people with two or more photographs."""
    urls = shards.read_all(data / "crawl", "urls", ["url", "outcome", "photo_id"]).to_pylist()
    person = {row["photo_id"]: unquote(row["url"]).split("/")[-2] for row in urls if row["outcome"] == "kept"}
    faces = shards.read_all(data / "faces", "faces", ["face_id", "photo_id", "width", "height", "box"])
    nearest: dict[str, tuple[float, str]] = {}
    for row in faces.filter(pc.is_valid(faces["box"])).to_pylist():
        left, top, right, bottom = row["box"]
        away = float(np.hypot(left + right - row["width"], top + bottom - row["height"]))
        nearest[row["photo_id"]] = min((away, row["face_id"]), nearest.get(row["photo_id"], (np.inf, "")))
    of_person = defaultdict(list)
    for photo, (_, face) in sorted(nearest.items()):
        of_person[person[photo]].append(face)
    return {face: name for name, found in of_person.items() if len(found) > 1 for face in found[:MOST]}


def agreement(data: Path) -> dict[str, Agreement]:
    """Pairwise and BCubed agreement of data/identities; a face without an identity is one of its own."""
    truth = labelled(data)
    rows = shards.read_all(data / "identities", "faces", ["face_id", "identity_id"]).to_pylist()
    found = {row["face_id"]: row["identity_id"] for row in rows}
    labels = [found.get(face) or face for face in truth]
    names = list(truth.values())
    return {"pairwise": pairwise(labels, names), "bcubed": bcubed(labels, names)}


def main() -> None:
    """Print both agreements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", type=Path, default=Path("data"), help="of a run of the real profile")
    for name, score in agreement(parser.parse_args().data).items():
        print(name, *(f"{part}={value:.4f}" for part, value in score._asdict().items()))


if __name__ == "__main__":
    run(main)
