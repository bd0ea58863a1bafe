"""The one image convention: RGB, uint8 (H, W, 3) in storage, float32 in [-1, 1] inside, (x, y) pixels.

Decoding is bounded: only a few formats, and the size is read from the header before a pixel is decoded, so that a
5 kB file that claims 64,250 x 64,250 pixels costs nothing.
"""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]

FORMATS = ("JPEG", "PNG", "WEBP")
MAX_PIXELS = 40_000_000


class BadImage(ValueError):
    """The bytes are not an image that may be decoded; the text is the reason that a reject row keeps."""


def decode(data: bytes, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Decode bytes to RGB pixels, uint8 (H, W, 3).

    Raises:
        BadImage: not one of FORMATS, truncated or corrupt, or larger than `max_pixels`.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            width, height = image.size
            if width * height > max_pixels:
                raise BadImage(f"claims {width} x {height} pixels, at most {max_pixels} are decoded")
            return np.asarray(image.convert("RGB"))
    except BadImage:
        raise
    except Exception as error:  # Pillow's decoders raise many kinds: each means that these bytes are no image of ours
        raise BadImage(f"not a readable {'/'.join(FORMATS)} image: {type(error).__name__}") from error


def encode_png(pixels: Pixels) -> bytes:
    """Lossless PNG bytes of RGB pixels, uint8 (H, W, 3)."""
    return _encode(pixels, "PNG")


def encode_jpeg(pixels: Pixels, quality: int = 92) -> bytes:
    """JPEG bytes of RGB pixels, uint8 (H, W, 3), without chroma subsampling: faces here are small."""
    return _encode(pixels, "JPEG", quality=quality, subsampling=0)


def _encode(pixels: Pixels, kind: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=kind, **options)
    return buffer.getvalue()


def to_unit(pixels: Pixels) -> NDArray[np.float32]:
    """uint8 [0, 255] to float32 [-1, 1], any size."""
    return pixels.astype(np.float32) / 127.5 - 1.0


def from_unit(values: NDArray[np.floating]) -> Pixels:
    """Float [-1, 1] (clipped) to uint8 [0, 255], any size."""
    return np.round((np.clip(values, -1.0, 1.0) + 1.0) * 127.5).astype(np.uint8)


def resize(pixels: Pixels, width: int, height: int) -> Pixels:
    """Resize RGB pixels with an antialiasing bicubic filter."""
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC))


def iou(boxes: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.floating]:
    """Intersection over union (N, M) of boxes (N, 4) with others (M, 4); x1, y1, x2, y2 in pixels."""
    first, second = boxes[:, None], others[None]
    sides = np.minimum(first[..., 2:], second[..., 2:]) - np.maximum(first[..., :2], second[..., :2])
    shared = sides.clip(min=0).prod(-1)
    areas = ((each[..., 2:] - each[..., :2]).prod(-1) for each in (first, second))
    return np.asarray(shared / (sum(areas) - shared))
