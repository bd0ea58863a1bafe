import struct
import zlib

import numpy as np
import pytest
from torch import tensor
from torchvision.ops import box_iou

from pipeline import images


def test_png_is_lossless_and_jpeg_close(picture) -> None:
    assert np.array_equal(images.decode(images.encode_png(picture)), picture)
    assert np.abs(images.decode(images.encode_jpeg(picture)).astype(int) - picture).mean() < 3


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims a huge size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

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
