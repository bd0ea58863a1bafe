import asyncio
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from aiohttp.test_utils import TestServer

from pipeline import records, runner, shards
from pipeline.crawl import pages, server, summary, takedown, tasks, walk
from pipeline.crawl.ledger import Ledger, Visit
from pipeline.crawl.web import addresses
from pipeline.crawl.worker import CrawlWorker
from pipeline.errors import MissingInput, StorageError
from pipeline.settings import CrawlSettings
from tests.crawl.conftest import JPEG, Web, heic, heic_decoder, jpeg, make_settings


class Run:
    """One crawl of a web into `folder`: the rows by URL, the photos, and what the server was asked for."""

    def __init__(self, web: Web, folder: Path, **changes: Any) -> None:
        settings = make_settings(serve=str(web.write()), hosts={"*.test": "127.0.0.1"}, **changes)
        log = folder / "requests.log"
        log.unlink(missing_ok=True)
        banned = takedown.read(settings.takedown)
        with Ledger(folder / "work") as ledger:
            found = asyncio.run(self._crawl(settings, ledger, banned, log))
            ledger.purge(banned.names)
            self.unmatched = banned.unmatched(found.visits.values())
            urls, photos = tasks.rows(found, ledger, settings)
            make = partial(CrawlWorker, lambda url: ledger.body(found.visits[url]), folder / "crawl")
            todo = tasks.tasks(urls, photos, settings)
            runner.make_here([runner.Wanted(folder / "crawl", (kind,), each) for kind, each in todo.items()], make)
            self.metrics = summary.summarise(urls, photos)
        rows = shards.read_all(folder / "crawl", "urls").to_pylist()
        self.rows = {row["url"]: row for row in rows}
        self.asked = [f"http://{'/'.join(line.split(' /', 1))}" for line in log.read_text().splitlines()]
        found = (folder / "crawl").rglob("*.parquet")
        self.files = {f"{path.parent.name}/{path.name}": path.read_bytes() for path in found}

    async def _crawl(
        self, settings: CrawlSettings, ledger: Ledger, banned: takedown.Takedown, log: Path
    ) -> walk.CrawlResult:
        source = server.open_source(Path(settings.serve))
        async with TestServer(server.application(source, log)) as served:
            hosts = addresses.loopback_hosts(settings.hosts, served.port or 0)
            return await walk.crawl(settings, hosts, ledger, banned)

    def outcome(self, url: str) -> tuple[str, str | None]:
        return self.rows[url]["outcome"], self.rows[url]["reject"]

    @property
    def photos(self) -> dict[str, dict[str, Any]]:
        tables = [name for name in self.files if name.startswith("photos/")]
        rows = [row for name in tables for row in self._read(name)]
        return {row["url"]: row for row in rows}

    def _read(self, name: str) -> list[dict[str, Any]]:
        table = pq.read_table(pa.BufferReader(self.files[name]))
        assert table.schema.equals(records.PHOTOS)
        return table.to_pylist()


def gallery(web: Web) -> None:
    """Three pages, six pictures: two are one, one is nearly another, one is forbidden, one opts out."""
    web.add("http://a.test/robots.txt", "User-agent: *\nDisallow: /secret/\n", "Content-Type: text/plain")
    web.page("http://a.test/", "1.jpg", "http://b.test/copy.jpg", links=("two.html", "/dead.html"))
    web.page("http://a.test/two.html", "1.jpg", "http://b.test/near.jpg", "/secret/4.jpg", links=("/", "three.html"))
    web.page("http://a.test/three.html", "5.jpg", "small.jpg", "broken.jpg")
    web.add("http://a.test/1.jpg", jpeg(1))
    web.add("http://b.test/copy.jpg", jpeg(1))
    web.add("http://b.test/near.jpg", jpeg(1, quality=70))
    web.add("http://a.test/secret/4.jpg", jpeg(4))
    web.add("http://a.test/5.jpg", jpeg(5), JPEG, "X-Robots-Tag: noai")
    web.add("http://a.test/small.jpg", jpeg(6, size=60))
    web.add("http://a.test/broken.jpg", jpeg(7)[:900])


def test_every_url_has_its_outcome(web: Web, tmp_path: Path) -> None:
    gallery(web)
    run = Run(web, tmp_path)
    found = {url: run.outcome(url) for url in run.rows}
    assert found == {
        "http://a.test/": ("read", None),
        "http://a.test/two.html": ("read", None),
        "http://a.test/three.html": ("read", None),
        "http://a.test/dead.html": ("never", "not_found"),
        "http://a.test/1.jpg": ("kept", None),
        "http://b.test/copy.jpg": ("duplicate", None),
        "http://b.test/near.jpg": ("duplicate", None),
        "http://a.test/secret/4.jpg": ("never", "robots"),
        "http://a.test/5.jpg": ("never", "opt_out"),
        "http://a.test/small.jpg": ("never", "too_small"),
        "http://a.test/broken.jpg": ("never", "bad_image"),
    }
    assert run.rows["http://b.test/near.jpg"]["detail"] == "nearly http://a.test/1.jpg"
    assert run.rows["http://b.test/copy.jpg"]["detail"] == "the bytes of http://a.test/1.jpg"
    assert run.rows["http://a.test/dead.html"]["page_url"] == "http://a.test/"
    assert run.metrics["outcomes"] == {"duplicate": 2, "kept": 1, "never": 5, "read": 3}


