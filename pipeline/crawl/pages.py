"""What a page links to, which pictures it shows, and what it says about them, read as browsers read it."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import ada_url
from selectolax.lexbor import LexborHTMLParser, LexborNode
from w3lib import encoding

from pipeline import images
from pipeline.crawl import urls
from pipeline.crawl.sources.text import tidy
from pipeline.crawl.urls import Refused
from pipeline.crawl.web import permission
from pipeline.files import guess_encoding

# Attributes of pictures that a script loads later, before those that browsers load.
SETS = ("data-srcset", "data-lazy-srcset", "srcset")
SOURCES = ("data-src", "data-lazy-src", "data-original", "data-lazy", "src")
SHARED = {"og:image", "og:image:url", "twitter:image"}  # meta elements that show a page's picture elsewhere
MAX_CANDIDATES = 4  # of one picture that are tried, one after the other
# The parser takes a time that grows with the square of how deep elements lie in each other.
MAX_WORK = 20_000_000
_FORMATTING = re.compile("b|big|code|em|font|i|nobr|s|small|strike|strong|tt|u")  # reopened in each block
_SHALLOW = re.compile(  # elements that hold nothing, and those that the next of their kind closes
    "area|base|br|col|embed|hr|img|input|link|meta|param|source|track|wbr|html|head|body|"
    "a|p|li|dt|dd|tr|td|th|option|optgroup|thead|tbody|tfoot|colgroup|rt|rp"
)


@dataclass(frozen=True)
class Picture:
    """A picture that a page shows; the caption is its figure caption, else its alt text."""

    url: str
    caption: str
    smaller: tuple[str, ...] = ()  # its other candidates, the next largest first


@dataclass(frozen=True)
class Page:
    """A parsed page, its URLs canonical, in the order of the page and without repetition."""

    links: tuple[str, ...]
    pictures: tuple[Picture, ...]
    opt_out: str | None  # the meta element that reserves the page's pictures


def parse(body: bytes, charset: str, url: str, token: str) -> Page:
    """Parse a page that was received from `url`.

    Args:
        charset: what the answer's content type said of its encoding, if anything.
        token: our product token in robots directives.

    Raises:
        Refused: too_nested.
    """
    name, html = read(body, charset)
    _refuse_nested(html)
    tree = LexborHTMLParser(html)
    reader = _Reader(_base(tree, url), token, name)
    reader.through(tree.root)
    return Page(tuple(dict.fromkeys(reader.links)), tuple(_unique(reader.pictures)), reader.opt_out)


def read(body: bytes, charset: str) -> tuple[str, str]:
    """A page's encoding and its text: by its mark, the answer's header, a meta element, else by a guess."""
    marked = encoding.read_bom(body)[0]
    try:
        header = None if marked or not charset else f"text/html; charset={charset}"
        return encoding.html_to_unicode(header, body, auto_detect_fun=guess_encoding)
    except (LookupError, ValueError):  # Python knows codecs that are no encodings of text, such as base64
        return "utf-8", body.decode("utf-8", "replace")


def _refuse_nested(html: str) -> None:
    """Refuse a page that would keep the parser busy for minutes; no page for people comes near."""
    work = depth = formatting = 0
    for closing, tag in re.findall(r"<(/?)([a-zA-Z][^\s/>]{0,20})", html):
        name = tag.lower()
        if _FORMATTING.fullmatch(name):
            formatting = max(0, formatting + (-1 if closing else 1))
        elif not _SHALLOW.fullmatch(name):
            depth = max(0, depth + (-1 if closing else 1))
        work += depth + 20 * formatting
    if work > MAX_WORK:
        raise Refused("too_nested", "its elements lie too deep in each other to be read")


def _base(tree: LexborHTMLParser, url: str) -> str:
    """What the page's links are relative to: the first base element that has an address, where it is one."""
    first = tree.css_first("base[href]")
    found = urls.canonical(first.attributes.get("href") or "", url) if first else None
    return found if found and ada_url.check_url(found) else url


def _unique(pictures: Iterable[Picture]) -> Iterable[Picture]:
    found: dict[str, Picture] = {}
    for each in pictures:
        first = found.get(each.url, Picture(each.url, ""))
        found[each.url] = Picture(each.url, first.caption or tidy(each.caption), first.smaller or each.smaller)
    return found.values()


def _events(root: LexborNode | None) -> Iterator[tuple[LexborNode, bool]]:
    """All nodes in the order of the page, each when it begins (True) and when it ends."""
    node = root
    while node is not None:
        yield node, True
        if node.child is not None:
            node = node.child
            continue
        yield node, False
        while node is not None and node.next is None:
            node = node.parent
            if node is not None:
                yield node, False
        node = node.next if node is not None else None


