"""What the web is like beside photographs: dead links, loops, traps and broken files. Drawn from nothing but settings.

Every oddity is there for a rule of the crawl, and the crawl's row for it must say so.
"""

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from pipeline.world.gallery.pages import GALLERY, album_path, figure, link, page

HTML = "Content-Type: text/html; charset=utf-8"
JPEG = "Content-Type: image/jpeg"
ALBUMS_PER_PAGE = 40

ROBOTS = {
    "shy": "User-agent: *\nDisallow: /private/\nCrawl-delay: 0.02\n",
    "gallery": "User-agent: *\nDisallow: /admin/\nAllow: /\n",
    "mirror": "User-agent: *\nRequest-rate: 500/1\n",
}
# Redirects that must not be followed to their end.
REDIRECTS = {
    "/loop/a.jpg": f"{GALLERY}/loop/b.jpg",
    "/loop/b.jpg": f"{GALLERY}/loop/a.jpg",
    "/door/inside.jpg": "http://10.0.0.7/secret.jpg",
    "/door/metadata.jpg": "http://169.254.169.254/latest/meta-data/photo.jpg",
    "/door/file.jpg": "file:///etc/passwd",
    "/door/private.jpg": "http://shy.world.test/private/hidden.jpg",
}
STATUSES = {"/odd/gone.jpg": 410, "/odd/forbidden.jpg": 403, "/odd/broken.jpg": 500}
LINKED = (
    "http://169.254.169.254/latest/meta-data/photo.jpg",
    "http://127.0.0.1/photo.jpg",
    "http://0x7f000001/photo.jpg",
    "file:///etc/passwd.jpg",
    "http://elsewhere.test/photo.jpg",
    "http://gallery.world.test:22/photo.jpg",
    "http://closed.world.test/photo.jpg",  # its robots.txt cannot be had
    f"{GALLERY}/odd/missing.jpg",
    f"{GALLERY}/admin/photo.jpg",
)

Row = dict[str, Any]


def row(host: str, path: str, body: bytes, *headers: str, status: int = 200, refusals: int = 0) -> Row:
    """One answer of the site (records.SITE)."""
    return {
        "host": f"{host}.world.test",
        "path": path,
        "status": status,
        "headers": list(headers),
        "refusals": refusals,
        "body": body,
    }


def front(albums: list[int]) -> Iterator[Row]:
    """The gallery's own pages; `albums` has the number of pages of each album."""
    links = [(chunk, number) for chunk, count in enumerate(albums) for number in range(count)]
    lists = [links[start : start + ALBUMS_PER_PAGE] for start in range(0, len(links), ALBUMS_PER_PAGE)]
    chapters = [link(f"/list-{number}.html", f"albums, part {number + 1}") for number in range(len(lists))]
    others = [link("/odds.html", "odds and ends"), link("http://maze.world.test/calendar/", "calendar")]
    others += [link("http://shy.world.test/diary.html", "a diary"), link("/lost.html", "a page that is lost")]
    yield row("gallery", "/", page("Gallery", chapters + others), HTML)
    for number, part in enumerate(lists):
        body = [
            link(album_path(chunk, page_number), f"album {chunk + 1}, page {page_number + 1}")
            for chunk, page_number in part
        ]
        yield row("gallery", f"/list-{number}.html", page(f"Albums, part {number + 1}", body), HTML)


def oddities() -> Iterator[Row]:
    """Everything else that is no photograph."""
    for host, text in ROBOTS.items():
        yield row(host, "/robots.txt", text.encode(), "Content-Type: text/plain")
    yield row("closed", "/robots.txt", b"", status=503)
    shown = [*LINKED, *(GALLERY + path for path in (*REDIRECTS, *STATUSES)), f"{GALLERY}/odd/bomb.jpg"]
    yield row(
        "gallery", "/odds.html", page("Odds and ends", [figure(url, "an odd picture", True) for url in shown]), HTML
    )
    for path, target in REDIRECTS.items():
        yield row("gallery", path, b"", f"Location: {target}", status=302)
    for path, status in STATUSES.items():
        yield row("gallery", path, b"", status=status)
    yield row("gallery", "/odd/bomb.jpg", bomb(), JPEG)
    # A calendar without end: every page links to the next month, one folder deeper.
    yield row("maze", "/calendar/*", page("Calendar", [link("next/", "next month")]), HTML)
    reserved = page("A diary", [figure("diary.jpg", "not for training", True)], '<meta name="robots" content="noai">')
    yield row("shy", "/diary.html", reserved, HTML)
    yield row("shy", "/diary.jpg", specimen(), JPEG)


def specimen() -> bytes:
    """A smooth JPEG that shows nobody."""
    y, x = np.mgrid[0:128, 0:128]
    buffer = io.BytesIO()
    Image.fromarray(np.stack([x, y, 255 - x], -1).astype(np.uint8)).save(buffer, "JPEG")
    return buffer.getvalue()


def bomb() -> bytes:
    """A small JPEG whose header claims 64,250 x 64,250 pixels."""
    data = specimen()
    frame = data.index(b"\xff\xc0") + 5  # start of frame: marker, length and precision come before the size
    return data[:frame] + (64250).to_bytes(2, "big") * 2 + data[frame + 4 :]
