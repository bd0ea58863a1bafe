"""Parquet with a column of pictures, as Hugging Face's `datasets` write it: bytes, or a struct of bytes and path."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.crawl.sources import files, table
from pipeline.crawl.sources.files import Item
from pipeline.settings import SourceSettings

ROWS = 16  # read at once


def read(source: SourceSettings, max_bytes: int) -> Iterator[Item]:
    """The rows of all files in their order, a few in memory at a time.

    Raises:
        MissingInput: there is no Parquet file.
        SettingsError: a file lacks a column that the source names; those that it has are listed.
    """
    for name, path in files.matching(source.parquet, (".parquet",), "parquet"):
        where = files.address("parquet", source.title, *Path(name).parts)
        try:
            for number, row in enumerate(_rows(path, source)):
                yield _item(f"{where}/{number}", row, source, max_bytes)
        except (OSError, pa.ArrowException) as error:
            detail = f"the rest is lost: {type(error).__name__}: {error}"[:200]
            yield Item(where, reject="broken_parquet", detail=detail)


def _rows(path: Path, source: SourceSettings) -> Iterator[Mapping[str, Any]]:
    with pq.ParquetFile(path, pre_buffer=False) as found:
        has = found.schema_arrow.names
        table.check_columns(has, source, ["image_column"], path)
        wanted = [source.image_column, source.caption_column, source.licence_column, source.people_column]
        for batch in found.iter_batches(ROWS, columns=[name for name in wanted if name in has]):
            yield from batch.to_pylist()


def _item(where: str, row: Mapping[str, Any], source: SourceSettings, max_bytes: int) -> Item:
    image = row.get(source.image_column)
    data = image.get("bytes") if isinstance(image, Mapping) else image
    said = table.said(row, source)
    if not isinstance(data, bytes) or not data:
        return Item(where, b"", *said, "bad_image", f"no bytes in its column {source.image_column}")
    if len(data) > max_bytes:
        return Item(where, b"", *said, "too_large", f"{len(data)} bytes, at most {max_bytes} are read")
    return Item(where, data, *said)