def candidates(srcset: str) -> Iterator[tuple[str, str]]:
    """The links of a srcset, which may hold commas themselves, each with its descriptor, such as 800w or 2x."""
    link = ""
    for word in srcset.split():
        while word:
            if not link:
                link, word = word.lstrip(","), ""
                if link.endswith(","):
                    yield link.rstrip(","), ""
                    link = ""
            else:
                descriptor, _, word = word.partition(",")
                yield link, descriptor
                link = ""
    if link:
        yield link, ""


def size_of(descriptor: str) -> tuple[float, float]:
    """Something to compare descriptors by: widths before densities; none is a density of 1."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([wx])", descriptor)
    if not found:
        return (0.0, 1.0)
    value = float(found[1])
    return (value, 0.0) if found[2] == "w" else (0.0, value)


@dataclass
class _Figure:
    caption: str = ""
    in_caption: bool = False


class _Reader:
    """Collects while it goes through a page."""

    def __init__(self, base: str, token: str, charset: str) -> None:
        self.links: list[str] = []
        self._shown: list[tuple[list[str], str, _Figure | None]] = []  # candidates, alt
        self.opt_out: str | None = None
        self._base, self._token, self._charset = base, token, charset
        self._nofollow = False
        self._figures: list[_Figure] = []
        self._sources: list[dict[str, str]] = []  # of the picture element that is open

    @property
    def pictures(self) -> Iterator[Picture]:
        """Pictures in the order of the page."""
        for (url, *smaller), alt, figure in self._shown:
            yield Picture(url, (figure.caption.strip() if figure else "") or alt, tuple(smaller))

    def through(self, root: LexborNode | None) -> None:
        """Read all of a page."""
        for node, begins in _events(root):
            if node.tag == "-text":
                if begins and self._figures and self._figures[-1].in_caption:
                    self._figures[-1].caption += node.text_content or ""
            elif begins:
                self._begin(node.tag or "", {name: value or "" for name, value in node.attributes.items()})
            else:
                self._end(node.tag or "")

    def _begin(self, tag: str, values: dict[str, str]) -> None:
        match tag:
            case "a" | "area":
                self._link(values)
            case "img":
                self._image(values)
            case "source":
                self._sources.append(values)
            case "picture" | "video" | "audio":
                self._sources = []
            case "figure":
                self._figures.append(_Figure())
            case "figcaption" if self._figures:
                self._figures[-1].in_caption = not self._figures[-1].caption
            case "meta":
                self._meta(values)

    def _end(self, tag: str) -> None:
        if tag == "figcaption" and self._figures:
            self._figures[-1].in_caption = False
        elif tag == "figure" and self._figures:
            self._figures.pop()
        elif tag in ("picture", "video", "audio"):
            self._sources = []

    def _link(self, values: dict[str, str]) -> None:
        if self._nofollow or "nofollow" in values.get("rel", "").lower().split():
            return
        target = self._canonical(values.get("href", ""))
        if target and urls.looks_like_image(target):
            self._show([target])
        elif target:
            self.links.append(target)

    def _image(self, values: dict[str, str]) -> None:
        """A picture's candidates, the largest first, and of equal ones that which the element itself names first."""
        found = [(size_of(""), values.get(name, "")) for name in SOURCES]
        for each in [values, *(each for each in self._sources if _readable(each.get("type", "")))]:
            found += [(size_of(said), link) for name in SETS for link, said in candidates(each.get(name, ""))]
        usable = [(size, target) for size, link in found if (target := self._canonical(link))]
        if usable:
            ranked = sorted(usable, key=lambda item: item[0], reverse=True)
            self._show(list(dict.fromkeys(target for _, target in ranked))[:MAX_CANDIDATES], values.get("alt", ""))

    def _canonical(self, link: str) -> str | None:
        return urls.canonical(link, self._base, self._charset)

    def _show(self, targets: list[str], alt: str = "") -> None:
        self._shown.append((targets, alt, self._figures[-1] if self._figures else None))

    def _meta(self, values: dict[str, str]) -> None:
        name, content = values.get("name", ""), values.get("content", "")
        self.opt_out = self.opt_out or permission.meta_opt_out(name, content, self._token)
        if name.lower() in ("robots", self._token.lower()) and {"nofollow", "none"} & _words(content):
            self._nofollow = True
            self.links.clear()
        shared = {name.lower(), values.get("property", "").lower()} & SHARED
        if shared and (target := self._canonical(content)):
            self._show([target])


def _readable(media: str) -> bool:
    """Whether pictures of a type that a page names may be read; one without a type may."""
    return not media.startswith("image/") or media.lower().partition(";")[0].strip() in images.media_types()


def _words(content: str) -> set[str]:
    return {word.strip() for word in content.lower().split(",")}
