"""What the crawl stores of an image file: the picture, and nothing else that came with it.

A plain picture (pipeline.images.Picture) keeps its compressed data. Of its file those parts alone are taken over that
decoding needs, up to the picture's end; camera, place, owner, comments, thumbnails, further pictures, films and
whatever else a file may hold go, known or not. The result must decode to the same pixels. Any other picture (turned,
deep, transparent, of other colours, animated, in another format) is encoded anew: as PNG if its format loses nothing,
else as JPEG.

What is hidden within a JPEG's or WebP's compressed data itself is not looked for.
"""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline import images
from pipeline.images import Picture

JPEG, PNG, RIFF = b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFF"
ENDINGS = {JPEG: ".jpg", PNG: ".png", RIFF: ".webp"}  # by how the stored bytes begin
JPEG_QUALITY = 95
JPEG_SIDE = 65_500  # the longest that libjpeg writes
# JPEG's markers: all frame headers and tables (T.81, table B.1), but no JPG, APPn or comment.
END, START_OF_SCAN, JFIF, ADOBE = 0xD9, 0xDA, 0xE0, 0xEE
NEEDED = {*range(0xC0, 0xD0), 0xDA, 0xDB, 0xDC, 0xDD} - {0xC8}
MARKER = re.compile(rb"\xff+([^\xff\x00])")  # any number of fill bytes may precede it
AFTER_SCAN = re.compile(rb"\xff+[^\xff\x00\xd0-\xd7]")
PNG_CHANNELS = {0: 1, 2: 3}  # by colour type: grey, RGB


@dataclass(frozen=True)
class Stored:
    """What is stored of a picture."""

    data: bytes
    ending: str  # of a file with these bytes
    width: int  # pixels
    height: int


def store(data: bytes) -> Stored:
    """The picture of an image file, upright and without anything else.

    Raises:
        BadImage: the file does not decode.
    """
    picture = images.read(data)
    kept = (_kept(data, picture) if picture.plain else None) or _encoded(data, picture)
    height, width = picture.pixels.shape[:2]
    return Stored(kept, next(ending for start, ending in ENDINGS.items() if kept.startswith(start)), width, height)


def strip(data: bytes) -> bytes:
    """A JPEG, PNG or WebP file with nothing but its picture's compressed data.

    Raises:
        ValueError: it is another file, or laid out in a way that only decoding it can tell.
    """
    if data.startswith(JPEG):
        return b"".join(_jpeg(data))
    if data.startswith(PNG):
        return PNG + b"".join(_png(data))
    if data.startswith(RIFF) and data[8:12] == b"WEBP":
        body = b"WEBP" + _webp(data)
        return RIFF + len(body).to_bytes(4, "little") + body
    raise ValueError("neither JPEG, PNG nor WebP")


def _kept(data: bytes, picture: Picture) -> bytes | None:
    """The file stripped, if it then decodes to the same pixels."""
    try:
        stripped = strip(data)
        return stripped if np.array_equal(images.decode(stripped), picture.pixels) else None
    except (ValueError, zlib.error):  # a BadImage is a ValueError
        return None


def _encoded(data: bytes, picture: Picture) -> bytes:
    lossless = picture.format in ("PNG", "GIF", "BMP") or (picture.format == "WEBP" and b"VP8L" in data[:64])
    if lossless or max(picture.pixels.shape) > JPEG_SIDE:
        return images.encode_png(picture.pixels)
    return images.encode_jpeg(picture.pixels, JPEG_QUALITY)


def _jpeg(data: bytes) -> Iterator[bytes]:
    yield JPEG
    start = 2
    while marker := MARKER.match(data, start):
        kind, start = marker[1][0], marker.end()
        if kind == END:
            yield bytes([0xFF, END])
            return
        end = start + int.from_bytes(data[start : start + 2], "big")
        if kind == START_OF_SCAN:  # compressed data follow, up to the next marker
            after = AFTER_SCAN.search(data, end)
            end = after.start() if after else len(data)
        yield _segment(kind, data[start:end])
        start = end
    raise ValueError(f"no JPEG marker at byte {start}")


def _segment(kind: int, content: bytes) -> bytes:
    """A segment as it is kept, from its marker on; `content` begins with its length."""
    if kind == JFIF and content[2:7] == b"JFIF\0" and len(content) >= 16:
        content = b"\0\x10" + content[2:14] + b"\0\0"  # without its thumbnail
    elif kind == ADOBE and content[2:7] == b"Adobe" and len(content) >= 14:
        content = b"\0\x0e" + content[2:14]
    elif kind not in NEEDED:
        return b""
    return bytes([0xFF, kind]) + content


def _png(data: bytes) -> Iterator[bytes]:
    chunks = list(_chunks(data))
    header = dict(chunks[:1]).get(b"IHDR", b"")
    packed = b"".join(content for name, content in chunks if name == b"IDAT")
    if len(header) != 13 or not _is_all_picture(header, packed):
        raise ValueError("no plain PNG")
    for name, content in chunks:
        if name in (b"IHDR", b"IDAT"):
            yield _chunk(name, content)
    yield _chunk(b"IEND", b"")


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names and contents of a PNG's chunks, up to its end."""
    start, name = len(PNG), b""
    while start < len(data) and name != b"IEND":
        end = start + 8 + int.from_bytes(data[start : start + 4], "big")
        name = data[start + 4 : start + 8]
        yield name, data[start + 8 : end]
        start = end + 4


def _chunk(name: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + name + content + zlib.crc32(name + content).to_bytes(4, "big")


def _is_all_picture(header: bytes, packed: bytes) -> bool:
    """Whether a PNG of 8 bits, grey or RGB, not interlaced, packs the bytes of its pixels and no more."""
    width, height = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
    depth, colour, interlaced = header[8], header[9], header[12]
    if depth != 8 or colour not in PNG_CHANNELS or interlaced:
        return False
    wanted, inflate = (width * PNG_CHANNELS[colour] + 1) * height, zlib.decompressobj()
    found = len(inflate.decompress(packed, wanted + 1))
    return found == wanted and not inflate.unused_data and not inflate.unconsumed_tail


def _webp(data: bytes) -> bytes:
    """The first chunk with compressed data: alone it is a whole picture (WebP's simple file format)."""
    start = 12
    while start + 8 <= len(data):
        size = int.from_bytes(data[start + 4 : start + 8], "little")
        if data[start : start + 4] in (b"VP8 ", b"VP8L"):
            return data[start : start + 8 + size] + b"\0" * (size % 2)
        start += 8 + size + size % 2
    raise ValueError("a WebP file without a picture of its own")
