"""Shards of faces: rows and rejects, every photo accounted for, the same bytes again, and what names a shard."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipeline import images, records, shards
from pipeline.encoders.recogniser import Recogniser, align
from pipeline.errors import MissingInput
from pipeline.faces.summary import summarise
from pipeline.faces.tasks import tasks
from pipeline.faces.worker import FacesWorker
from tests import toy_pack
from tests.faces.conftest import SETTINGS

PHOTOS = {
    "portrait": toy_pack.photo(192, 192, {(1, 1): 40}),
    "pair": toy_pack.photo(192, 128, {(4, 0): 200, (1, 2): 90}),
    "empty": toy_pack.photo(192, 192, {}),
}


def photo_row(name: str, pixels: np.ndarray) -> dict:
    row = dict.fromkeys(records.PHOTOS.names)
    image = {"bytes": images.encode_png(pixels), "path": f"{name}.png"}
    return row | {"photo_id": name, "image": image, "height": pixels.shape[0], "width": pixels.shape[1]}


@pytest.fixture
def crawl(tmp_path: Path) -> list[Path]:
    """Two shards of photos."""
    rows = [photo_row(name, pixels) for name, pixels in PHOTOS.items()]
    for number, piece in enumerate((rows[:2], rows[2:])):
        path = shards.path_of(tmp_path / "crawl", "photos", str(number))
        shards.write(path, pa.Table.from_pylist(piece, records.PHOTOS), records.PHOTOS)
    return shards.paths(tmp_path / "crawl", "photos")


def make(crawl: list[Path], pack: Path, out: Path, settings=SETTINGS) -> list[dict]:
    worker = FacesWorker(settings, str(pack), out)
    for task in tasks(crawl, settings, pack):
        worker(task)
    return sorted(shards.read_all(out, "faces").to_pylist(), key=lambda row: row["face_id"])


def test_one_row_per_face_and_one_for_a_photo_without(crawl: list[Path], pack: Path, tmp_path: Path) -> None:
    rows = make(crawl, pack, tmp_path / "faces")
    found = [(row["face_id"], row["index"], row["width"], row["reject"]) for row in rows]
    assert found == [
        ("empty--1", -1, 192, "no_face"),
        ("pair-0", 0, 192, None),
        ("pair-1", 1, 192, None),
        ("portrait-0", 0, 192, None),
    ]
    assert rows[0]["box"] is None
    assert rows[0]["embedding"] is None
    assert rows[1]["box"] == pytest.approx([32, 64, 64, 96], abs=0.2)
    assert all(0 < row["quality"] < 1 for row in rows[1:])


def test_embeddings_are_those_of_the_aligned_face(crawl: list[Path], pack: Path, tmp_path: Path) -> None:
    row = make(crawl, pack, tmp_path / "faces")[3]
    crop = align(PHOTOS["portrait"], np.array(row["keypoints"]).reshape(5, 2))
    np.testing.assert_allclose(row["embedding"], Recogniser(pack).embed(crop[None])[0], atol=1e-5)
    assert np.linalg.norm(row["embedding"]) == pytest.approx(1.0, abs=1e-5)


def test_rejected_faces_keep_their_row(crawl: list[Path], pack: Path, tmp_path: Path) -> None:
    rows = make(crawl, pack, tmp_path / "faces", replace(SETTINGS, min_face=40))
    assert [row["reject"] for row in rows] == ["no_face", "too_small", "too_small", "too_small"]
    assert rows[1]["embedding"] is not None


def test_the_same_bytes_again(crawl: list[Path], pack: Path, tmp_path: Path) -> None:
    for name in ("once", "again"):
        make(crawl, pack, tmp_path / name)
    for path in shards.paths(tmp_path / "once", "faces"):
        assert path.read_bytes() == shards.path_of(tmp_path / "again", "faces", path.stem).read_bytes()


def test_a_shard_is_named_by_photos_settings_and_models(crawl: list[Path], pack: Path, tmp_path: Path) -> None:
    keys = [task.key for task in tasks(crawl, SETTINGS, pack)]
    assert keys == [task.key for task in tasks(crawl, SETTINGS, pack)]
    assert len({*keys, *(task.key for task in tasks(crawl, replace(SETTINGS, min_face=20), pack))}) == 4
    other = toy_pack.write(tmp_path / "other")
    (other / "card.md").write_text("other models")
    assert not set(keys) & {task.key for task in tasks(crawl, SETTINGS, other)}


def test_a_new_shard_of_photos_leaves_the_others(crawl: list[Path], pack: Path) -> None:
    assert tasks(crawl, SETTINGS, pack)[:1] == tasks(crawl[:1], SETTINGS, pack)


def test_the_summary_counts_everything(crawl: list[Path], pack: Path, tmp_path: Path) -> None:
    make(crawl, pack, tmp_path / "faces")
    assert summarise(tmp_path / "faces") == {"photos": 3, "faces": 3, "kept": 3, "rejects": {"no_face": 1}}


def test_a_missing_model_directory_is_named(crawl: list[Path], tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"no files in .*nowhere"):
        tasks(crawl, SETTINGS, tmp_path / "nowhere")


def test_a_photo_that_does_not_decode_is_a_row_with_a_reason(
    crawl: list[Path], pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The other photos of its shard have the rows that they have without it."""
    rows = make(crawl, pack, tmp_path / "without")
    torn = photo_row("torn", PHOTOS["portrait"])
    torn["image"]["bytes"] = torn["image"]["bytes"][:60]
    table = pa.concat_tables([shards.read(crawl[0]), pa.Table.from_pylist([torn], records.PHOTOS)])
    shards.write(crawl[0], table, records.PHOTOS)
    *others, last = make(crawl, pack, tmp_path / "with")
    assert others == rows
    assert (last["face_id"], last["index"], last["width"], last["reject"]) == ("torn--1", -1, 192, "bad_image")
    assert "photo torn: not a readable" in capsys.readouterr().err
    assert summarise(tmp_path / "with")["rejects"] == {"no_face": 1, "bad_image": 1}