def test_the_photo_has_its_bytes_caption_and_basis(web: Web, tmp_path: Path) -> None:
    gallery(web)
    run = Run(web, tmp_path, licence="CC0-1.0")
    (photo,) = run.photos.values()
    assert photo["image"]["bytes"] == jpeg(1)
    assert (photo["url"], photo["caption"], photo["page_url"]) == (
        "http://a.test/1.jpg",
        "about 1.jpg",
        "http://a.test/",
    )
    assert (photo["width"], photo["height"], photo["licence"]) == (128, 128, "CC0-1.0")
    assert run.rows[photo["url"]]["sha256"].startswith(photo["photo_id"])
    assert {row["photo_id"] for row in run.rows.values()} == {photo["photo_id"], None}


def test_what_robots_denies_is_never_asked(web: Web, tmp_path: Path) -> None:
    gallery(web)
    run = Run(web, tmp_path)
    assert run.asked
    assert [url for url in run.asked if "/secret/" in url] == []
    assert run.asked.count("http://a.test/robots.txt") == 1


def test_a_repeated_crawl_asks_for_nothing_but_robots_and_what_was_passing(web: Web, tmp_path: Path) -> None:
    gallery(web)
    web.add("http://a.test/three.html", "", status=500)
    first = Run(web, tmp_path)
    again = Run(web, tmp_path)
    assert set(again.asked) == {"http://a.test/robots.txt", "http://b.test/robots.txt", "http://a.test/three.html"}
    assert again.files == first.files


def test_the_page_that_reserves_its_pictures_is_obeyed_whoever_shows_them_too(web: Web, tmp_path: Path) -> None:
    web.page("http://a.test/", "1.jpg", "2.jpg", links=("diary.html",))
    web.page("http://a.test/diary.html", "2.jpg", head='<meta name="robots" content="noai">')
    for number in (1, 2):
        web.add(f"http://a.test/{number}.jpg", jpeg(number))
    run = Run(web, tmp_path)
    assert run.outcome("http://a.test/2.jpg") == ("never", "opt_out")
    assert "http://a.test/2.jpg" not in run.asked


def test_endless_pages_end(web: Web, tmp_path: Path) -> None:
    web.page("http://a.test/", "1.jpg", links=("calendar/",))
    web.page("http://a.test/calendar/*", links=("next/",))
    web.add("http://a.test/1.jpg", jpeg(1))
    run = Run(web, tmp_path, max_depth=3)
    assert run.outcome("http://a.test/calendar/next/next/next/") == ("later", "too_deep")
    assert len(run.rows) == 6
    few = Run(web, tmp_path / "few", max_pages=2)
    assert few.outcome("http://a.test/calendar/next/") == ("later", "too_many_pages")


def test_url_lists_bring_pictures_and_captions(web: Web, tmp_path: Path) -> None:
    web.add("http://a.test/1.jpg", jpeg(1))
    listed = tmp_path / "list.txt"
    listed.write_text("http://a.test/1.jpg\ta listed picture\nfile:///etc/passwd\n")
    run = Run(web, tmp_path, seeds=[], url_lists=str(listed))
    assert run.photos["http://a.test/1.jpg"]["caption"] == "a listed picture"
    assert run.outcome("file:///etc/passwd") == ("never", "scheme")
    with pytest.raises(MissingInput, match=r"crawl.url_lists"):
        list(walk.listed("none.txt"))


