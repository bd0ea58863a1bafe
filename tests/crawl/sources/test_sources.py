"""All kinds of sources in one crawl: one data/crawl, whose rows have the terms of their source."""

import re
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.crawl import metadata
from pipeline.crawl.ledger import Visit
from pipeline.crawl.sources import local
from pipeline.errors import SettingsError
from pipeline.settings import sources as entries
from tests.conftest import ROOT
from tests.crawl.conftest import Web, heic, heic_decoder, jpeg, make_settings
from tests.crawl.sources.conftest import TERMS, Crawl, source, tar


def mixed(web: Web, tmp_path: Path, pictures: Path) -> list[dict[str, Any]]:
    """A site, a table, a folder, a tar and a Parquet file; the first picture of each is picture 1, too."""
    web.page("http://a.test/", "1.jpg", "2.jpg")
    for number in (1, 2, 3):
        web.add(f"http://a.test/{number}.jpg", jpeg(number))
    (tmp_path / "table.csv").write_text("url,caption\nhttp://a.test/3.jpg,three\nhttp://a.test/1.jpg,again\n")
    for number in (1, 4):
        (pictures / f"{number}.jpg").write_bytes(jpeg(number))
    tar(tmp_path / "dump.tar", {"1.jpg": jpeg(1, quality=99), "5.jpg": jpeg(5), "5.txt": b"five"})
    rows = [{"image": {"bytes": jpeg(number), "path": None}, "caption": "p"} for number in (1, 6)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "hf.parquet")
    return [
        {"seeds": ["http://a.test/"], "licence": "L1"},
        {"table": str(tmp_path / "table.csv"), "licence": "L2"},
        {"folder": str(pictures), "licence": "L3", "name": "ours"},
        {"tar": str(tmp_path / "dump.tar"), "licence": "L4"},
        {"parquet": str(tmp_path / "hf.parquet"), "licence": "L5"},
    ]


def test_all_kinds_give_one_crawl_and_a_picture_has_the_terms_of_its_first_source(
    web: Web, tmp_path: Path, pictures: Path
) -> None:
    run = Crawl(tmp_path, *mixed(web, tmp_path, pictures), serve=str(web.write()))
    assert {url: row["licence"] for url, row in run.photos.items()} == {
        "http://a.test/1.jpg": "L1",
        "http://a.test/2.jpg": "L1",
        "http://a.test/3.jpg": "L2",
        "folder://ours/4.jpg": "L3",
        "tar://dump/dump.tar/5.jpg": "L4",
        "parquet://hf/hf.parquet/1": "L5",
    }
    assert run.photos["tar://dump/dump.tar/5.jpg"]["caption"] == "five"
    copies = ["folder://ours/1.jpg", "tar://dump/dump.tar/1.jpg", "parquet://hf/hf.parquet/0"]
    assert [run.outcome(url) for url in copies] == [("duplicate", None)] * 3
    assert run.rows[copies[1]]["detail"] == "nearly http://a.test/1.jpg"  # of more bytes, but of a later source
    assert run.stored["folder://ours/4.jpg"] == metadata.strip(jpeg(4))


def test_the_order_of_sources_decides(pictures: Path, tmp_path: Path) -> None:
    (pictures / "1.jpg").write_bytes(jpeg(1))
    dump = tar(tmp_path / "dump.tar", {"1.jpg": jpeg(1)})
    ours, theirs = {"folder": str(pictures), "licence": "A"}, {"tar": str(dump), "licence": "B"}
    for number, (first, second) in enumerate([(ours, theirs), (theirs, ours)]):
        (photo,) = Crawl(tmp_path / str(number), first, second).photos.values()
        assert photo["licence"] == first["licence"]
        assert photo["url"].startswith("folder" if first is ours else "tar")


