"""What a page links to, which pictures it shows, and what it says about them."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from html.parser import HTMLParser

from pipeline.crawl import permission, urls

Attributes = list[tuple[str, str | None]]
MAX_CAPTION = 1000  # characters


@dataclass(frozen=True)
class Picture:
    """A picture that a page shows; the caption is its figure caption, else its alt text."""

    url: str
    caption: str


@dataclass(frozen=True)
class Page:
    """A parsed page, its URLs canonical, in the order of the page and without repetition."""

    links: tuple[str, ...]
    pictures: tuple[Picture, ...]
    opt_out: str | None  # the meta element that reserves the page's pictures


def parse(html: str, url: str, token: str) -> Page:
    """Parse a page that was received from `url`; `token` is our product token in robots directives."""
    parser = _Parser(url, token)
    parser.feed(html)
    parser.close()
    return Page(tuple(dict.fromkeys(parser.links)), tuple(_unique(parser.pictures)), parser.opt_out)


def _unique(pictures: Iterable[tuple[str, str]]) -> Iterable[Picture]:
    captions: dict[str, str] = {}
    for url, caption in pictures:
        captions[url] = captions.get(url) or " ".join(caption.split())[:MAX_CAPTION]
    return (Picture(url, caption) for url, caption in captions.items())


@dataclass
class _Figure:
    shown: list[tuple[str, str]] = field(default_factory=list)  # url, alt
    caption: str = ""


class _Parser(HTMLParser):
    """Collects while it reads; broken HTML (unclosed figures, nested captions) loses a caption at worst."""

    def __init__(self, url: str, token: str) -> None:
        super().__init__(convert_charrefs=True)
        self.links: list[str] = []
        self.pictures: list[tuple[str, str]] = []
        self.opt_out: str | None = None
        self._base, self._token = url, token
        self._nofollow = False
        self._figure: _Figure | None = None
        self._in_caption = False

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        values = {name: value or "" for name, value in attrs}
        match tag:
            case "a":
                self._link(values)
            case "img":
                self._image(values)
            case "figure":
                self._end_figure()
                self._figure = _Figure()
            case "figcaption":
                self._in_caption = self._figure is not None
            case "base":
                self._base = urls.canonical(values.get("href", ""), self._base) or self._base
            case "meta":
                self._meta(values.get("name", ""), values.get("content", ""))

    def handle_startendtag(self, tag: str, attrs: Attributes) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag == "figcaption":
            self._in_caption = False
        elif tag == "figure":
            self._end_figure()

    def handle_data(self, data: str) -> None:
        if self._in_caption and self._figure:
            self._figure.caption += data

    def close(self) -> None:
        super().close()
        self._end_figure()

    def _link(self, values: dict[str, str]) -> None:
        if self._nofollow or "nofollow" in values.get("rel", "").lower().split():
            return
        target = urls.canonical(values.get("href", ""), self._base)
        if target and urls.looks_like_image(target):
            self._show(target, "")
        elif target:
            self.links.append(target)

    def _image(self, values: dict[str, str]) -> None:
        target = urls.canonical(values.get("src", ""), self._base)
        if target:
            self._show(target, values.get("alt", ""))

    def _show(self, target: str, alt: str) -> None:
        (self._figure.shown if self._figure else self.pictures).append((target, alt))

    def _end_figure(self) -> None:
        figure, self._figure, self._in_caption = self._figure, None, False
        if figure:
            self.pictures += [(target, figure.caption.strip() or alt) for target, alt in figure.shown]

    def _meta(self, name: str, content: str) -> None:
        self.opt_out = self.opt_out or permission.meta_opt_out(name, content, self._token)
        if name.lower() in ("robots", self._token.lower()) and {"nofollow", "none"} & _words(content):
            self._nofollow = True
            self.links.clear()


def _words(content: str) -> set[str]:
    return {word.strip() for word in content.lower().split(",")}
