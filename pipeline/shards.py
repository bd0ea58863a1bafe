"""The shard: the unit of work, retry, resume and statistics.

A finished shard is an immutable Parquet file named by what made it: a fingerprint of its inputs, the settings that
matter and the code that ran. It is written under a temporary name and renamed, so existence means complete, and
resuming is nothing but skipping the names that exist. The same inputs give the same bytes.

Shards of a kind, and nothing else, lie in a folder of their own: data/<stage>/<kind>/<key>.parquet. So one call of
pandas, pyarrow, duckdb or datasets opens it. Beside such folders lie files that begin with `_`, which readers skip.
"""

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from pipeline import shards
from pipeline.errors import MissingInput, ShardError, storage_error

# A row group of this many rows stays near the 100 MB that readers of image Parquet expect (reference: data.md 4.1).
ROWS_PER_GROUP = 1000
TEMPORARY = ".writing"
METRICS = "_metrics.json"  # what a stage counted, beside its folders of shards


@dataclass(frozen=True)
class Task:
    """One shard to make: its fingerprint, and what the worker needs to make it (paths and row ranges, never pixels)."""

    key: str
    inputs: Any


def fingerprint(*parts: Any) -> str:
    """16 hex digits that name a shard by what made it. Dataclasses, mappings, sequences and plain values are taken.

    A float counts by its exact value; the order of a mapping's keys does not count.
    """
    text = json.dumps([_plain(part) for part in parts], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def file_fingerprint(paths: Iterable[Path]) -> str:
    """A fingerprint of files' names and bytes, for instance of a model directory."""
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.name.encode())
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:16]


def directory_fingerprint(folder: Path | str) -> str:
    """A fingerprint of every file below `folder` (a model directory).

    Raises:
        MissingInput: the folder does not exist or holds no file.
    """
    paths = [path for path in Path(folder).rglob("*") if path.is_file()]
    if not paths:
        raise MissingInput(f"no files in {folder}: a model directory was expected; check the path in params.yaml")
    return file_fingerprint(paths)


def path_fingerprint(path: Path | str) -> str:
    """The fingerprint of a part that is one file (the head) or a directory (a model).

    Raises:
        MissingInput: it does not exist.
    """
    return file_fingerprint([Path(path)]) if Path(path).is_file() else directory_fingerprint(path)


@contextlib.contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """A name beside `path` to write to; when the block ends the file takes its place, so that existence means complete.

    The file's mode is that of any new file, 0666 without the umask, whatever the writer made it.

    Raises:
        StorageError: no space or no permission; nothing is left behind, and what `path` was it still is.
    """
    where = Path(path)
    temporary = where.with_name(f".{where.name}{TEMPORARY}")
    try:
        where.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)  # a killed writer's
        temporary.touch()
        mode = stat.S_IMODE(temporary.stat().st_mode)
        yield temporary
        temporary.chmod(mode)  # safetensors, say, lets nobody else read
        _flush(temporary)
        os.replace(temporary, where)
    except OSError as error:
        error.filename = error.filename or str(where)  # a write that fails does not know where
        raise storage_error(error) or error from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _flush(path: Path) -> None:
    # A network disk may say only now that it is full; and a machine that stops now must not leave an empty file.
    with path.open("rb+") as stream:
        os.fsync(stream.fileno())


def write(path: Path | str, table: pa.Table, schema: pa.Schema) -> None:
    """Write one shard: checked against `schema`, under a temporary name, then renamed.

    Raises:
        ShardError: the table does not have the schema's columns and types.
        StorageError: no space or no permission; nothing is left behind under the final name.
    """
    with replacing(path) as temporary:
        _write_parquet(temporary, conform(table, schema, str(path)))


def conform(table: pa.Table, schema: pa.Schema, where: str) -> pa.Table:
    """Bring a table to the schema's order and exact types; extra columns are errors, as are missing ones.

    Raises:
        ShardError: naming the file and the column.
    """
    missing, extra = set(schema.names) - set(table.column_names), set(table.column_names) - set(schema.names)
    if missing or extra:
        raise ShardError(f"{where}: missing columns {sorted(missing)}, unexpected columns {sorted(extra)}")
    try:
        return table.select(schema.names).cast(schema).replace_schema_metadata(schema.metadata)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        raise ShardError(f"{where}: a column does not fit its schema: {error}") from error


def write_metrics(folder: Path | str, metrics: Mapping[str, Any]) -> None:
    """Write what a stage counted beside its folders of shards, for the report.

    Raises:
        StorageError: no space or no permission.
    """
    write_json(Path(folder) / METRICS, metrics)


