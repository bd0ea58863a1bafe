"""The one image convention: RGB, uint8 (H, W, 3) in storage, float32 in [-1, 1] inside, (x, y) pixels.

`decode` is where pictures come in, whoever brings them: upright (EXIF orientation), eight bits (16 are scaled by
value), opaque (laid on one colour), sRGB (by the embedded ICC profile, also from CMYK), of animations the first frame.

Decoding is bounded: the size is read from the header before a pixel is decoded, so that a 5 kB file that claims
64,250 x 64,250 pixels costs nothing. FORMATS are those that photographs are shown in and whose decoders can be bounded
so. TIFF and JPEG 2000 are refused: their strips and tiles allocate what the file claims, not what the picture has.
HEIC is read where pillow-heif is installed (the extra `heif`).
"""

import importlib.util
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

Pixels = NDArray[np.uint8]

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP")
# As web servers call them.
MEDIA = ("image/jpeg", "image/png", "image/webp", "image/avif", "image/gif", "image/bmp")
HEIF_MEDIA = ("image/heic", "image/heif")
# How files of these formats are named, lossless ones first.
ENDINGS = (".png", ".bmp", ".gif", ".jpg", ".jpeg", ".webp", ".avif", ".heic", ".heif")
MAX_PIXELS = 40_000_000
WHITE, BLACK = (255, 255, 255), (0, 0, 0)

ORIENTATION = 0x0112  # the EXIF tag of how the camera was held
_Turn = Image.Transpose
UPRIGHT = {
    2: _Turn.FLIP_LEFT_RIGHT, 3: _Turn.ROTATE_180, 4: _Turn.FLIP_TOP_BOTTOM, 5: _Turn.TRANSPOSE,
    6: _Turn.ROTATE_270, 7: _Turn.TRANSVERSE, 8: _Turn.ROTATE_90,
}  # fmt: skip
HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"}
# A profile that moves no colour by more levels than this is sRGB, whatever it calls itself; rounding moves one.
SAME_COLOUR = 2


class BadImage(ValueError):
    """The bytes are not an image that may be decoded; the text is the reason that a reject row keeps."""


class NoDecoder(BadImage):
    """The bytes may well be an image; what reads them is not installed."""


@dataclass(frozen=True)
class Picture:
    """What `read` makes of a file."""

    pixels: Pixels  # (H, W, 3)
    format: str  # one of FORMATS, or HEIF
    plain: bool  # the pixels are the file's own: nothing was turned, scaled, composed, converted or left out


def decode(data: bytes, max_pixels: int = MAX_PIXELS, background: tuple[int, int, int] = WHITE) -> Pixels:
    """Decode bytes to upright, opaque sRGB pixels, uint8 (H, W, 3).

    Args:
        data: a whole file.
        max_pixels: a larger picture is refused before it is decoded.
        background: the colour that shows through where the picture is not opaque.

    Raises:
        BadImage: not one of FORMATS, truncated or corrupt, or larger than `max_pixels`; NoDecoder for HEIC where
            pillow-heif is not installed.
    """
    return read(data, max_pixels, background).pixels


def read(data: bytes, max_pixels: int = MAX_PIXELS, background: tuple[int, int, int] = WHITE) -> Picture:
    """`decode`, with what the file was.

    Raises:
        BadImage: as `decode`.
    """
    formats = (*FORMATS, "HEIF") if _is_heif(data) else FORMATS
    try:
        with _SILENCE, Image.open(io.BytesIO(data), formats=formats) as image:
            width, height = image.size
            if width * height > max_pixels:
                raise BadImage(f"claims {width} x {height} pixels, at most {max_pixels} are decoded")
            image.load()
            return _picture(image, background)
    except BadImage:
        raise
    except Exception as error:  # Pillow's decoders raise many kinds: each means that these bytes are no image of ours
        raise BadImage(f"not a readable {'/'.join(formats)} image: {type(error).__name__}") from error


def _picture(image: Image.Image, background: tuple[int, int, int]) -> Picture:
    transparent, turn = image.has_transparency_data, UPRIGHT.get(_orientation(image))
    seen, to_srgb = _colours(image), _to_srgb(image)
    own = seen is image and not transparent and turn is None and to_srgb is None
    if to_srgb:
        seen = ImageCms.applyTransform(seen, to_srgb) or seen
    seen = seen.convert("RGB")
    if transparent and not _is_deep(image):
        opaque = image.convert("RGBA").getchannel("A")
        seen = Image.composite(seen, Image.new("RGB", seen.size, background), opaque)
    upright = seen if turn is None else seen.transpose(turn)
    kind = "JPEG" if image.format == "MPO" else str(image.format)  # MPO: a JPEG with more pictures behind it
    return Picture(np.asarray(upright), kind, own and image.mode in ("L", "RGB") and getattr(image, "n_frames", 1) == 1)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(ORIENTATION, 1))
    except Exception:  # EXIF that cannot be read says nothing; the picture is there all the same
        return 1