def test_what_is_wrong_with_one_file_is_its_row(pictures: Path, tmp_path: Path) -> None:
    (pictures / "1.jpg").write_bytes(jpeg(1))
    (pictures / "2.jpg").write_bytes(jpeg(2)[:700])
    (pictures / "3.jpg").write_bytes(b"<html>")
    (pictures / "4.jpg").write_bytes(jpeg(4, size=60))
    (pictures / "5.jpg").write_bytes(b"")
    (pictures / "6.jpg").symlink_to("nowhere")
    run = Crawl(tmp_path, {"folder": str(pictures), "name": "p"})
    assert {url[-5]: run.outcome(url) for url in run.rows} == {
        "1": ("kept", None),
        "2": ("never", "bad_image"),
        "3": ("never", "not_an_image"),
        "4": ("never", "too_small"),
        "5": ("never", "bad_image"),
        "6": ("later", "unreadable"),
    }


def test_a_second_run_adds_nothing_and_sees_what_changed(pictures: Path, tmp_path: Path) -> None:
    for number in (1, 2):
        (pictures / f"{number}.jpg").write_bytes(jpeg(number))
    entry = {"folder": str(pictures), "name": "p"}
    first = Crawl(tmp_path, entry)
    memory = {path: path.read_bytes() for path in (tmp_path / "work").rglob("*.*")}
    assert Crawl(tmp_path, entry).files == first.files
    assert {path: path.read_bytes() for path in memory} == memory
    (pictures / "2.jpg").write_bytes(jpeg(3))
    (pictures / "1.jpg").unlink()
    assert Crawl(tmp_path, entry).stored == {"folder://p/2.jpg": metadata.strip(jpeg(3))}


@pytest.mark.parametrize("by", ["photo", "address"])
def test_takedown_takes_local_pictures_and_their_bytes(pictures: Path, tmp_path: Path, by: str) -> None:
    for name, data in (("a b.jpg", jpeg(1)), ("copy.jpg", jpeg(1, quality=70)), ("2.jpg", jpeg(2))):
        (pictures / name).write_bytes(data)
    entry, listed = {"folder": str(pictures), "name": "p"}, tmp_path / "takedown.txt"
    before = Crawl(tmp_path, entry)
    row = before.rows["folder://p/a%20b.jpg"]
    listed.write_text(row["sha256"] if by == "photo" else row["url"])
    for folder in (tmp_path, tmp_path, tmp_path / "fresh"):
        after = Crawl(folder, entry, takedown=str(listed))
        assert set(after.photos) == {"folder://p/2.jpg"}
        assert after.outcome(row["url"]) == after.outcome("folder://p/copy.jpg") == ("never", "takedown")
        assert jpeg(1) not in next((folder / "work").rglob("bodies.bin")).read_bytes()
    assert Crawl(tmp_path, entry).files == before.files  # the list is emptied: the pictures are still there


def test_people_stand_in_data_of_their_own(pictures: Path, tmp_path: Path) -> None:
    for number, who in enumerate(["Ann", "Bo", "Ann"]):
        (pictures / who).mkdir(exist_ok=True)
        (pictures / who / f"{number}.jpg").write_bytes(jpeg(number))
    rows = [{"image": {"bytes": jpeg(number), "path": None}, "who": 7} for number in (0, 3)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "hf.parquet")
    entry = {"folder": str(pictures), "people": "folder", "name": "p"}
    run = Crawl(tmp_path, entry, {"parquet": str(tmp_path / "hf.parquet"), "people_column": "who"})
    photo = {url: row["photo_id"] for url, row in run.photos.items()}
    assert run.labels == {
        (photo["folder://p/Ann/0.jpg"], "Ann"),
        (photo["folder://p/Ann/0.jpg"], "7"),
        (photo["folder://p/Bo/1.jpg"], "Bo"),
        (photo["folder://p/Ann/2.jpg"], "Ann"),
        (photo["parquet://hf/hf.parquet/1"], "7"),
    }
    del entry["people"]
    assert not Crawl(tmp_path / "plain", entry).labels


