"""Takes what is no picture out of an image file, without decoding it: camera, place, time, owner, comments, thumbnails.

Kept are the colour profile and what decoding needs. An EXIF orientation goes too, as pipeline.images does not read it.
"""

from collections.abc import Iterator

KEPT_PNG = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP"}
DROPPED_WEBP = {b"EXIF", b"XMP "}
EXIF_AND_XMP_FLAGS = 0b00001100
# JPEG: APP0 is JFIF, APP2 the colour profile, APP14 Adobe's colour transform; all other APPn and comments go.
KEPT_APPS = {0xE0: b"", 0xE2: b"ICC_PROFILE", 0xEE: b""}  # and how their content begins
COMMENT, START_OF_SCAN = 0xFE, 0xDA


def strip(data: bytes) -> bytes:
    """A JPEG, PNG or WebP file that decodes, without its metadata; other bytes come back as they are."""
    if data[:2] == b"\xff\xd8":
        return b"".join(_jpeg(data))
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return data[:8] + b"".join(_png(data))
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        body = b"WEBP" + b"".join(_webp(data))
        return b"RIFF" + len(body).to_bytes(4, "little") + body
    return data


def _jpeg(data: bytes) -> Iterator[bytes]:
    yield data[:2]
    start = 2
    # Segments before the scan have a marker and a length; from the scan on everything is picture.
    while start + 4 <= len(data) and data[start] == 0xFF and data[start + 1] != START_OF_SCAN:
        end = start + 2 + int.from_bytes(data[start + 2 : start + 4], "big")
        if _belongs(data[start + 1], data[start + 4 : end]):
            yield data[start:end]
        start = end
    yield data[start:]


def _belongs(marker: int, content: bytes) -> bool:
    if 0xE0 <= marker <= 0xEF:
        return marker in KEPT_APPS and content.startswith(KEPT_APPS[marker])
    return marker != COMMENT


def _png(data: bytes) -> Iterator[bytes]:
    start = 8
    while start + 12 <= len(data):
        end = start + 12 + int.from_bytes(data[start : start + 4], "big")
        if data[start + 4 : start + 8] in KEPT_PNG:
            yield data[start:end]
        start = end


def _webp(data: bytes) -> Iterator[bytes]:
    start = 12
    while start + 8 <= len(data):
        size = int.from_bytes(data[start + 4 : start + 8], "little")
        end = start + 8 + size + size % 2
        name, chunk = data[start : start + 4], data[start:end]
        if name == b"VP8X":  # its flags announce the chunks that go
            chunk = chunk[:8] + bytes([chunk[8] & ~EXIF_AND_XMP_FLAGS]) + chunk[9:]
        if name not in DROPPED_WEBP:
            yield chunk
        start = end
