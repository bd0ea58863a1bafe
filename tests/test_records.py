"""Every folder of shards opens with one call of what people open Parquet with, and says what its columns mean."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import dataset

from pipeline import images, records, shards
from pipeline.errors import MissingInput
from pipeline.records.__main__ import describe


def schemas() -> dict[str, pa.Schema]:
    """Every schema of pipeline.records by name; those that depend on lengths for small ones."""
    sizes = {"embedding": 4, "identity": 3, "expression": 2}
    found = {name: value for name, value in vars(records).items() if isinstance(value, pa.Schema)}
    for name, maker in inspect.getmembers(records, inspect.isfunction):
        if set(inspect.signature(maker).parameters) <= set(sizes) and maker.__annotations__["return"] is pa.Schema:
            found[name] = maker(*(sizes[each] for each in inspect.signature(maker).parameters))
    return found


SCHEMAS = schemas()


def leaves(fields: Any) -> Iterator[pa.Field]:
    """Fields, and those of the structs in them."""
    for field in fields:
        yield field
        inner = field.type.value_type if pa.types.is_list(field.type) else field.type
        if pa.types.is_struct(inner):
            yield from leaves(inner)


def value(kind: pa.DataType) -> Any:
    """Something of a type."""
    if kind is records.IMAGE or kind == records.IMAGE:
        return {"bytes": images.encode_png(np.zeros((4, 6, 3), np.uint8)), "path": "a.png"}
    if pa.types.is_struct(kind):
        return {field.name: value(field.type) for field in kind}
    if pa.types.is_fixed_size_list(kind):
        return [value(kind.value_type)] * kind.list_size
    if pa.types.is_list(kind):
        return [value(kind.value_type)] * 2
    return {pa.string(): "a", pa.binary(): b"a", pa.bool_(): True, pa.uint64(): 2**63}.get(kind, 1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder per schema: a shard of one row, one with a row of nulls too, one without rows; metrics beside them."""
    folder = tmp_path_factory.mktemp("data")
    for name, schema in SCHEMAS.items():
        full = {field.name: value(field.type) for field in schema}
        for key, rows in {"a": [full], "b": [full, dict.fromkeys(schema.names)], "c": []}.items():
            shards.write(shards.path_of(folder, name, key), pa.Table.from_pylist(rows, schema), schema)
    shards.write_metrics(folder, {"rows": 3})
    return folder


def test_every_schema_is_looked_at() -> None:
    assert len(SCHEMAS) == 16


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_column_says_what_it_means(name: str) -> None:
    schema = SCHEMAS[name]
    assert schema.metadata[records.DESCRIPTION].startswith(b"data/")
    silent = [field.name for field in leaves(schema) if not (field.metadata or {}).get(records.DESCRIPTION)]
    assert silent == []


@pytest.mark.parametrize("name", SCHEMAS)
def test_descriptions_stand_in_the_files(data: Path, name: str) -> None:
    stored = dataset.dataset(data / name).schema
    assert stored.metadata[records.DESCRIPTION] == SCHEMAS[name].metadata[records.DESCRIPTION]
    assert [field.metadata[records.DESCRIPTION] for field in leaves(stored)] == [
        field.metadata[records.DESCRIPTION] for field in leaves(SCHEMAS[name])
    ]


@pytest.mark.parametrize("name", SCHEMAS)
def test_pandas_and_pyarrow_open_a_folder(data: Path, name: str) -> None:
    assert pd.read_parquet(data / name).shape == (3, len(SCHEMAS[name].names))
    assert dataset.dataset(data / name).to_table().equals(shards.read_all(data, name))


def test_pandas_opens_a_stage_with_one_kind_of_shard_beside_its_metrics(data: Path, tmp_path: Path) -> None:
    (tmp_path / "PEOPLE").symlink_to(data / "PEOPLE")
    shards.write_metrics(tmp_path, {"people": 3})
    assert len(pd.read_parquet(tmp_path)) == 3


@pytest.mark.parametrize("name", SCHEMAS)
def test_duckdb_opens_a_folder(data: Path, name: str) -> None:
    duckdb = pytest.importorskip("duckdb")
    found = duckdb.sql(f"select * from '{data / name}/*.parquet'")
    assert found.shape == (3, len(SCHEMAS[name].names))


@pytest.mark.parametrize("name", SCHEMAS)
def test_hugging_face_opens_a_folder_and_sees_pictures(data: Path, tmp_path: Path, name: str) -> None:
    datasets = pytest.importorskip("datasets")
    found = datasets.load_dataset(str(data / name), split="train", cache_dir=str(tmp_path))
    assert found.shape == (3, len(SCHEMAS[name].names))
    if "image" in SCHEMAS[name].names:
        assert found[0]["image"].size == (6, 4)
        assert found[2]["image"] is None


def test_a_folder_is_described(data: Path) -> None:
    lines = describe(str(data / "samples")).splitlines()
    assert lines[0].startswith("data/samples/<split>: one row per photo")
    assert lines[1].split() == ["photo_id", "string", "of", "data/crawl/photos"]
    assert any(line.startswith("    identity_id ") for line in lines)


def test_a_folder_without_shards_is_not_described(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="no shards in"):
        describe(str(tmp_path))
    with pytest.raises(MissingInput, match="no shards in"):
        describe(str(tmp_path / "nowhere"))
