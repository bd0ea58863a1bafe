"""A shard of shapes: rows, rejects, light, and the same bytes each time."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline import records, settings, shards
from pipeline.errors import MissingInput
from pipeline.shapes import summary
from pipeline.shapes.faces import faces_with_identity
from pipeline.shapes.tasks import tasks
from pipeline.shapes.worker import KIND, ShapeWorker
from tests import tiny_data
from tests.tiny_data import HEAD, Photo

CHOSEN = settings.load().shapes
PHOTOS = [Photo(("ann",), seed=seed) for seed in range(3)] + [
    Photo(("bea", "ann")),
    Photo(("bea",)),
    Photo((), extra=1),
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tiny_data.write(tmp_path, PHOTOS)


def run(data: Path, out: str) -> pa.Table:
    worker = ShapeWorker(CHOSEN, HEAD, data / "crawl", data / out)
    for task in tasks(faces_with_identity(data / "faces", data / "identities"), CHOSEN, HEAD):
        worker(task)
    return shards.read_all(data / out, KIND)


def test_one_row_per_face_with_an_identity_and_one_shape_per_identity(data: Path) -> None:
    rows = run(data, "shapes").to_pylist()
    assert len(rows) == 6
    assert all(row["reject"] is None for row in rows)
    assert all(row["residual"] < 0.03 and len(row["light"]) == 9 for row in rows)
    assert len({tuple(row["shape"]) for row in rows}) == 2


def test_the_same_bytes_again_and_the_licence_of_the_head(data: Path) -> None:
    run(data, "first"), run(data, "second")
    first, second = (shards.paths(data / name, KIND) for name in ("first", "second"))
    assert [path.name for path in first] == [path.name for path in second]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert b"Apache-2.0" in shards.read(first[0]).schema.metadata[b"head"]


def test_faces_without_landmarks_are_rows_with_a_reason(data: Path) -> None:
    path = shards.paths(data / "faces", "faces")[0]
    table = shards.read(path)
    points = records.matrix(table["landmarks"])
    points[0], points[1] = np.nan, 12.0
    broken = table.set_column(
        table.column_names.index("landmarks"), "landmarks", records.vectors(points, absent=np.isnan(points[:, 0]))
    )
    shards.write(path, broken, records.faces(tiny_data.EMBEDDING))
    rows = run(data, "shapes").to_pylist()
    numbers = summary.summarise(data / "shapes")
    assert sorted(str(row["reject"]) for row in rows) == ["None"] * 4 + ["landmarks"] * 2
    assert all(row["shape"] is None and row["light"] is None for row in rows if row["reject"])
    assert numbers["rejected"] == {"landmarks": 2}


def test_a_photo_that_is_gone_is_one_sentence(data: Path) -> None:
    for path in shards.paths(data / "crawl", "photos"):
        shards.write(path, records.PHOTOS.empty_table(), records.PHOTOS)
    with pytest.raises(MissingInput, match="run the crawl again"):
        run(data, "shapes")


def test_a_missing_head_is_one_sentence(data: Path) -> None:
    with pytest.raises(MissingInput, match=r"check models\.head"):
        ShapeWorker(CHOSEN, data / "head.npz", data / "crawl", data / "shapes")
