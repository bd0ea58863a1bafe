"""What the hosts of the site answer for a drawn photograph: the picture, its mishaps and the album pages."""

from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

import numpy as np

from pipeline import images, shards
from pipeline.world import scene
from pipeline.world.gallery import pages, plan
from pipeline.world.gallery.oddities import HTML, JPEG, Row, row
from pipeline.world.gallery.plan import Shot

PNG = "Content-Type: image/png"


def exhibit(shot: Shot, photo: scene.Photo, data: bytes) -> tuple[list[Row], list[str]]:
    """The site's rows for a photograph and its mishaps, and the URLs by which the album shows them."""
    url = plan.address(shot)
    media = PNG if url.endswith(".png") else JPEG
    rows = [_at(url, data, media, *plan.headers(shot), refusals=plan.refusals(shot))]
    shown = [url]
    if "moved" in shot.mishaps:
        shown = [f"{pages.GALLERY}/go/{shot.number}.jpg"]
        rows.append(_at(shown[0], b"", f"Location: {url}", status=301))
    for name, body in copies(shot, photo, data):
        shown.append(f"http://mirror.world.test/{name}/{shot.number}.jpg")
        rows.append(_at(shown[-1], body, JPEG))
    return rows, shown


def copies(shot: Shot, photo: scene.Photo, data: bytes) -> Iterator[tuple[str, bytes]]:
    """The copies of a photograph elsewhere, whole and broken, by the kind of mishap."""
    for name in sorted(shot.mishaps):
        match name:
            case "copied":
                yield name, data
            case "recoded":
                yield name, images.encode_jpeg(photo.image, quality=72)
            case "resized":
                yield name, _smaller(photo, 0.85)
            case "tiny":
                yield name, _smaller(photo, 0.4)
            case "truncated":
                yield name, data[: len(data) // 2]
            case "garbled":
                yield name, bytes(np.random.default_rng(shot.seed).integers(0, 256, 2000, np.uint8))
            case "markup":
                yield name, pages.page("Please log in", ["<p>This picture is for members.</p>"])


def _smaller(photo: scene.Photo, share: float) -> bytes:
    height, width = photo.image.shape[:2]
    return images.encode_jpeg(images.resize(photo.image, round(width * share), round(height * share)))


def _at(url: str, body: bytes, *headers: str, **rest: int) -> Row:
    parts = urlsplit(url)
    return row(parts.netloc.partition(".")[0], parts.path, body, *headers, **rest)


def albums(chunk: int, figures: Sequence[Sequence[str]]) -> Iterator[Row]:
    """The album pages of a shard, its photographs in an order that does not tell who is on them."""
    order = np.random.default_rng([chunk, 0xA1B]).permutation(len(figures)).tolist()
    count = plan.pages(len(figures))
    for number, some in enumerate(shards.chunks(order, plan.FIGURES_PER_PAGE)):
        body = [text for index in some for text in figures[index]]
        yield row("gallery", pages.album_path(chunk, number), pages.album(chunk, number, count, body), HTML)
