"""Tables of URLs, each read by hand."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.crawl.sources import table
from pipeline.errors import MissingInput, SettingsError
from tests.crawl.conftest import Web, jpeg
from tests.crawl.sources.conftest import Crawl, source

ROWS = [("http://a.test/1.jpg", "Ein Mädchen"), ("http://a.test/2.jpg", "two, or more")]


def write(path: Path, encoding: str = "utf-8") -> Path:
    match path.suffix:
        case ".txt":
            text = "".join(f"{url}\t{caption}\n" for url, caption in ROWS)
        case ".csv":
            text = "url,caption\r\n" + "".join(f'{url},"{caption}"\r\n' for url, caption in ROWS)
        case ".tsv":
            text = "caption\turl\n" + "".join(f"{caption}\t{url}\n" for url, caption in ROWS)
        case ".jsonl":
            text = "\n".join(json.dumps({"url": url, "caption": caption}) for url, caption in ROWS)
        case _:
            urls, captions = zip(*ROWS, strict=True)
            pq.write_table(pa.table({"url": urls, "caption": captions, "other": [1, 2]}), path)
            return path
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("ending", ["txt", "csv", "tsv", "jsonl", "parquet"])
def test_every_kind_of_table_gives_the_same_rows(tmp_path: Path, ending: str, encoding: str) -> None:
    path = write(tmp_path / f"list.{ending}", encoding)
    found = [(item.address, item.caption) for item in table.read(source(table=str(path)))]
    assert found == ROWS


def test_a_compressed_table_is_read(tmp_path: Path) -> None:
    path = tmp_path / "list.csv.gz"
    path.write_bytes(gzip.compress(write(tmp_path / "list.csv").read_bytes()))
    assert [item.address for item in table.read(source(table=str(path)))] == [url for url, _ in ROWS]


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_a_wrong_column_is_named_with_those_that_there_are(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path / f"list.{ending}")
    with pytest.raises(SettingsError, match=r"has no column 'address' but .*'url'.*: set url_column"):
        list(table.read(source(table=str(path), url_column="address")))
    with pytest.raises(SettingsError, match=r"has no column 'TEXT' but .*'caption'.*: set caption_column"):
        list(table.read(source(table=str(path), caption_column="TEXT")))


def test_a_broken_row_is_a_row_with_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "list.jsonl"
    good = json.dumps({"url": "http://a.test/1.jpg"})
    path.write_text("\n".join([good, "{", "[1]", json.dumps({"url": None}), json.dumps({"other": 1}), good]))
    found = [(item.address, item.reject) for item in table.read(source(table=str(path)))]
    assert found[0] == found[5] == ("http://a.test/1.jpg", "")
    assert found[1:5] == [(f"table://list/list.jsonl/{row}", "malformed") for row in (2, 3, 4, 5)]


def test_a_broken_table_ends_that_table_only(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 not")
    write(tmp_path / "b.csv")
    found = [(item.address, item.reject) for item in table.read(source(table=str(tmp_path), name="lists"))]
    assert found == [("table://lists/a.parquet", "broken_table"), *((url, "") for url, _ in ROWS)]


def test_an_absent_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"crawl.sources: table: .*none.csv: does not exist"):
        list(table.read(source(table=str(tmp_path / "none.csv"))))


def test_hosts_of_a_table_need_scope_and_its_rows_give_terms(web: Web, tmp_path: Path) -> None:
    for number in (1, 2):
        web.add(f"http://a.test/{number}.jpg", jpeg(number))
    path = tmp_path / "list.csv"
    path.write_text("url,terms\nhttp://a.test/1.jpg,CC-BY-4.0\nhttp://a.test/2.jpg,\nhttp://b.example/3.jpg,x\n")
    run = Crawl(tmp_path, {"table": str(path), "licence_column": "terms"}, serve=str(web.write()))
    assert run.photos["http://a.test/1.jpg"]["licence"] == "CC-BY-4.0"
    assert run.photos["http://a.test/2.jpg"]["licence"] == "CC0-1.0"
    assert run.outcome("http://b.example/3.jpg") == ("never", "out_of_scope")
