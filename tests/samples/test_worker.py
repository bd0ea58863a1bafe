"""Shards of samples: the bytes as crawled, readable by others, the same each time."""

import io
import shutil
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline import records, shards
from pipeline.benchmark import cases
from pipeline.samples.faces import FaceTable
from pipeline.samples.selection import decide
from pipeline.samples.tasks import tasks
from pipeline.samples.worker import SampleWorker
from pipeline.settings import SamplesSettings
from tests import tiny_data
from tests.samples.conftest import RULES


@pytest.fixture(scope="module")
def copy(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples") / "data"
    shutil.copytree(data, folder)
    return folder


@pytest.fixture
def written(copy: Path, chosen: SamplesSettings) -> Path:
    faces = FaceTable(copy)
    worker = SampleWorker(copy)
    for kind, found in tasks(decide(copy, faces, chosen, (), RULES), faces, chosen).items():
        for task in shards.missing(copy / "samples", kind, found):
            worker(task)
    return copy / "samples"


def test_photos_are_as_crawled(copy: Path, written: Path) -> None:
    crawled = shards.read_all(copy / "crawl", "photos", ["photo_id", "image"]).to_pylist()
    bytes_of = {row["photo_id"]: row["image"]["bytes"] for row in crawled}
    rows = shards.read_all(written, "train").to_pylist()
    assert rows
    assert all(row["image"]["bytes"] == bytes_of[row["photo_id"]] for row in rows)
    assert {row["split"] for row in rows} == {"train"}
    assert all(len(row["crop"]) == 4 and row["scale"] > 0 and row["size"][0] in (128, 256) for row in rows)


def test_faces_go_from_left_to_right_with_their_shapes(written: Path) -> None:
    groups = [row for row in shards.read_all(written, "train").to_pylist() if len(row["faces"]) == 2]
    for row in groups:
        left, right = row["faces"]
        assert left["box"][0] < right["box"][0]
        assert len(left["shape"]) > 0 and len(left["embedding"]) == tiny_data.EMBEDDING  # noqa: PT018
        assert left["identity_id"] != right["identity_id"]


def test_rejected_rows_have_a_reason_and_no_bytes(written: Path) -> None:
    rows = shards.read_all(written, "rejected").to_pylist()
    assert all(row["reject"] and row["image"] is None and row["faces"] == [] for row in rows)
    assert {row[name] for row in rows for name in ("crop", "size", "scale")} == {None}
    kept = pa.concat_tables([shards.read_all(written, split) for split in ("train", "validation", "test")])
    assert kept["reject"].null_count == len(kept)


def test_pandas_and_hugging_face_read_them(written: Path) -> None:
    path = shards.paths(written, "train")[0]
    frame = pd.read_parquet(path)
    image = Image.open(io.BytesIO(frame["image"].iloc[0]["bytes"]))
    assert image.size == (frame["width"].iloc[0], frame["height"].iloc[0])
    assert pq.read_schema(path).metadata[b"huggingface"] == records.PHOTOS.metadata[b"huggingface"]


def test_the_same_bytes_when_one_is_made_again(written: Path, copy: Path, chosen: SamplesSettings) -> None:
    path = shards.paths(written, "test")[0]
    before = path.read_bytes()
    path.unlink()
    faces = FaceTable(copy)
    found = tasks(decide(copy, faces, chosen, (), RULES), faces, chosen)["test"]
    missing = shards.missing(written, "test", found)
    assert len(missing) == 1
    SampleWorker(copy)(missing[0])
    assert path.read_bytes() == before


def test_the_benchmark_is_not_needed_to_pack(written: Path) -> None:
    assert not (written / cases.CASES_FILE).exists()
