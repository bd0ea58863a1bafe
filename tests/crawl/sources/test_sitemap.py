"""Sitemaps: what they list, what is none, and how far they are followed."""

import gzip
from pathlib import Path

import pytest

from pipeline.crawl.sources import sitemap
from tests.crawl.conftest import Web, jpeg
from tests.crawl.sources.conftest import Crawl

XML = "Content-Type: application/xml"
HEAD = '<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:image="http://i.test">'
SHOWN = "<image:image><image:loc>/1.jpg</image:loc><image:title>t</image:title></image:image>"
PAGES = f"{HEAD}<url><loc> http://a.test/one </loc>{SHOWN}</url><url><loc>http://a.test/two#x</loc></url></urlset>"
INDEX = "<sitemapindex><sitemap><loc>http://a.test/pages.xml.gz</loc></sitemap></sitemapindex>"


@pytest.mark.parametrize("body", [PAGES.encode(), gzip.compress(PAGES.encode()), b"\xef\xbb\xbf" + PAGES.encode()])
def test_pages_and_pictures_are_listed(body: bytes) -> None:
    found = sitemap.parse(body, "http://a.test/sitemap.xml")
    assert found.pages == ["http://a.test/one", "http://a.test/two"]
    assert found.pictures == [("http://a.test/one", "http://a.test/1.jpg", "t")]


def test_an_index_and_a_plain_list_are_read() -> None:
    assert sitemap.parse(INDEX.encode(), "http://a.test/").sitemaps == ["http://a.test/pages.xml.gz"]
    assert sitemap.parse(b"http://a.test/one\nhttp://a.test/two\n", "http://a.test/").pages[1] == "http://a.test/two"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html></html>", "neither urlset nor sitemapindex"),
        (b"<urlset><url>", "not XML"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><urlset/>', "document type"),
        (b"hello", "neither XML nor a URL per line"),
        (gzip.compress(PAGES.encode())[:20] + b"\xff" * 99, "gzip that is broken"),
        (gzip.compress(PAGES.encode())[:-20], "gzip that is cut off"),
        (gzip.compress(bytes(sitemap.MAX_BYTES + 1), 1), "bytes when expanded"),
    ],
)
def test_what_is_no_sitemap_says_why(body: bytes, reason: str) -> None:
    with pytest.raises(sitemap.NoSitemap, match=reason):
        sitemap.parse(body, "http://a.test/")


def test_the_sitemaps_of_robots_txt_lead_to_pages_that_nothing_links_to(web: Web, tmp_path: Path) -> None:
    robots = "Sitemap: http://a.test/index.xml\nSitemap: http://b.example/s.xml\nUser-agent: *\nDisallow: /two\n"
    web.add("http://a.test/robots.txt", robots, "Content-Type: text/plain")
    web.page("http://a.test/")
    web.page("http://a.test/one", "2.jpg")
    web.add("http://a.test/index.xml", INDEX, XML)
    web.add("http://a.test/pages.xml.gz", gzip.compress(PAGES.encode(), mtime=0), "Content-Type: application/gzip")
    for number in (1, 2):
        web.add(f"http://a.test/{number}.jpg", jpeg(number))
    run = Crawl(tmp_path, {"seeds": ["http://a.test/"]}, serve=str(web.write()))
    assert run.outcome("http://a.test/index.xml") == run.outcome("http://a.test/one") == ("read", None)
    assert run.rows["http://a.test/index.xml"]["kind"] == "sitemap"
    assert run.outcome("http://a.test/two") == ("never", "robots")
    assert run.outcome("http://b.example/s.xml") == ("never", "out_of_scope")
    assert {url: row["caption"] for url, row in run.photos.items()} == {
        "http://a.test/1.jpg": "t",
        "http://a.test/2.jpg": "about 2.jpg",
    }


def test_a_broken_sitemap_is_a_row_and_an_endless_one_ends(web: Web, tmp_path: Path) -> None:
    web.page("http://a.test/", "1.jpg")
    web.add("http://a.test/1.jpg", jpeg(1))
    web.add("http://a.test/broken.xml", "<urlset>", XML)
    web.add("http://a.test/loop/*", "<sitemapindex><sitemap><loc>deeper/</loc></sitemap></sitemapindex>", XML)
    entry = {"seeds": ["http://a.test/"], "sitemaps": ["http://a.test/broken.xml", "http://a.test/loop/"]}
    run = Crawl(tmp_path, entry, serve=str(web.write()))
    assert run.outcome("http://a.test/broken.xml") == ("never", "not_a_sitemap")
    assert sum(row["kind"] == "sitemap" for row in run.rows.values()) == 1 + sitemap.MAX_NESTING
    assert set(run.photos) == {"http://a.test/1.jpg"}
