"""A plain folder of images made elsewhere, brought to the form in which every method's images are stored."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import records, shards
from pipeline.benchmark.cases import Benchmark, Case
from pipeline.errors import MissingInput
from pipeline.images import ENDINGS, BadImage, decode, encode_png

NO_FILE = "no_file"


def take_in(folder: Path, name: str, protocol: str, asked: Benchmark, out: Path) -> str:
    """Write data/images/<name> from files named <case_id>.png.

    A case without a readable file of the case's size is a failure. Returns a line that counts both, and names files
    that are named after no case.

    Raises:
        MissingInput: none of the files is named after a case.
    """
    head = {"protocol": protocol, "method": name, "benchmark": asked.hash}
    files = _files(folder)
    rows = [head | _row(files.get(case.case_id), case) for case in asked.cases]
    if all(row["reject"] == NO_FILE for row in rows):
        raise MissingInput(
            f"no image of the benchmark in {folder}: files must be named after the cases of data/samples/_cases.json, "
            f"like {asked.cases[0].case_id}.png"
        )
    table = pa.Table.from_pylist(rows, schema=records.IMAGES)
    task = shards.Task(shards.fingerprint(name, protocol, asked.hash, [_content(row) for row in rows]), None)
    kept = [task, *_of_another_protocol(out / name, protocol, asked.hash)]
    shards.write(shards.path_of(out / name, "images", task.key), table, records.IMAGES)
    shards.remove_stale(out / name, "images", kept)
    return _counted(folder, rows, [path.name for stem, path in files.items() if stem not in {*_ids(asked)}])


def _files(folder: Path) -> dict[str, Path]:
    """The images of a folder by their names without an ending, which may be in capitals; of several PNG comes first."""
    found = [path for path in folder.iterdir() if path.suffix.lower() in ENDINGS] if folder.is_dir() else []
    last_is_kept = sorted(found, key=lambda path: ENDINGS.index(path.suffix.lower()), reverse=True)
    return {path.stem: path for path in last_is_kept}


def _ids(asked: Benchmark) -> Iterator[str]:
    return (case.case_id for case in asked.cases)


def _counted(folder: Path, rows: Sequence[Mapping[str, Any]], others: Sequence[str]) -> str:
    """How many cases have their image, why the others have none, and which files are no case's."""
    faults = Counter(row["reject"].partition(":")[0] for row in rows if row["reject"])
    said = [f"{len(rows) - faults.total()} of {len(rows)} cases have their image in {folder}"]
    said += [f"failures: {', '.join(f'{fault} {count}' for fault, count in sorted(faults.items()))}"] if faults else []
    said += (
        [f"named after no case: {', '.join(sorted(others)[:5])}{' ...' if len(others) > 5 else ''}"] if others else []
    )
    return "; ".join(said)


def _of_another_protocol(folder: Path, protocol: str, benchmark: str) -> list[shards.Task]:
    """The shards that were taken in for the same cases under the other protocol: they stay."""
    return [
        shards.Task(path.stem, None)
        for path in shards.finished(folder, "images")
        for row in shards.read(path, ["protocol", "benchmark"]).slice(0, 1).to_pylist()
        if row["protocol"] != protocol and row["benchmark"] == benchmark
    ]


def _row(path: Path | None, case: Case) -> dict[str, Any]:
    row = {"case_id": case.case_id, "width": 0, "height": 0, "image": None}
    if path is None:
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
