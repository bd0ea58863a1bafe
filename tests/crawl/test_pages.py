import random
import time
from urllib.parse import quote

import pytest

from pipeline.crawl import pages
from pipeline.crawl.pages import Picture
from pipeline.crawl.urls import Refused

URL = "http://a.test/albums/1.html"


def parse(html: str | bytes, charset: str = "") -> pages.Page:
    return pages.parse(html.encode() if isinstance(html, str) else html, charset, URL, "LikenessBot")


def shown(html: str) -> list[str]:
    """The names of the pictures that a page shows."""
    return [picture.url.rpartition("/")[2] for picture in parse(html).pictures]


def test_a_figure_caption_comes_before_the_alt_text() -> None:
    page = parse('<figure><img src="x.jpg" alt="alt"><figcaption>A <b>man</b>\n in red</figcaption></figure>')
    assert page.pictures == (Picture("http://a.test/albums/x.jpg", "A man in red"),)


def test_alt_text_and_none() -> None:
    page = parse('<img src="/a.jpg" alt="a &lt;b&gt;"><figure><img src="b.jpg" alt="b"></figure><img src="c.jpg">')
    assert [picture.caption for picture in page.pictures] == ["a <b>", "b", ""]


def test_a_picture_shown_twice_keeps_its_first_words() -> None:
    page = parse('<a href="x.jpg"><img src="x.jpg" alt="first"></a><img src="x.jpg" alt="second">')
    assert page.pictures == (Picture("http://a.test/albums/x.jpg", "first"),)


def test_links_are_pages_unless_they_end_like_pictures() -> None:
    page = parse('<a href="2.html">2</a><a href="big.PNG">big</a><a href="2.html#x">2</a><a href="mailto:x@y">m</a>')
    assert page.links == ("http://a.test/albums/2.html",)
    assert [picture.url for picture in page.pictures] == ["http://a.test/albums/big.PNG"]


def test_base_and_nofollow() -> None:
    page = parse('<base href="http://b.test/x/"><a href="1">1</a><a rel="me nofollow" href="2">2</a>')
    assert page.links == ("http://b.test/x/1",)
    assert parse('<a href="1">1</a><meta name="robots" content="nofollow"><a href="2">2</a>').links == ()


def test_opt_out_of_a_page() -> None:
    assert parse('<meta name="robots" content="noai"><img src="x.jpg">').opt_out == "meta robots: noai"
    assert parse('<img src="x.jpg">').opt_out is None


def test_broken_markup_loses_a_caption_at_worst() -> None:
    page = parse('<figure><img src="a.jpg" alt="a"><figcaption>one<figure><img src="b.jpg"><figcaption>two</figure>')
    assert [(picture.url[-5:], picture.caption) for picture in page.pictures] == [("a.jpg", "one"), ("b.jpg", "two")]


BLANK = "data:image/gif;base64,R0lGODlhAQABAAAAACw="


@pytest.mark.parametrize(
    ("html", "names"),
    [
        (f'<img src="{BLANK}" data-src="1.jpg">', ["1.jpg"]),
        ('<img src="small.jpg" data-lazy-src="1.jpg"><noscript><img src="1.jpg"></noscript>', ["1.jpg"]),
        ('<noscript><img src="1.jpg"></noscript>', ["1.jpg"]),
        ('<img srcset="1.jpg 1x, 2.jpg 2x">', ["2.jpg"]),
        ('<img src="0.jpg" srcset="1.jpg 400w, 3.jpg 1600w,2.jpg 800w">', ["3.jpg"]),
        ('<img src="0.jpg" data-srcset="1.jpg 400w, 2.jpg 800w">', ["2.jpg"]),
        ('<img srcset="1.jpg">', ["1.jpg"]),
        ('<picture><source srcset="1.jpg 900w"><source srcset="2.jpg 300w"><img src="0.jpg"></picture>', ["1.jpg"]),
        ('<picture><source srcset="1.webp"><img src="0.jpg"></picture><img src="2.jpg">', ["0.jpg", "2.jpg"]),
        (f'<picture><source srcset="1.webp"><img src="{BLANK}"></picture>', ["1.webp"]),
        ('<picture><source type="image/avif" srcset="1.avif 9w"><img src="0.jpg"></picture>', ["1.avif"]),
        ('<picture><source type="image/jxl" srcset="1.jxl 9w"><img src="0.jpg"></picture>', ["0.jpg"]),
        ('<picture><source type="IMAGE/JPEG; q=1" srcset="1 9w"><img src="0.jpg"></picture>', ["1"]),
        ('<picture><source srcset="1.jpg 2x"></picture><img src="2.jpg">', ["2.jpg"]),
        ('<meta property="og:image" content="1.jpg"><img src="1.jpg"><img src="2.jpg">', ["1.jpg", "2.jpg"]),
        ('<img srcset=", ,">', []),
        ('<img srcset="1.jpg nonsense, 2.jpg -3x" src>', ["1.jpg"]),
    ],
)
def test_one_of_a_pictures_candidates_is_taken_the_largest(html: str, names: list[str]) -> None:
    assert shown(html) == names