def test_whatever_goes_wrong_with_one_url_is_its_row(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    web.page("http://a.test/", "1.jpg", "2.jpg", "http://www..b.test/x.jpg", links=("http://.a.test/", "/odd"))
    web.page("http://a.test/odd", "3.jpg")
    for number in (1, 2, 3):
        web.add(f"http://a.test/{number}.jpg", jpeg(number))
    parse, inspect = pages.parse, walk.inspect

    def fussy_parse(body: bytes, charset: str, url: str, token: str) -> pages.Page:
        if url.endswith("/odd"):
            raise RecursionError
        return parse(body, charset, url, token)

    def fussy_inspect(visit: Visit, body: bytes) -> Visit:
        if visit.url.endswith("/2.jpg"):
            raise KeyError("surprise")
        return inspect(visit, body)

    monkeypatch.setattr(pages, "parse", fussy_parse)
    monkeypatch.setattr(walk, "inspect", fussy_inspect)
    run = Run(web, tmp_path, seeds=["http://a.test/", "http://[::1", "x y", "http://a.test:99999/"])
    assert run.outcome("http://a.test/1.jpg") == ("kept", None)
    for url, outcome in {
        "http://a.test/2.jpg": ("later", "error"),
        "http://a.test/odd": ("later", "error"),
        "http://www..b.test/x.jpg": ("never", "malformed"),
        "http://.a.test/": ("never", "malformed"),
        "http://[::1": ("never", "malformed"),
        "x y": ("never", "malformed"),
        "http://a.test:99999/": ("never", "malformed"),
    }.items():
        assert run.outcome(url) == outcome
    assert run.rows["http://a.test/2.jpg"]["detail"] == "KeyError"


def test_where_the_largest_candidate_fails_for_good_the_next_is_tried(web: Web, tmp_path: Path) -> None:
    web.add("http://a.test/robots.txt", "User-agent: *\nDisallow: /full/\n", "Content-Type: text/plain")
    sets = {
        "a": "/none.jpg 3w, /torn.jpg 2w, /1.jpg 1w",
        "b": "http://other.example/x.jpg 3w, /full/x.jpg 2w, /2.jpg 1w",
        "c": "/kept.jpg 3w, /not-asked.jpg 2w",
        "d": "/reserved.jpg 3w, /not-asked-either.jpg 2w",
        "e": "/busy.jpg 3w, /not-asked-now.jpg 2w",
    }
    web.add("http://a.test/", "".join(f'<img srcset="{each}" alt="{name}">' for name, each in sets.items()))
    for number, name in enumerate(("1", "2", "kept", "not-asked", "not-asked-either", "not-asked-now")):
        web.add(f"http://a.test/{name}.jpg", jpeg(number))
    web.add("http://a.test/torn.jpg", jpeg(7)[:900])
    web.add("http://a.test/reserved.jpg", jpeg(8), JPEG, "X-Robots-Tag: noai")
    web.add("http://a.test/busy.jpg", jpeg(9), status=503)
    run = Run(web, tmp_path)
    found = {url.removeprefix("http://a.test/"): run.outcome(url) for url in run.rows}
    assert found == {
        "": ("read", None),
        "none.jpg": ("never", "not_found"),
        "torn.jpg": ("never", "bad_image"),
        "1.jpg": ("kept", None),
        "http://other.example/x.jpg": ("never", "out_of_scope"),
        "full/x.jpg": ("never", "robots"),
        "2.jpg": ("kept", None),
        "kept.jpg": ("kept", None),
        "reserved.jpg": ("never", "opt_out"),
        "busy.jpg": ("later", "busy"),
    }
    assert run.photos["http://a.test/1.jpg"]["caption"] == "a"
    assert run.photos["http://a.test/1.jpg"]["page_url"] == "http://a.test/"
    assert Run(web, tmp_path).files == run.files


def test_a_reserved_candidate_is_not_taken_from_another_page(web: Web, tmp_path: Path) -> None:
    web.add("http://a.test/", '<img srcset="/1.jpg 2w, /2.jpg 1w"><a href="/noai">x</a>')
    web.add("http://a.test/noai", '<meta name="robots" content="noai"><img srcset="/3.jpg 2w, /2.jpg 1w">')
    for number in (2, 3):
        web.add(f"http://a.test/{number}.jpg", jpeg(number))
    run = Run(web, tmp_path)
    assert run.outcome("http://a.test/2.jpg") == run.outcome("http://a.test/3.jpg") == ("never", "opt_out")
    assert not [url for url in run.asked if url.endswith(("2.jpg", "3.jpg"))]


def test_a_picture_whose_decoder_is_gone_waits_for_another_run(
    web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.page("http://a.test/", "1.jpg", "2.heic", "3.heic", "4.jpg")
    web.add("http://a.test/1.jpg", jpeg(1))
    web.add("http://a.test/2.heic", heic(jpeg(1, quality=70)), JPEG)
    web.add("http://a.test/3.heic", heic(jpeg(3)), JPEG)
    web.add("http://a.test/4.jpg", jpeg(4))
    with heic_decoder(monkeypatch):
        first = Run(web, tmp_path)
    assert [first.outcome(f"http://a.test/{name}.heic")[0] for name in (2, 3)] == ["duplicate", "kept"]
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    later = Run(web, tmp_path)
    for name in (2, 3):
        assert later.outcome(f"http://a.test/{name}.heic") == ("later", "bad_image")
    assert "likeness[heif]" in later.rows["http://a.test/3.heic"]["detail"]
    assert set(later.photos) == {"http://a.test/1.jpg", "http://a.test/4.jpg"}
    with heic_decoder(monkeypatch):
        assert Run(web, tmp_path).files == first.files


def test_a_full_disk_ends_the_crawl(web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gallery(web)

    def full(*_: object) -> Visit:
        raise StorageError("no space left")

    monkeypatch.setattr(Ledger, "record", full)
    with pytest.raises(StorageError, match="no space left"):
        Run(web, tmp_path)


def test_a_host_that_asks_for_a_day_between_requests_leaves_the_others_alone(web: Web, tmp_path: Path) -> None:
    gallery(web)
    web.add("http://c.test/robots.txt", "User-agent: *\nCrawl-delay: 86400\n", "Content-Type: text/plain")
    run = Run(web, tmp_path, seeds=["http://a.test/", "http://c.test/"])
    assert run.outcome("http://c.test/") == ("later", "too_slow")
    assert run.outcome("http://a.test/1.jpg") == ("kept", None)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_lists_are_read_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes("http://a.test/1.jpg\tJosé in red\r\nhttp://a.test/2.jpg\r\nno url\r\n".encode(encoding))
    assert list(walk.listed(str(path))) == [
        ("http://a.test/1.jpg", "José in red"),
        ("http://a.test/2.jpg", ""),
        ("no url", ""),
    ]


def test_a_line_of_a_list_ends_at_a_line_end_alone(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("http://a.test/1.jpg\tone\u2028two\x85three\n")
    assert list(walk.listed(str(path))) == [("http://a.test/1.jpg", "one two three")]


def test_takedown_by_another_spelling_and_lines_that_match_nothing(web: Web, tmp_path: Path) -> None:
    gallery(web)
    path = tmp_path / "down.txt"
    path.write_bytes("\ufeffhttps://www.a.test/1.jpg\r\nhttp://a.test/none.jpg\r\n".encode())
    run = Run(web, tmp_path, takedown=str(path))
    assert run.outcome("http://a.test/1.jpg") == ("never", "takedown")
    assert "http://a.test/1.jpg" not in run.asked
    assert run.unmatched == ["http://a.test/none.jpg"]


def test_takedown_by_hash_takes_near_duplicates_and_bytes_too(web: Web, tmp_path: Path) -> None:
    gallery(web)
    web.page("http://a.test/three.html", "8.jpg", "9.jpg")
    web.add("http://a.test/8.jpg", jpeg(8))
    web.add("http://a.test/9.jpg", jpeg(9))
    before = Run(web, tmp_path)
    near = before.rows["http://b.test/near.jpg"]["sha256"]
    listed = tmp_path / "takedown.txt"
    listed.write_text(f"{near}\nhttp://a.test/8.jpg\n")
    for _ in range(2):  # and again when the bytes are erased
        after = Run(web, tmp_path, takedown=str(listed))
        assert set(after.photos) == {"http://a.test/9.jpg"}
        for url in ("http://a.test/1.jpg", "http://b.test/copy.jpg", "http://b.test/near.jpg", "http://a.test/8.jpg"):
            assert after.outcome(url) == ("never", "takedown")
    bodies = (tmp_path / "work" / "bodies.bin").read_bytes()
    assert jpeg(9) in bodies
    assert jpeg(8) not in bodies
    assert jpeg(1, quality=70) not in bodies
    fresh = Run(web, tmp_path / "fresh", takedown=str(listed))
    assert "http://a.test/8.jpg" not in fresh.asked


def test_a_new_photo_changes_one_shard(web: Web, tmp_path: Path) -> None:
    names = [f"{number}.jpg" for number in range(40)]
    for number in range(40):
        web.add(f"http://a.test/{number}.jpg", jpeg(number))
    web.page("http://a.test/", *names[:39])
    before = Run(web, tmp_path, photos_per_shard=10)
    web.page("http://a.test/", *names)
    with Ledger(tmp_path / "work") as ledger:
        assert ledger.find("http://a.test/", "page")
    (tmp_path / "work" / "visits.jsonl").unlink()
    after = Run(web, tmp_path, photos_per_shard=10)
    kept = {name for name in before.files if name.startswith("photos") and after.files.get(name) == before.files[name]}
    assert len(before.photos) + 1 == len(after.photos)
    assert len(kept) == sum(name.startswith("photos") for name in before.files) - 1


def test_leaves_cut_where_the_ids_say() -> None:
    rows = [{"id": f"{number << 60:016x}"} for number in range(16)]
    assert [len(piece) for piece in tasks.leaves(rows, "id", 4)] == [4, 4, 4, 4]
    assert [len(piece) for piece in tasks.leaves(rows[:5], "id", 4)] == [4, 1]
    assert list(tasks.leaves([], "id", 4)) == []