def test_no_stage_reads_labels() -> None:
    """They are written by the crawl; the one reader in pipeline/ scores."""
    said = re.compile(r"LABELS|[\"'/]labels[\"'/]|crawl/labels")
    readers = {path for path in (ROOT / "pipeline").rglob("*.py") if said.search(path.read_text())}
    rooms = {path.relative_to(ROOT / "pipeline").parts[0] for path in readers}
    assert rooms <= {"crawl", "records", "report"}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "crawl.sources[0] must name one place: seeds, sitemaps, table, folder, tar, parquet"),
        ({"folder": "a", "tar": "b"}, "found folder and tar"),
        ({"folder": "a", "name": "A b"}, "crawl.sources[0].name must be lower-case letters"),
        (
            {"folder": "a", "people_column": "x"},
            "people_column belongs to a source of the kind table or",
        ),
        ({"table": "a", "people": "folder"}, "people belongs to a source of the kind folder: remove it"),
        ({"folder": "a", "url_column": "x"}, "url_column belongs to a source of the kind table"),
    ],
)
def test_a_source_that_says_too_little_or_too_much_is_refused(changes: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(sentence)):
        entries.check([source(**changes)], "test")


@pytest.mark.parametrize("term", sorted(TERMS))
def test_a_source_without_terms_is_refused(term: str) -> None:
    entry = {name: value for name, value in TERMS.items() if name != term}
    with pytest.raises(SettingsError, match=rf"missing setting sources\[0\].{term}: add it"):
        make_settings(sources=[entry | {"folder": "photos"}])


def test_sources_must_be_a_list_of_sections() -> None:
    with pytest.raises(SettingsError, match=r"sources must be a list of sections, found 'photos'"):
        make_settings(sources="photos")
    with pytest.raises(SettingsError, match=r"sources\[0\] must be a section, found 'photos'"):
        make_settings(sources=["photos"])
    with pytest.raises(SettingsError, match=r"unknown setting sources\[0\].foldr; did you mean folder"):
        make_settings(sources=[TERMS | {"foldr": "photos"}])


def test_two_sources_of_one_name_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"crawl.sources\[1\] is called photos as entry 0 is: give it a name"):
        entries.check([source(folder="a/photos"), source(folder="b/Photos")], "test")


def test_names_come_from_the_place() -> None:
    named = {"a/Our Photos": "our-photos", "dump/*.tar": "dump", "x/00000.tar": "00000", "*.tar": "tar"}
    assert {place: source(tar=place).title for place in named} == named
    assert source(folder="..").title == "folder"


def test_an_ended_crawl_goes_on_where_it_was(pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(80):
        (pictures / f"{number}.jpg").write_bytes(jpeg(number))
    entry, inspect, seen = {"folder": str(pictures), "name": "p"}, local.inspect, list[str]()

    def watched(visit: Visit, body: bytes) -> Visit:
        seen.append(visit.url)
        if len(seen) == 60:
            raise KeyboardInterrupt
        return inspect(visit, body)

    monkeypatch.setattr(local, "inspect", watched)
    with pytest.raises(KeyboardInterrupt):
        Crawl(tmp_path / "ended", entry)
    before = len(seen)
    again = Crawl(tmp_path / "ended", entry)
    assert len(seen) - before < 80  # what was remembered is not decoded again
    assert again.files == Crawl(tmp_path / "whole", entry).files


def test_a_folders_picture_whose_decoder_is_gone_waits_for_another_run(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (pictures / "1.jpg").write_bytes(jpeg(1))
    (pictures / "2.heic").write_bytes(heic(jpeg(2)))
    entry = {"folder": str(pictures), "name": "p"}
    with heic_decoder(monkeypatch):
        assert {row["outcome"] for row in Crawl(tmp_path, entry).rows.values()} == {"kept"}
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    row = Crawl(tmp_path, entry).rows["folder://p/2.heic"]
    assert (row["outcome"], row["reject"]) == ("later", "bad_image")