def _is_deep(image: Image.Image) -> bool:
    """Whether the values have more than 8 bits; colour pictures of 16 bits Pillow scales itself."""
    return image.mode.startswith(("I", "F"))


def _colours(image: Image.Image) -> Image.Image:
    """The picture in 8 bits, grey, RGB or CMYK, whatever it says of its opacity."""
    if _is_deep(image):  # 0 to 65,535
        values = np.clip(np.asarray(image, np.float64), 0, 65_535)
        return Image.fromarray(np.round(values / 257).astype(np.uint8))
    if image.mode in ("L", "RGB", "CMYK"):
        return image
    return image.convert("L" if image.mode in ("1", "LA") else "RGB")


def _to_srgb(image: Image.Image) -> Any:
    """The transform from the embedded profile's colours; None without one, where it is sRGB, or where it is broken."""
    mode = {"1": "L", "LA": "L", "CMYK": "CMYK"}.get(image.mode, "L" if image.mode[0] in "LIF" else "RGB")
    return _transform(image.info.get("icc_profile") or b"", mode)


@lru_cache(maxsize=64)
def _transform(profile: bytes, mode: str) -> Any:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        found = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")
    except Exception:  # no profile, a broken one, or one for pictures of another kind
        return None
    return found if mode == "CMYK" or _moves(found, mode) else None


def _moves(transform: Any, mode: str) -> bool:
    """Whether a transform changes colours visibly, over a grid of all grey levels or of 9 x 9 x 9 colours."""
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(27, 27, 3)
    colours = Image.fromarray(np.arange(256, dtype=np.uint8)[None] if mode == "L" else grid)
    seen = ImageCms.applyTransform(colours, transform)
    off = np.asarray(seen, np.int16) - np.asarray(colours.convert("RGB"), np.int16)
    return bool(np.abs(off).max() > SAME_COLOUR)


def media_types() -> tuple[str, ...]:
    """What is decoded here, as web servers call it: HEIC where pillow-heif is installed."""
    return MEDIA + (HEIF_MEDIA if importlib.util.find_spec("pillow_heif") else ())


def refuse_undecodable(start: bytes) -> None:
    """Look at a file's first 256 bytes, or more, for a format whose decoder is not installed.

    Raises:
        NoDecoder: it has one.
    """
    _is_heif(start)


def _is_heif(data: bytes) -> bool:
    """Whether these are HEIC or HEIF bytes, for which the decoder then is at hand.

    Raises:
        NoDecoder: they are, and pillow-heif is not installed.
    """
    brands = data[8 : min(int.from_bytes(data[:4], "big"), 256)]
    if data[4:8] != b"ftyp" or brands[:4] not in HEIF_BRANDS or b"avif" in brands:
        return False
    try:
        import pillow_heif  # only where it is needed: it is an extra
    except ImportError:
        raise NoDecoder("HEIC is read where the extra heif is installed: pip install 'likeness[heif]'") from None
    pillow_heif.register_heif_opener()
    return True


class _Silence:
    """Pillow's warnings off while any thread decodes: `warnings.catch_warnings` alone is for one thread."""

    def __init__(self) -> None:
        self._lock, self._inside = Lock(), 0
        self._caught = warnings.catch_warnings(action="ignore")

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._caught = warnings.catch_warnings(action="ignore")
                self._caught.__enter__()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._caught.__exit__(None, None, None)


_SILENCE = _Silence()


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


def cut(pixels: Pixels, crop: Sequence[float], size: Sequence[int]) -> Pixels:
    """What a crop (x1, y1, x2, y2, fractions of pixels allowed) shows, at a width and height, in one resampling."""
    height, width = pixels.shape[:2]
    if tuple(size) == (width, height) and tuple(crop) == (0, 0, width, height):
        return pixels
    box = max(0.0, crop[0]), max(0.0, crop[1]), min(float(width), crop[2]), min(float(height), crop[3])
    return np.asarray(Image.fromarray(pixels).resize((size[0], size[1]), Image.Resampling.BICUBIC, box=box))


def iou(boxes: NDArray[np.floating], others: NDArray[np.floating]) -> NDArray[np.floating]:
    """Intersection over union (N, M) of boxes (N, 4) with others (M, 4); x1, y1, x2, y2 in pixels."""
    first, second = boxes[:, None], others[None]
    sides = np.minimum(first[..., 2:], second[..., 2:]) - np.maximum(first[..., :2], second[..., :2])
    shared = sides.clip(min=0).prod(-1)
    areas = ((each[..., 2:] - each[..., :2]).prod(-1) for each in (first, second))
    return np.asarray(shared / (sum(areas) - shared))
