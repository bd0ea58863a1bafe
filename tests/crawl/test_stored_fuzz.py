"""500 made files, whole and damaged: each is stored as a picture that decodes or refused with a reason."""

import io
import struct
from functools import cache

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from pipeline import images
from pipeline.crawl import metadata
from pipeline.crawl.ledger import Visit
from pipeline.crawl.walk import inspect
from tests.crawl.test_metadata import chunk, riff, riff_chunk, segment

FILES, BATCHES = 500, 5
SECRET = b"Jane Roe 52.3676N"
KINDS = [
    ("JPEG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "RGB"), ("PNG", "RGBA"), ("PNG", "P"), ("PNG", "I;16"),
    ("PNG", "LA"), ("PNG", "1"), ("WEBP", "RGB"), ("WEBP", "RGBA"), ("AVIF", "RGB"), ("GIF", "P"), ("BMP", "RGB"),
]  # fmt: skip
SIZES = [(1, 1), (1, 37), (33, 2), (48, 40)]


@cache
def whole(kind: str, mode: str, size: tuple[int, int], orientation: int) -> bytes:
    """A picture with the secret in its EXIF, and in a comment, a text or XMP."""
    values = np.random.default_rng(size).integers(0, 255, (size[1], size[0], 3), np.uint8)
    image = Image.fromarray(values) if mode != "I;16" else Image.fromarray(values[..., 0].astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[0x013B], exif[0x0112] = SECRET.decode(), orientation
    text = PngImagePlugin.PngInfo()
    text.add_text("Author", SECRET.decode())
    told = {"JPEG": {"comment": SECRET}, "PNG": {"pnginfo": text}, "GIF": {"comment": SECRET}, "WEBP": {"xmp": SECRET}}
    buffer = io.BytesIO()
    options = told.get(kind, {}) | ({"exif": exif} if kind not in ("GIF", "BMP") else {})
    image.convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def inserted(data: bytes) -> bytes:
    """With the secret in a part that the format allows, or behind the end."""
    if data[:2] == b"\xff\xd8":
        return data[:2] + b"\xff" + segment(0xE5, SECRET) + data[2:]
    if data[:4] == b"RIFF":
        return riff(data, riff_chunk(b"PRVT", SECRET))
    return data[:33] + chunk(b"prVt", SECRET) + data[33:] if data[:4] == b"\x89PNG" else data + SECRET


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Cut off, with bits flipped, with bytes of another file in it, or with more in it or behind it."""
    how, place = rng.integers(6), int(rng.integers(len(data)))
    if how == 0:
        return data[:place]
    if how == 1:
        torn = bytearray(data)
        for at in rng.integers(0, len(data), 3):
            torn[at] ^= 1 << int(rng.integers(8))
        return bytes(torn)
    if how == 2:
        return data[:place] + struct.pack(">I", place) * 3 + data[place:]
    return inserted(data) if how == 3 else data + SECRET + data if how == 4 else data


@pytest.mark.parametrize("batch", range(BATCHES))
def test_every_file_is_stored_or_has_a_reason(batch: int) -> None:
    rng, ends = np.random.default_rng(batch), {"stored": 0, "reason": 0}
    for number in range(FILES // BATCHES):
        kind, mode = KINDS[number % len(KINDS)]
        made = whole(kind, mode, SIZES[rng.integers(len(SIZES))], int(rng.integers(1, 9)))
        data = damaged(made, rng)
        visit = inspect(Visit("http://a.test/x", "image"), data)
        ends["reason" if visit.reject else "stored"] += 1
        if visit.reject:
            assert visit.reject == "bad_image"
            assert visit.detail
            continue
        stored = metadata.store(data)
        assert (stored.width, stored.height) == (visit.width, visit.height)
        assert images.decode(stored.data).shape == (visit.height, visit.width, 3)
        assert SECRET not in stored.data, f"{kind} {mode}, file {number} of batch {batch}"
    assert min(ends.values()) > 10
