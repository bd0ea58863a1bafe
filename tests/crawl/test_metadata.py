"""What is stored of a picture is the picture alone, it decodes, and plain ones keep their bytes."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from pipeline import images
from pipeline.crawl import metadata
from tests.crawl.conftest import jpeg

SECRET = b"Jane Roe, 52.3676 N"


def saved(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def photographed(kind: str, picture: np.ndarray, orientation: int = 1, **options) -> bytes:
    """A file with the secret in its EXIF and, by its kind, in a comment, a text or XMP."""
    exif = Image.Exif()
    exif[0x013B], exif[0x0112] = SECRET.decode(), orientation  # artist
    if kind == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_text("Author", SECRET.decode())
    told = {"JPEG": {"comment": SECRET, "quality": 90}, "WEBP": {"xmp": SECRET, "quality": 90}}.get(kind, {})
    return saved(Image.fromarray(picture), kind, exif=exif, **told, **options)


@pytest.mark.parametrize("profile", [None, b"a colour profile"])
@pytest.mark.parametrize(("kind", "ending"), [("JPEG", ".jpg"), ("PNG", ".png"), ("WEBP", ".webp")])
def test_metadata_goes_and_compressed_pixels_stay(kind: str, ending: str, profile, picture: np.ndarray) -> None:
    data = photographed(kind, picture, icc_profile=profile)
    found = metadata.store(data)
    assert SECRET in data
    assert SECRET not in found.data
    assert (found.ending, found.width, found.height) == (ending, 64, 48)
    np.testing.assert_array_equal(images.decode(found.data), images.decode(data))
    assert found.data == metadata.strip(data)
    with Image.open(io.BytesIO(found.data)) as image:
        assert not {"exif", "xmp", "comment", "icc_profile", "Author"} & set(image.info)


def test_a_file_without_metadata_stays_as_it_is(picture: np.ndarray) -> None:
    lossless = saved(Image.fromarray(picture), "WEBP", lossless=True)
    progressive = saved(Image.fromarray(picture), "JPEG", progressive=True, restart_marker_blocks=2)
    for data in (jpeg(1), images.encode_png(picture), images.encode_jpeg(picture), lossless, progressive):
        assert metadata.store(data).data == data


def segment(marker: int, content: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def riff(data: bytes, *chunks: bytes) -> bytes:
    body = data[8:] + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def riff_chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


FILM = b"\0\0\0\x18ftypmp42" + SECRET
IN_JPEG: dict[str, Callable[[bytes], bytes]] = {
    "EXIF behind fill bytes": lambda data: data[:2] + b"\xff\xff\xff" + segment(0xE1, b"Exif\0\0" + SECRET) + data[2:],
    "an APPn nobody knows": lambda data: data[:2] + segment(0xEB, SECRET) + data[2:],
    "more pictures announced (MPF)": lambda data: data[:2] + segment(0xE2, b"MPF\0" + SECRET) + data[2:] + data,
    "a second picture": lambda data: data + data[:2] + segment(0xFE, SECRET) + data[2:],
    "a film behind the end": lambda data: data + FILM,
    "a thumbnail in JFIF": lambda data: data[:2] + segment(0xE0, data[6:18] + b"\7\1" + SECRET + b"__") + data[20:],
    "a tail in Adobe's segment": lambda data: data[:2] + segment(0xEE, b"Adobe\0\x64\0\0\0\0\1" + SECRET) + data[2:],
    "a comment before the scan": lambda data: data.replace(b"\xff\xda", segment(0xFE, SECRET) + b"\xff\xda", 1),
    "a comment behind the scan": lambda data: data[:-2] + segment(0xFE, SECRET) + data[-2:],
}
PACKED = slice(41, -16)  # the content of the only IDAT chunk: behind IHDR, before its own sum and IEND
IN_PNG: dict[str, Callable[[bytes], bytes]] = {
    "bytes behind IEND": lambda data: data + FILM,
    "eXIf": lambda data: data[:33] + chunk(b"eXIf", SECRET) + data[33:],
    "a chunk nobody knows": lambda data: data[:33] + chunk(b"prVt", SECRET) + data[33:],
    "colours of which nobody asks": lambda data: data[:33] + chunk(b"cHRM", SECRET.ljust(32)) + data[33:],
    "a palette for RGB": lambda data: data[:33] + chunk(b"PLTE", SECRET.ljust(30)) + data[33:],
    "bytes behind the pixels in IDAT": lambda data: data[:33] + chunk(b"IDAT", data[PACKED] + SECRET) + data[-12:],
    "a text behind IDAT": lambda data: data[:-12] + chunk(b"tEXt", b"Title\0" + SECRET) + data[-12:],
}
IN_WEBP: dict[str, Callable[[bytes], bytes]] = {
    "bytes behind the end": lambda data: data + FILM,
    "a chunk nobody knows": lambda data: riff(data, riff_chunk(b"PRVT", SECRET)),
    "EXIF of an odd length": lambda data: riff(data, riff_chunk(b"EXIF", SECRET[:-1] + b"NN")),
}
PLACES = [
    *(("JPEG", name, IN_JPEG[name]) for name in IN_JPEG),
    *(("PNG", name, IN_PNG[name]) for name in IN_PNG),
    *(("WEBP", name, IN_WEBP[name]) for name in IN_WEBP),
]


@pytest.mark.parametrize(("kind", "place", "hide"), PLACES, ids=[f"{kind}: {place}" for kind, place, _ in PLACES])
def test_nothing_but_the_picture_is_stored(kind: str, place: str, hide: Callable, picture: np.ndarray) -> None:
    clean = saved(Image.fromarray(picture), kind)
    data = hide(clean)
    found = metadata.store(data).data
    assert SECRET[:15] in data
    assert SECRET[:15] not in found
    np.testing.assert_array_equal(images.decode(found), images.decode(clean))
    if kind != "PNG" and "Adobe" not in place:
        assert found == clean  # not encoded anew


@pytest.mark.parametrize("orientation", [3, 5, 6, 8])
@pytest.mark.parametrize(("kind", "ending"), [("JPEG", ".jpg"), ("PNG", ".png"), ("WEBP", ".jpg")])
def test_turned_pictures_are_stored_upright(kind: str, ending: str, orientation: int, picture: np.ndarray) -> None:
    data = photographed(kind, picture, orientation)
    found, upright = metadata.store(data), images.decode(data)
    assert found.ending == ending
    assert (found.height, found.width) == images.decode(found.data).shape[:2] == upright.shape[:2]
    assert SECRET not in found.data
    off = np.abs(images.decode(found.data).astype(int) - upright)
    assert off.mean() < (1e-9 if kind == "PNG" else 1.5)


def odd(kind: str) -> bytes:
    grey = (np.arange(64 * 48).reshape(48, 64) % 251).astype(np.uint8)
    image, colour = Image.fromarray(grey), Image.fromarray(grey).convert("RGB")
    frames = [Image.new("RGB", (64, 48), shade) for shade in ("red", "green")]
    return {
        "16 bits": lambda: saved(Image.fromarray(grey.astype(np.uint16) * 257), "PNG"),
        "alpha": lambda: saved(Image.merge("RGBA", [*colour.split(), image]), "PNG"),
        "palette": lambda: saved(colour.quantize(16), "PNG"),
        "CMYK": lambda: saved(colour.convert("CMYK"), "JPEG"),
        "animation": lambda: saved(frames[0], "WEBP", save_all=True, append_images=frames[1:]),
        "GIF": lambda: saved(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "AVIF": lambda: saved(colour, "AVIF"),
        "BMP": lambda: saved(colour, "BMP"),
    }[kind]()


@pytest.mark.parametrize(
    ("kind", "ending"),
    [("16 bits", ".png"), ("alpha", ".png"), ("palette", ".png"), ("CMYK", ".jpg"), ("animation", ".jpg"),
     ("GIF", ".png"), ("AVIF", ".jpg"), ("BMP", ".png")],
)  # fmt: skip
def test_odd_pictures_are_encoded_anew_without_loss_where_they_had_none(kind: str, ending: str) -> None:
    data = odd(kind)
    found = metadata.store(data)
    assert found.ending == ending
    with Image.open(io.BytesIO(found.data)) as image:
        assert image.format == {".png": "PNG", ".jpg": "JPEG"}[ending]
        assert image.mode == "RGB"
    off = np.abs(images.decode(found.data).astype(int) - images.decode(data)).mean()
    assert off < (1e-9 if ending == ".png" else 2)


def test_a_picture_too_long_for_jpeg_is_stored_as_png(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "JPEG_SIDE", 63)
    found = metadata.store(odd("AVIF"))
    assert (found.ending, found.width, found.height) == (".png", 64, 48)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"RIFFxxxx", b"<html>", jpeg(1)[:-500]])
def test_what_does_not_decode_is_not_stored(data: bytes) -> None:
    with pytest.raises(images.BadImage):
        metadata.store(data)
