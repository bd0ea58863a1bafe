"""Tables of URLs, as img2dataset takes them: text, CSV, TSV, JSON lines and Parquet, one row after the other."""

import csv
import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.crawl import urls
from pipeline.crawl.sources import files, text
from pipeline.crawl.sources.files import Item
from pipeline.errors import SettingsError
from pipeline.settings import SourceSettings

DELIMITERS = {".csv": ",", ".tsv": "\t"}
LINES = (".jsonl", ".ndjson", ".json")
ENDINGS = (*DELIMITERS, *LINES, ".txt", ".parquet")
LONGEST_LINE = 1_000_000  # characters
ROWS = 1000  # read at once

Fields = Mapping[str, Any]
Rows = Iterator[Fields | str]  # the fields of each row, or what is wrong with it


def read(source: SourceSettings) -> Iterator[Item]:
    """The rows of a source's tables: those whose URL can be asked have it as their address.

    Raises:
        MissingInput: there is no table.
        SettingsError: a table lacks a column that the source names; those that it has are listed.
    """
    endings = (*ENDINGS, *(f"{ending}.gz" for ending in ENDINGS if ending != ".parquet"))
    for name, path in files.matching(source.table, endings, "table"):
        try:
            for number, row in enumerate(_rows(path, source), 1):
                yield _item(row, files.address("table", source.title, name, str(number)), source)
        except (OSError, EOFError, UnicodeError, pa.ArrowException) as error:
            where = files.address("table", source.title, name)
            yield Item(where, reject="broken_table", detail=f"{type(error).__name__}: {error}"[:200])


def check_columns(has: Collection[str], source: SourceSettings, named: Collection[str], where: Path) -> None:
    """Refuse a table without a column that must be there, or that the settings name otherwise than by default.

    Raises:
        SettingsError: naming the columns that there are.
    """
    defaults = SourceSettings.__dataclass_fields__
    for setting in ("url_column", "image_column", "caption_column", "licence_column", "people_column"):
        column = getattr(source, setting)
        needed = setting in named or (setting[:3] not in ("url", "ima") and column != defaults[setting].default)
        if needed and column not in has:
            raise SettingsError(
                f"crawl.sources: {where} has no column {column!r} but {', '.join(map(repr, has))}: set {setting}"
            )


def _item(row: Fields | str, where: str, source: SourceSettings) -> Item:
    if isinstance(row, str):
        return Item(where, reject="malformed", detail=row)
    link = row.get(source.url_column)
    url = urls.canonical(link) if isinstance(link, str) else None
    if not url:
        return Item(where, reject="malformed", detail=f"no URL in its column {source.url_column}")
    return Item(url, b"", *said(row, source))


def said(row: Fields, source: SourceSettings) -> tuple[str, str, str]:
    """Caption, licence and label of a row, each empty where the row does not have it; a label may be a number."""
    label = row.get(source.people_column) if source.people_column else None
    licence = row.get(source.licence_column) if source.licence_column else None
    return text.tidy(row.get(source.caption_column)), text.tidy(licence), "" if label is None else text.tidy(str(label))


def link_and_caption(line: str) -> tuple[str, str]:
    """A line of a plain list: a URL, and behind a tab its caption, if it has one."""
    link, _, caption = line.partition("\t")
    return link, text.tidy(caption)


def _rows(path: Path, source: SourceSettings) -> Rows:
    ending = Path(path.name.lower().removesuffix(".gz")).suffix
    if ending == ".parquet":
        yield from _parquet(path, source)
        return
    with closing(text.open_text(path)) as stream:
        if ending in DELIMITERS:
            yield from _delimited(stream, DELIMITERS[ending], source, path)
        elif ending in LINES:
            yield from _json_lines(stream, source, path)
        else:
            yield from _plain(stream, source)


def _parquet(path: Path, source: SourceSettings) -> Rows:
    with pq.ParquetFile(path) as table:
        has = table.schema_arrow.names
        check_columns(has, source, ["url_column"], path)
        wanted = [source.url_column, source.caption_column, source.licence_column, source.people_column]
        for batch in table.iter_batches(ROWS, columns=[name for name in wanted if name in has]):
            yield from batch.to_pylist()


def _delimited(stream: Any, delimiter: str, source: SourceSettings, path: Path) -> Rows:
    reader = csv.DictReader(stream, delimiter=delimiter)
    check_columns(reader.fieldnames or (), source, ["url_column"], path)
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield f"not a row: {error}"


def _json_lines(stream: Any, source: SourceSettings, path: Path) -> Rows:
    checked = False
    for line in _lines(stream):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield f"not JSON: {error}"[:200]
            continue
        if not isinstance(row, dict):
            yield f"must be an object, found {type(row).__name__}"
            continue
        if not checked:
            check_columns(row, source, ["url_column"], path)
            checked = True
        yield row


def _plain(stream: Any, source: SourceSettings) -> Rows:
    for line in _lines(stream):
        yield dict(zip((source.url_column, source.caption_column), link_and_caption(line), strict=True))


def _lines(stream: Any) -> Iterator[str]:
    """Lines that are not empty; of what has no end in sight, pieces, which are no rows."""
    while line := stream.readline(LONGEST_LINE):
        if line.strip():
            yield line
