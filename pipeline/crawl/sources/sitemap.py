"""Sitemaps (sitemaps.org): pages that a site lists, its further sitemaps, and pictures by Google's image extension."""

import xml.etree.ElementTree as ET
import zlib
from dataclasses import dataclass, field

from pipeline.crawl import urls
from pipeline.crawl.sources import text

MAX_BYTES = 50_000_000  # uncompressed, and
MAX_URLS = 50_000  # of one sitemap, as sitemaps.org has it
MAX_SITEMAPS = 1000  # of one source
MAX_NESTING = 3  # indexes within indexes
CAPTIONS = ("caption", "title")


class NoSitemap(ValueError):
    """The bytes are no sitemap; the text is the reason that its row keeps."""


@dataclass
class Sitemap:
    """What one sitemap lists, its URLs canonical, in its order."""

    pages: list[str] = field(default_factory=list)
    sitemaps: list[str] = field(default_factory=list)
    pictures: list[tuple[str, str, str]] = field(default_factory=list)  # page, picture, caption


def parse(body: bytes, url: str) -> Sitemap:
    """Parse a sitemap that was received from `url`: XML or a URL per line, compressed by gzip or not.

    Raises:
        NoSitemap: it is neither, too large, or uses entities of its own, which a sitemap has no need of.
    """
    plain = _expanded(body)
    if not plain.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return _lines(plain, url)
    if b"<!DOCTYPE" in plain or b"<!ENTITY" in plain:
        raise NoSitemap("it has a document type, which a sitemap has not")
    try:
        root = ET.fromstring(plain)
    except (ET.ParseError, ValueError, LookupError) as error:
        raise NoSitemap(f"not XML: {error}") from error
    found = Sitemap()
    if _name(root) == "sitemapindex":
        found.sitemaps = [link for each in root if (link := _link(each, url))][:MAX_URLS]
    elif _name(root) == "urlset":
        for each in list(root)[:MAX_URLS]:
            _entry(each, url, found)
    else:
        raise NoSitemap(f"its root is {_name(root)}, neither urlset nor sitemapindex"[:200])
    return found


def _entry(entry: ET.Element, url: str, found: Sitemap) -> None:
    page = _link(entry, url)
    if page:
        found.pages.append(page)
    for image in (each for each in entry if _name(each) == "image"):
        if len(found.pictures) < MAX_URLS and (picture := _link(image, url)):
            said = {_name(each): text.tidy(each.text) for each in image}
            found.pictures.append((page, picture, next((said[name] for name in CAPTIONS if said.get(name)), "")))


def _expanded(body: bytes) -> bytes:
    if not body.startswith(b"\x1f\x8b"):
        return body
    expand = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        plain = expand.decompress(body, MAX_BYTES + 1)
    except zlib.error as error:
        raise NoSitemap(f"gzip that is broken: {error}") from error
    if len(plain) > MAX_BYTES:
        raise NoSitemap(f"more than {MAX_BYTES} bytes when expanded")
    if not expand.eof:
        raise NoSitemap("gzip that is cut off")
    return plain


def _lines(plain: bytes, url: str) -> Sitemap:
    lines = plain.decode(text.encoding_of(plain[: text.SAMPLE]), "replace").split()[:MAX_URLS]
    if not all(line.startswith(("http://", "https://")) for line in lines):
        raise NoSitemap("neither XML nor a URL per line")
    return Sitemap(pages=[link for line in lines if (link := urls.canonical(line, url))])


def _link(entry: ET.Element, url: str) -> str:
    found = next((each.text for each in entry if _name(each) == "loc"), None)
    return urls.canonical(found or "", url) or ""


def _name(element: ET.Element) -> str:
    return str(element.tag).rpartition("}")[2].lower()
