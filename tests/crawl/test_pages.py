from pipeline.crawl import pages
from pipeline.crawl.pages import Picture

URL = "http://a.test/albums/1.html"


def parse(html: str) -> pages.Page:
    return pages.parse(html, URL, "LikenessBot")


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
    page = parse(
        '<figure><img src="a.jpg" alt="a"><figcaption>one'
        '<figure><img src="b.jpg"><figcaption>two</figure><img src="c.jpg"'
    )
    assert [(picture.url[-5:], picture.caption) for picture in page.pictures] == [("a.jpg", "one"), ("b.jpg", "two")]