def test_a_pictures_other_candidates_are_smaller_ones_in_order_and_few() -> None:
    (picture,) = parse('<img src="0.jpg" srcset="1.jpg 1w, 3.jpg 3w, 2.jpg 2w, 3.jpg 2w" alt="x">').pictures
    assert [url.rpartition("/")[2] for url in picture.smaller] == ["2.jpg", "1.jpg", "0.jpg"]
    many = ",".join(f"{number}.jpg {number}w" for number in range(1, 60))
    (picture,) = parse(f'<img srcset="{many}">').pictures
    assert [url.rpartition("/")[2] for url in (picture.url, *picture.smaller)] == [f"{n}.jpg" for n in (59, 58, 57, 56)]


def test_a_srcset_may_hold_commas() -> None:
    found = list(pages.candidates("/w_8,h_6/a.jpg 1x,/b.jpg 2x, /c.jpg,  d,e.jpg"))
    assert found == [("/w_8,h_6/a.jpg", "1x"), ("/b.jpg", "2x"), ("/c.jpg", ""), ("d,e.jpg", "")]


@pytest.mark.parametrize(
    ("codec", "charset", "meta"),
    [
        ("gb18030", "gb2312", ""),
        ("gb18030", "", '<meta charset="gb2312">'),
        ("windows-1251", "windows-1251", ""),
        ("windows-1251", "", '<meta http-equiv="Content-Type" content="text/html; charset=windows-1251">'),
        ("utf-8-sig", "iso-8859-1", ""),
        ("utf-16", "utf-8", ""),
        ("utf-8", "no-such-charset", ""),
        ("utf-8", "base64", ""),
        ("utf-8", "", ""),
        ("windows-1251", "", ""),
        ("gb18030", "", ""),
    ],
)
def test_a_page_is_read_in_its_encoding(codec: str, charset: str, meta: str) -> None:
    words = "穿红色衣服的女人" if codec == "gb18030" else "женщина в красном"
    page = parse(f'{meta}<img src="/{words[:2]}.jpg" alt="{words}">'.encode(codec), charset)
    (picture,) = page.pictures
    assert picture.caption == words
    assert picture.url == f"http://a.test/{quote(words[:2])}.jpg"


def test_only_the_first_base_counts() -> None:
    assert (
        parse('<base href="/sub/"><base href="/other/"><img src="1.jpg">').pictures[0].url == "http://a.test/sub/1.jpg"
    )
    assert parse('<base target="x"><base href="/b/"><img src="1.jpg">').pictures[0].url == "http://a.test/b/1.jpg"
    for odd in ("http://[", "data:,x", ""):
        assert parse(f'<base href="{odd}"><img src="1.jpg">').pictures[0].url == "http://a.test/albums/1.jpg"


def test_broken_markup_is_read_all_the_same() -> None:
    rng = random.Random(7)
    good = '<figure><img src="a.jpg" alt="a"><figcaption>b</figcaption></figure><a href="c">d</a><meta name="robots">'
    pieces = [
        *good,
        "<",
        ">",
        '"',
        "\0",
        "<!--",
        "<![CDATA[",
        "&#0;",
        "&#xD800;",
        "<svg>",
        "<template>",
        "<table>",
        "é",
    ]
    for _ in range(200):
        parse("".join(rng.choices(pieces, k=300)))
    parse(bytes(rng.randrange(256) for _ in range(5000)))


@pytest.mark.parametrize("piece", ["<div>", "<x>", "<b id=1><p>", "<font><div>"])
def test_a_page_that_would_take_minutes_is_refused(piece: str) -> None:
    started = time.monotonic()
    with pytest.raises(Refused) as caught:
        parse(piece * 100_000)
    assert caught.value.reason == "too_nested"
    assert time.monotonic() - started < 10
    assert parse(f"{'<div>' * 500}<img src=a.jpg>").pictures