def write_json(path: Path | str, values: Mapping[str, Any]) -> None:
    """Write a JSON file that is the same for the same values: sorted keys, floats to 6 digits.

    Raises:
        StorageError: no space or no permission.
    """
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(_rounded(values), indent=2, sort_keys=True) + "\n")


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    return round(value, 6) if isinstance(value, float) else value


def read(path: Path | str, columns: Sequence[str] | None = None, schema: pa.Schema | None = None) -> pa.Table:
    """Read one shard, from a local path or any URI that pyarrow knows.

    Raises:
        ShardError: the file is corrupt or lacks columns of `schema`; the message says what to delete.
    """
    filesystem, name = _filesystem(path)
    try:
        table = pq.read_table(name, columns=list(columns) if columns else None, filesystem=filesystem)
    except FileNotFoundError as error:
        raise MissingInput(f"{path} does not exist: run the stage that makes it") from error
    except (pa.ArrowException, OSError) as error:
        raise ShardError(f"{path} is corrupt ({error}): delete it and run again, only it is made anew") from error
    wanted = set(columns or (schema.names if schema else ()))
    if missing := wanted - set(table.column_names):
        raise ShardError(f"{path}: missing columns {sorted(missing)}: delete it and run again")
    return table


def paths(folder: Path | str, kind: str) -> list[Path]:
    """The finished shards of a kind, sorted by name.

    Raises:
        MissingInput: there is none.
    """
    found = finished(folder, kind)
    if not found:
        raise MissingInput(f"no shards in {Path(folder) / kind}: run the stage that makes them first")
    return found


def finished(folder: Path | str, kind: str) -> list[Path]:
    """The finished shards of a kind, sorted by name; there may be none."""
    return sorted(path for path in (Path(folder) / kind).glob("*.parquet") if not path.name.startswith("."))


def read_all(folder: Path | str, kind: str, columns: Sequence[str] | None = None) -> pa.Table:
    """All shards of a kind as one table, in the order of their names."""
    return pa.concat_tables([read(path, columns) for path in paths(folder, kind)])


def missing(folder: Path | str, kind: str, tasks: Iterable[Task]) -> list[Task]:
    """The tasks whose shard does not exist yet: what is left to do."""
    return [task for task in tasks if not path_of(folder, kind, task.key).exists()]


def path_of(folder: Path | str, kind: str, key: str) -> Path:
    """Where the shard `key` of a kind lives."""
    return Path(folder) / kind / f"{key}.parquet"


def remove_stale(folder: Path | str, kind: str, tasks: Iterable[Task]) -> list[Path]:
    """Delete shards that no task of this run asks for (older settings or inputs), and leftovers of killed writers."""
    wanted = {path_of(folder, kind, task.key) for task in tasks}
    stale = [path for path in finished(folder, kind) if path not in wanted]
    leftovers = list((Path(folder) / kind).glob(f".*{TEMPORARY}"))
    for path in stale + leftovers:
        path.unlink()
    with contextlib.suppress(OSError):  # no reader opens an empty folder; a folder with shards in it stays
        (Path(folder) / kind).rmdir()
    return stale


def chunks(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Consecutive pieces of at most `size` items."""
    return (items[start : start + size] for start in range(0, len(items), size))


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _write_parquet(path: Path, table: pa.Table) -> None:
    if not table.num_rows:  # no row group at all: Hugging Face's reader fails on one without rows
        pq.ParquetWriter(path, table.schema).close()
        return
    pq.write_table(
        table,
        path,
        row_group_size=ROWS_PER_GROUP,
        compression={name: _compression(name) for name in _leaves(table.schema)},
        use_dictionary=[name for name in table.schema.names if pa.types.is_string(table.schema.field(name).type)],
        write_statistics=[name for name in _leaves(table.schema) if not name.endswith(".bytes")],
    )


def _compression(leaf: str) -> str:
    return "none" if leaf.endswith(".bytes") else "zstd"


def _leaves(schema: pa.Schema) -> list[str]:
    # Parquet names a nested column by its path; compression is chosen per leaf so that JPEG bytes stay uncompressed.
    buffer = pa.BufferOutputStream()
    pq.write_table(schema.empty_table(), buffer)
    leaves = pq.ParquetFile(pa.BufferReader(buffer.getvalue())).schema
    return [leaves.column(index).path for index in range(len(leaves.names))]


def _filesystem(path: Path | str) -> tuple[fs.FileSystem, str]:
    if isinstance(path, str) and "://" in path:
        return fs.FileSystem.from_uri(path)
    return fs.LocalFileSystem(), str(path)


def training_shards(folder: Path) -> list[Path]:
    """The shards of the training split, sorted by name."""
    return shards.paths(folder, "train")
