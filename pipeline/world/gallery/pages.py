"""The gallery's HTML. Captions are escaped; a page is plain enough to read and to parse."""

from collections.abc import Iterable, Sequence
from html import escape

GALLERY = "http://gallery.world.test"
STYLE = (
    "body{font:16px/1.4 Georgia,serif;margin:2em auto;max-width:60em;color:#222}"
    "figure{display:inline-block;margin:.6em;width:13em;vertical-align:top}img{max-width:100%}"
    "figcaption{font-size:.85em;color:#555}"
)


def page(title: str, body: Iterable[str], head: str = "") -> bytes:
    """A whole page."""
    text = "\n".join(body)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">{head}<title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head>\n<body><h1>{escape(title)}</h1>\n{text}\n</body></html>\n"
    ).encode()


def figure(url: str, caption: str, as_alt: bool) -> str:
    """A picture with its caption beneath it, or only as its alt text."""
    if as_alt:
        return f'<figure><img src="{escape(url)}" alt="{escape(caption)}"></figure>'
    return f'<figure><img src="{escape(url)}" alt="photograph"><figcaption>{escape(caption)}</figcaption></figure>'


def link(url: str, text: str) -> str:
    """A paragraph with a link."""
    return f'<p><a href="{escape(url)}">{escape(text)}</a></p>'


def album_path(chunk: int, number: int) -> str:
    """Page `number` of the album of one chunk of photographs."""
    return f"/albums/{chunk:04d}-{number}.html"


def album(chunk: int, number: int, count: int, figures: Sequence[str]) -> bytes:
    """One of an album's `count` pages, which link to each other."""
    others = [
        link(GALLERY + album_path(chunk, other), f"page {other + 1}") for other in range(count) if other != number
    ]
    return page(f"Album {chunk + 1}, page {number + 1}", [*figures, *others, link(f"{GALLERY}/", "all albums")])
