"""2,000 made links: each ends as a row, or names nothing that could be fetched, and none ends the crawl."""

import html
import random
from pathlib import Path

import pytest

from pipeline.crawl import urls
from pipeline.crawl.urls import Refused
from tests.crawl.conftest import Web, jpeg
from tests.crawl.test_walk import Run

LINKS, PAGE = 2000, "http://a.test/"
SCHEMES = ["http:", "https:", "HTTP:", "", "ftp:", "file:", "data:", "javascript:", "gopher:", "ws:", "x y:", ":"]
SLASHES = ["//", "/", "", "///", "\\\\", "/\\", "////"]
HOSTS = [
    "a.test", "A.TEST", "a.test.", "b.test", "münchen.test", "例え.test", "xn--.test", "xn--a-ecp.test", "a..test",
    "-a.test", "a_b.test", "a b.test", "a%2etest", "%00.test", "a\u3002test", "\u200d.test", "127.0.0.1", "0x7f.1",
    "0300.1", "999.1.1.1", "[::1]", "[::", "[v1.x]", "[::ffff:127.0.0.1]", "localhost", "x" * 64 + ".test",
    "user:pw@a.test", "@", "a.test:", "",
]  # fmt: skip
PORTS = ["", ":", ":80", ":0", ":65536", ":-1", ":8x", ":00080", ":99999999999999999999"]
PATHS = [
    "", "/", "/1.jpg", "/2.jpg", "//1.jpg", "/./1.jpg", "/x/../1.jpg", "/%2e%2e/1.jpg", "/http://a.test/1.jpg",
    "/ü.jpg", "/%FF.jpg", "/%", "/%zz", "/\udcff.jpg", "/a\\b.jpg", "/\t1.jpg", "/\n", "/\x00", "/" + "y" * 3000,
    "/🙂.png", "/a b.jpg",
]  # fmt: skip
ENDS = ["", "?", "?a=b", "?ü=1", "?a=%", "#", "#x", "?#?", " ", "\r\n"]


def made(rng: random.Random) -> str:
    """A link of odd parts, sometimes with one character changed."""
    link = "".join(rng.choice(parts) for parts in (SCHEMES, SLASHES, HOSTS, PORTS, PATHS, ENDS))
    if link and rng.random() < 0.3:
        place = rng.randrange(len(link))
        link = link[:place] + chr(rng.choice([*range(0, 256), 0x202E, 0xFEFF, 0xD800, 0x10FFFF])) + link[place + 1 :]
    return link


@pytest.fixture(scope="module")
def links() -> list[str]:
    rng = random.Random(21)
    return [made(rng) for _ in range(LINKS)]


def test_a_canonical_link_is_its_own_canonical_link(links: list[str]) -> None:
    asked = 0
    for link in links:
        url = urls.canonical(link, PAGE)
        try:
            urls.refuse_unsafe(url or "", ["*.test"])
        except Refused:
            continue
        asked += 1
        assert urls.canonical(url or "") == url, link
        assert (url or "").isascii(), link
    assert asked > LINKS / 20  # not only junk was made


def test_every_link_ends_as_a_row(links: list[str], web: Web, tmp_path: Path) -> None:
    readable = [link.encode("utf-8", "replace").decode() for link in links]
    shown = "".join(f'<img src="{html.escape(link)}">' for link in readable[: LINKS // 2])
    web.add(PAGE, f"<!doctype html><meta charset=utf-8>{shown}")
    web.add("http://a.test/1.jpg", jpeg(1))
    web.add("http://b.test/2.jpg", jpeg(2))
    listed = [" ".join(link.replace("\0", "").split()) for link in readable[LINKS // 2 :]]  # a list is text
    (tmp_path / "list.txt").write_text("\n".join(listed), encoding="utf-8")
    run = Run(web, tmp_path, url_lists=str(tmp_path / "list.txt"), retries=0)
    for link in listed:
        url = urls.canonical(link)
        assert url is None or url in run.rows, link
    assert len(run.rows) > LINKS / 4
    for row in run.rows.values():
        assert row["outcome"] in ("kept", "duplicate", "read") or row["reject"], row
        assert row["reject"] != "error", row
    assert run.outcome("http://a.test/1.jpg") == ("kept", None)
