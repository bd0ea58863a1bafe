"""A plain folder of images made elsewhere, brought to the form in which every method's images are stored."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import records, shards
from pipeline.benchmark.cases import Benchmark, Case
from pipeline.errors import MissingInput
from pipeline.images import BadImage, decode, encode_png

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
NO_FILE = "no_file"


def take_in(folder: Path, name: str, protocol: str, asked: Benchmark, out: Path) -> int:
    """Write data/images/<name> from files named <case_id>.png.

    A case without a readable file of the case's size is a failure. Returns the number of files that were found.

    Raises:
        MissingInput: none of the files is named after a case.
    """
    head = {"protocol": protocol, "method": name, "benchmark": asked.hash}
    rows = [head | _row(folder, case) for case in asked.cases]
    found = sum(row["reject"] != NO_FILE for row in rows)
    if not found:
        raise MissingInput(
            f"no image of the benchmark in {folder}: files must be named after the cases of data/samples/_cases.json, "
            f"like {asked.cases[0].case_id}.png"
        )
    table = pa.Table.from_pylist(rows, schema=records.IMAGES)
    task = shards.Task(shards.fingerprint(name, protocol, asked.hash, [_content(row) for row in rows]), None)
    kept = [task, *_of_another_protocol(out / name, protocol, asked.hash)]
    shards.write(shards.path_of(out / name, "images", task.key), table, records.IMAGES)
    shards.remove_stale(out / name, "images", kept)
    return found


def _of_another_protocol(folder: Path, protocol: str, benchmark: str) -> list[shards.Task]:
    """The shards that were taken in for the same cases under the other protocol: they stay."""
    return [
        shards.Task(path.stem, None)
        for path in shards.finished(folder, "images")
        for row in shards.read(path, ["protocol", "benchmark"]).slice(0, 1).to_pylist()
        if row["protocol"] != protocol and row["benchmark"] == benchmark
    ]


def _row(folder: Path, case: Case) -> dict[str, Any]:
    paths = [folder / f"{case.case_id}{suffix}" for suffix in SUFFIXES]
    path = next((path for path in paths if path.is_file()), paths[0])
    row = {"case_id": case.case_id, "width": 0, "height": 0, "image": None}
    if not path.is_file():
        return {**row, "reject": NO_FILE}
    try:
        pixels = decode(path.read_bytes())
    except BadImage as error:
        return {**row, "reject": f"bad_image: {error}"}
    height, width = pixels.shape[:2]
    if (width, height) != (case.width, case.height):
        wrong = f"size: {width} x {height} pixels, the case asks for {case.width} x {case.height}"
        return {**row, "reject": wrong}
    image = {"bytes": encode_png(pixels), "path": path.name}
    return {**row, "width": width, "height": height, "image": image, "reject": None}


def _content(row: dict[str, Any]) -> str:
    image = (row["image"]["path"], row["image"]["bytes"].hex()) if row["image"] else None
    return shards.fingerprint(row["reject"], image)
