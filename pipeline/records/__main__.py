"""`python -m pipeline.records FOLDER` says what the columns of a folder of shards mean."""

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
from pyarrow import dataset

from pipeline.errors import MissingInput, run
from pipeline.records.columns import DESCRIPTION


def describe(folder: str) -> str:
    """What the shards of `folder` hold: a line for the folder, then one per column, columns of structs set in.

    Raises:
        MissingInput: `folder` holds no Parquet file.
    """
    files = dataset.dataset(folder, format="parquet").files if Path(folder).exists() else []
    if not files:
        raise MissingInput(f"no shards in {folder}: name a folder of one kind, like data/crawl/photos")
    schema = dataset.dataset(files[0], format="parquet").schema
    return "\n".join([(schema.metadata or {}).get(DESCRIPTION, b"").decode(), *_lines(schema, "  ")])


def _lines(fields: Iterable[pa.Field], margin: str) -> Iterator[str]:
    for field in fields:
        nested = pa.types.is_struct(inner := field.type.value_type if pa.types.is_list(field.type) else field.type)
        kind = ("list of struct" if inner is not field.type else "struct") if nested else str(field.type)
        yield f"{margin}{field.name:14} {kind:34} {(field.metadata or {}).get(DESCRIPTION, b'').decode()}".rstrip()
        if nested:
            yield from _lines(inner, margin + "  ")


def main() -> None:
    """Print what the shards of a folder hold."""
    parser = argparse.ArgumentParser(description="Say what the columns of a folder of shards mean.")
    parser.add_argument("folder", help="of one kind of shards, like data/crawl/photos")
    print(describe(parser.parse_args().folder))


if __name__ == "__main__":
    run(main)
