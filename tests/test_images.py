"""Pixels in and out: upright, eight bits, opaque, sRGB, bounded, and what is refused with which reason."""

import io
import struct
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import ModuleSpec
from types import ModuleType

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms
from torch import tensor
from torchvision.ops import box_iou

from pipeline import images


def test_png_is_lossless_and_jpeg_close(picture) -> None:
    assert np.array_equal(images.decode(images.encode_png(picture)), picture)
    assert np.abs(images.decode(images.encode_jpeg(picture)).astype(int) - picture).mean() < 3


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims a huge size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(64_250, 64_250), (8_000, 8_000)])
def test_a_bomb_is_refused_by_its_header(size: tuple[int, int]) -> None:
    with pytest.raises(images.BadImage, match=f"claims {size[0]} x {size[1]} pixels|DecompressionBomb"):
        images.decode(bomb(*size))


@pytest.mark.parametrize("data", [b"", b"<html></html>", b"GIF89a", b"\xff\xd8\xff\xe0 not a jpeg"])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(images.BadImage, match="not a readable"):
        images.decode(data)


def test_a_truncated_picture_is_refused(picture) -> None:
    data = images.encode_jpeg(picture)
    with pytest.raises(images.BadImage):
        images.decode(data[: len(data) // 2])


def test_unit_range_and_back() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    values = images.to_unit(pixels)
    assert values.min() == -1.0
    assert values.max() == 1.0
    assert np.array_equal(images.from_unit(values), pixels)
    assert images.from_unit(np.array([-9.0, 9.0])).tolist() == [0, 255]


def test_resize_takes_width_then_height(picture) -> None:
    assert images.resize(picture, 20, 10).shape == (10, 20, 3)


def test_a_cut_shows_its_crop_without_aliasing() -> None:
    """Stripes a pixel wide, shrunk three times, are grey; the left third alone is white."""
    pixels = np.zeros((60, 90, 3), np.uint8)
    pixels[:, :30] = 255
    pixels[:, 30::2] = 255
    left = images.cut(pixels, (0, 0, 30, 60), (10, 20))
    assert left.shape == (20, 10, 3)
    assert left.min() == 255
    right = images.cut(pixels, (36.5, 0.5, 84.5, 48.5), (16, 16)).astype(int)
    assert 120 <= right.min() <= right.max() <= 135
    assert images.cut(pixels, (0.0, 0.0, 90.0, 60.0), (90, 60)) is pixels


def test_iou_by_hand() -> None:
    """Half of a box and half of itself outside: 50 of 150 pixels; apart: none."""
    boxes, others = np.array([[0.0, 0, 10, 10]]), np.array([[0.0, 0, 10, 10], [5, 0, 15, 10], [20, 0, 30, 10]])
    assert images.iou(boxes, others)[0] == pytest.approx([1, 1 / 3, 0])
    assert images.iou(boxes, np.empty((0, 4))).shape == (1, 0)


def test_iou_of_boxes_of_all_sizes_is_torchvisions() -> None:
    rng = np.random.default_rng(0)
    corners, sizes = rng.uniform(0, 50, (40, 2)), rng.uniform(1, 60, (40, 2))
    boxes = np.hstack([corners, corners + sizes])
    found = images.iou(boxes[:10], boxes)
    np.testing.assert_allclose(found, box_iou(tensor(boxes[:10]), tensor(boxes)).numpy())
    assert found[found < 1].max() > 0


def saved(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


T = Image.Transpose
# How a camera stores an upright picture, by what it then writes into EXIF: the inverse of what a viewer does.
AS_STORED = {2: T.FLIP_LEFT_RIGHT, 3: T.ROTATE_180, 4: T.FLIP_TOP_BOTTOM, 5: T.TRANSPOSE, 6: T.ROTATE_90,
             7: T.TRANSVERSE, 8: T.ROTATE_270}  # fmt: skip
LOSSLESS = [("PNG", {}), ("WEBP", {"lossless": True})]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("kind", "options"), LOSSLESS)
def test_pictures_come_in_upright(picture, orientation: int, kind: str, options: dict) -> None:
    image, exif = Image.fromarray(picture), Image.Exif()
    exif[0x0112] = orientation
    stored = image.transpose(AS_STORED[orientation]) if orientation > 1 else image
    np.testing.assert_array_equal(images.decode(saved(stored, kind, exif=exif, **options)), picture)


@pytest.mark.parametrize("kind", ["JPEG", "AVIF"])
def test_lossy_pictures_come_in_upright(picture, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(Image.fromarray(picture).transpose(T.ROTATE_90), kind, exif=exif, quality=95)
    assert images.decode(data).shape == picture.shape
    assert np.abs(images.decode(data).astype(int) - picture).mean() < 5


TEXT_FOR_A_NUMBER = b"II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x02\x00\x04\x00\x00\x00top\x00\x00\x00\x00\x00"
BROKEN = [
    b"b'Exif\\x00\\x00MM'", b"Exif\x00\x00Exif\x00\x00II*\x00\x08\x00\x00\x00\x00\x00", b"abcd", b"Exif\x00\x00",
    b"Exif\x00\x00this is no TIFF header", TEXT_FOR_A_NUMBER, TEXT_FOR_A_NUMBER[:12],
    b"II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\xff\xff\x00\x00\x00\x00\x00\x00",
]  # fmt: skip


@pytest.mark.parametrize("exif", BROKEN)
@pytest.mark.parametrize(("kind", "options"), [*LOSSLESS, ("JPEG", {})])
def test_broken_exif_says_nothing(picture, exif: bytes, kind: str, options: dict) -> None:
    image = Image.fromarray(picture)
    plain = images.decode(saved(image, kind, **options))
    np.testing.assert_array_equal(images.decode(with_exif(saved(image, kind, **options), exif)), plain)


def with_exif(data: bytes, exif: bytes) -> bytes:
    """A file with these bytes for EXIF, whatever they are."""
    if data[:2] == b"\xff\xd8":
        return data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:]
    if data[:4] == b"RIFF":
        size = struct.unpack("<I", data[4:8])[0]
        grown = struct.pack("<I", len(exif)) + exif + b"\0" * (len(exif) % 2)
        return b"RIFF" + struct.pack("<I", size + 4 + len(grown)) + data[8:] + b"EXIF" + grown
    return data[:33] + chunk(b"eXIf", exif) + data[33:]


def test_16_bits_of_grey_are_scaled() -> None:
    values = np.array([[0, 257, 300, 128 * 257, 65_535 - 257, 65_535]], np.uint16)
    found = images.decode(saved(Image.fromarray(values)))
    assert found[0, :, 0].tolist() == [0, 1, 1, 128, 254, 255]
    assert (found == found[..., :1]).all()


def test_16_bits_of_colour_are_scaled(picture) -> None:
    deep = cv2.imencode(".png", picture[..., ::-1].astype(np.uint16) * 257)[1].tobytes()
    np.testing.assert_array_equal(images.decode(deep), picture)


def half_transparent(mode: str) -> Image.Image:
    """Four pixels: opaque black, black of opacity 0.4, white and black that nobody sees."""
    rgba = np.zeros((1, 4, 4), np.uint8)
    rgba[0, :, 3] = 255, 102, 0, 0
    rgba[0, 2, :3] = 255
    return Image.fromarray(rgba).convert(mode)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_not_opaque_shows_white(mode: str) -> None:
    data = saved(half_transparent(mode))
    assert images.decode(data)[0].tolist() == [[0] * 3, [153] * 3, [255] * 3, [255] * 3]
    assert images.decode(data, background=images.BLACK)[0].tolist() == [[0] * 3] * 4


@pytest.mark.parametrize("transparency", [1, b"\xff\x00\x66"])
@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_transparent_entries_of_palettes_show_white(transparency: int | bytes, kind: str) -> None:
    if kind == "GIF" and isinstance(transparency, bytes):
        pytest.skip("GIF has one transparent entry")
    image = Image.new("P", (3, 1))
    image.putpalette([10, 20, 30, 200, 0, 0, 0, 0, 0])
    image.putdata([0, 1, 2])
    last = 0 if transparency == 1 else 153
    found = images.decode(saved(image, kind, transparency=transparency))
    assert found[0].tolist() == [[10, 20, 30], [255] * 3, [last] * 3]


def swapped_profile() -> bytes:
    """An RGB profile whose red is sRGB's green, and the other way round."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for name in (b"XYZ", b"TRC"):
        profile = profile.replace(b"r" + name, b"?" + name, 1).replace(b"g" + name, b"r" + name, 1)
        profile = profile.replace(b"?" + name, b"g" + name, 1)
    return profile


def test_colours_follow_the_embedded_profile(picture) -> None:
    image = Image.fromarray(picture)
    found = images.decode(saved(image, icc_profile=swapped_profile())).astype(int)
    assert np.abs(found - picture[..., [1, 0, 2]]).max() <= 2
    opaque = image.convert("RGBA")
    assert np.abs(images.decode(saved(opaque, icc_profile=swapped_profile())).astype(int) - found).max() == 0


@pytest.mark.parametrize("profile", [b"a colour profile", swapped_profile()[:200], b"\0" * 128])
def test_a_broken_profile_says_nothing(picture, profile: bytes) -> None:
    np.testing.assert_array_equal(images.decode(saved(Image.fromarray(picture), icc_profile=profile)), picture)


def test_srgb_stays_as_it_is_whatever_it_is_called(picture) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes().replace(b"sRGB", b"mine")
    found = images.read(saved(Image.fromarray(picture), icc_profile=profile))
    np.testing.assert_array_equal(found.pixels, picture)
    assert found.plain


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "L", "1"])
def test_other_colour_spaces_become_rgb(mode: str) -> None:
    image = Image.new("RGB", (32, 32), "white" if mode in "L1" else (230, 30, 40)).convert(mode)
    found = images.decode(saved(image, "PNG" if mode == "1" else "JPEG", **({} if mode == "1" else {"quality": 95})))
    expected = np.asarray(image.convert("RGB"))
    assert np.abs(found.astype(int) - expected).max() <= 6


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF"])
def test_of_animations_the_first_frame_is_taken(kind: str) -> None:
    first, *others = (Image.new("RGB", (40, 24), colour) for colour in ((200, 0, 0), (0, 200, 0), (0, 0, 200)))
    found = images.read(saved(first, kind, save_all=True, append_images=others))
    assert np.abs(found.pixels.astype(int) - [200, 0, 0]).max() <= 4
    assert not found.plain


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF", "GIF", "BMP"])
def test_other_formats_are_bounded_by_their_header(kind: str) -> None:
    data = saved(Image.new("RGB", (64, 32)), kind)
    assert images.decode(data).shape == (32, 64, 3)
    with pytest.raises(images.BadImage, match="claims 64 x 32 pixels, at most 2000"):
        images.decode(data, max_pixels=2000)


@pytest.mark.parametrize("kind", ["TIFF", "JPEG2000", "ICO"])
def test_formats_without_a_bound_are_refused(kind: str) -> None:
    with pytest.raises(images.BadImage, match="not a readable JPEG/PNG/WEBP/AVIF/GIF/BMP image"):
        images.decode(saved(Image.new("RGB", (64, 32)), kind))


def test_heic_without_its_decoder_names_the_extra(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    data = struct.pack(">I", 24) + b"ftypheic\0\0\0\0mif1heic" + b"\0" * 100
    with pytest.raises(images.NoDecoder, match=r"pip install 'likeness\[heif\]'"):
        images.decode(data)


def test_heic_is_read_where_its_decoder_is_installed(picture) -> None:
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    found = images.read(saved(Image.fromarray(picture), "HEIF", quality=95))
    assert np.abs(found.pixels.astype(int) - picture).mean() < 5
    assert found.format == "HEIF"


def test_decoders_warn_nobody_from_several_threads(picture) -> None:
    """Pillow warns of bytes as a palette's transparency; filters are as before when the last thread is done."""
    image = Image.fromarray(picture).quantize(16)
    noisy = saved(image, transparency=b"\x80" * 16)
    with warnings.catch_warnings(record=True) as heard, ThreadPoolExecutor(4) as pool:
        warnings.simplefilter("always")
        before = list(warnings.filters)
        assert len(list(pool.map(images.decode, [noisy] * 40))) == 40
        assert warnings.filters == before
    assert heard == []


@pytest.mark.parametrize(
    ("change", "plain"),
    [({}, True), ({"mode": "L"}, True), ({"mode": "P"}, False), ({"mode": "RGBA"}, False), ({"turn": 6}, False),
     ({"icc_profile": swapped_profile()}, False)],
)  # fmt: skip
def test_a_plain_picture_is_one_whose_pixels_are_its_files(picture, change: dict, plain: bool) -> None:
    exif, options = Image.Exif(), dict(change)
    exif[0x0112] = options.pop("turn", 1)
    image = Image.fromarray(picture).convert(options.pop("mode", "RGB"))
    assert images.read(saved(image, exif=exif, **options)).plain is plain


def test_what_is_decoded_is_said_as_web_servers_call_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    named = {media.rpartition("/")[2].upper() for media in images.media_types()}
    assert named == set(images.FORMATS)
    fake = ModuleType("pillow_heif")
    fake.__spec__ = ModuleSpec("pillow_heif", None)
    monkeypatch.setitem(sys.modules, "pillow_heif", fake)
    assert {"image/heic", "image/heif"} < set(images.media_types())
