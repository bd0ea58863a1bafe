import errno
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from pipeline import images, records, shards
from pipeline.errors import MissingInput, ShardError, StorageError

SCHEMA = records.table("pictures", ("name", pa.string(), "its name"), ("image", records.IMAGE, "a picture"))


@pytest.fixture
def table(picture) -> pa.Table:
    row = {"name": "a", "image": {"bytes": images.encode_png(picture), "path": "a.png"}}
    return pa.Table.from_pylist([row] * 3, schema=SCHEMA)


def test_written_is_read(tmp_path: Path, table: pa.Table) -> None:
    shards.write(tmp_path / "deep" / "x.parquet", table, SCHEMA)
    assert shards.read(tmp_path / "deep" / "x.parquet", schema=SCHEMA).equals(table)


def test_the_same_table_gives_the_same_bytes(tmp_path: Path, table: pa.Table) -> None:
    for name in ("one.parquet", "two.parquet"):
        shards.write(tmp_path / name, table, SCHEMA)
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()


def test_pandas_opens_a_shard(tmp_path: Path, table: pa.Table) -> None:
    shards.write(tmp_path / "x.parquet", table, SCHEMA)
    frame = pd.read_parquet(tmp_path / "x.parquet")
    assert list(frame.columns) == ["name", "image"]
    assert images.decode(frame.image[0]["bytes"]).shape == (48, 64, 3)


def test_hugging_face_sees_a_picture(tmp_path: Path, table: pa.Table) -> None:
    shards.write(tmp_path / "x.parquet", table, SCHEMA)
    metadata = pa.parquet.read_schema(tmp_path / "x.parquet").metadata
    assert json.loads(metadata[b"huggingface"]) == {"info": {"features": {"image": {"_type": "Image"}}}}


def test_picture_bytes_are_not_compressed_again_and_the_rest_is(tmp_path: Path, table: pa.Table) -> None:
    shards.write(tmp_path / "x.parquet", table, SCHEMA)
    group = pa.parquet.ParquetFile(tmp_path / "x.parquet").metadata.row_group(0)
    kinds = {group.column(i).path_in_schema: group.column(i).compression for i in range(group.num_columns)}
    assert kinds == {"name": "ZSTD", "image.bytes": "UNCOMPRESSED", "image.path": "ZSTD"}


def test_a_killed_writer_leaves_no_shard(tmp_path: Path, table: pa.Table, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", die)
    with pytest.raises(KeyboardInterrupt):
        shards.write(tmp_path / "x.parquet", table, SCHEMA)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "no space left"), (errno.EACCES, "cannot write"), (errno.EROFS, "cannot write")],
)
def test_a_full_or_locked_disk_is_one_sentence(
    tmp_path: Path, table: pa.Table, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), str(tmp_path))

    monkeypatch.setattr(pa.parquet, "write_table", refuse)
    with pytest.raises(StorageError, match=words):
        shards.write(tmp_path / "x.parquet", table, SCHEMA)
    assert list(tmp_path.iterdir()) == []


def test_what_a_file_was_it_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "folder/list.json"

    def fill(text: str, *, full: bool) -> None:
        with shards.replacing(path) as temporary:
            temporary.write_text(text)
            if full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    fill("old", full=False)
    with pytest.raises(StorageError, match=r"no space left while writing .*list\.json"):
        fill("half", full=True)
    assert [(each.name, each.read_text()) for each in path.parent.iterdir()] == [("list.json", "old")]


def test_a_corrupt_shard_names_itself_and_the_remedy(tmp_path: Path, table: pa.Table) -> None:
    shards.write(tmp_path / "x.parquet", table, SCHEMA)
    data = bytearray((tmp_path / "x.parquet").read_bytes())
    (tmp_path / "x.parquet").write_bytes(data[: len(data) // 2])
    with pytest.raises(ShardError, match=r"x\.parquet is corrupt .* delete it and run again"):
        shards.read(tmp_path / "x.parquet")


def test_columns_that_do_not_fit_are_named(tmp_path: Path, table: pa.Table) -> None:
    with pytest.raises(ShardError, match=r"missing columns \['image'\], unexpected columns \['extra'\]"):
        shards.write(tmp_path / "x.parquet", pa.table({"name": ["a"], "extra": [1]}), SCHEMA)
    with pytest.raises(ShardError, match="does not fit"):
        shards.conform(pa.table({"n": ["x"]}), pa.schema([("n", pa.int32())]), "here")


def test_only_missing_shards_are_work_and_stale_ones_go(tmp_path: Path, table: pa.Table) -> None:
    tasks = [shards.Task(key, None) for key in ("a", "b")]
    for key in ("a", "old"):
        shards.write(shards.path_of(tmp_path, "faces", key), table, SCHEMA)
    shards.write(shards.path_of(tmp_path, "people", "old"), table, SCHEMA)
    (tmp_path / "faces" / f".b.parquet{shards.TEMPORARY}").touch()  # a writer was killed here
    assert shards.missing(tmp_path, "faces", tasks) == [tasks[1]]
    assert [path.name for path in shards.remove_stale(tmp_path, "faces", tasks)] == ["old.parquet"]
    assert shards.remove_stale(tmp_path, "people", tasks)
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == ["faces", "faces/a.parquet"]


def test_no_shard_is_an_error_that_names_the_folder(tmp_path: Path) -> None:
    assert shards.finished(tmp_path, "faces") == []
    with pytest.raises(MissingInput, match=r"no shards in .*/faces: run the stage"):
        shards.paths(tmp_path, "faces")


@dataclass(frozen=True)
class Setting:
    size: int
    rate: float


def test_a_fingerprint_follows_what_matters() -> None:
    one = shards.fingerprint(Setting(1, 0.1), {"a": 1, "b": Path("x")})
    assert one == shards.fingerprint(Setting(1, 0.1), {"b": Path("x"), "a": 1})
    assert one != shards.fingerprint(Setting(1, 0.1000001), {"a": 1, "b": Path("x")})
    assert len(one) == 16


def test_a_model_directory_has_a_fingerprint_of_its_bytes(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="no files in"):
        shards.directory_fingerprint(tmp_path)
    (tmp_path / "w").write_bytes(b"1")
    before = shards.directory_fingerprint(tmp_path)
    (tmp_path / "w").write_bytes(b"2")
    assert shards.directory_fingerprint(tmp_path) != before


def test_metrics_are_sorted_and_rounded(tmp_path: Path) -> None:
    shards.write_metrics(tmp_path / "faces", {"b": 1 / 3, "a": {"kept": 2}})
    assert (tmp_path / "faces/_metrics.json").read_text() == '{\n  "a": {\n    "kept": 2\n  },\n  "b": 0.333333\n}\n'


@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o027, 0o640)])
def test_a_file_has_the_mode_of_any_new_file(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        with shards.replacing(tmp_path / "deep" / "weights") as temporary:
            temporary.unlink()
            os.close(os.open(temporary, os.O_CREAT, 0o600))  # as safetensors makes its files
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "deep" / "weights").stat().st_mode) == mode
    assert stat.S_IMODE((tmp_path / "deep").stat().st_mode) == 0o777 & ~mask
