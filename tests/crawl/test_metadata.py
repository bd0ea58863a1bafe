import io

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from pipeline import images
from pipeline.crawl import metadata
from tests.crawl.conftest import jpeg

SECRET = b"Jane Roe, 52.3676 N"


def photographed(kind: str, picture: np.ndarray) -> bytes:
    """A file with EXIF, a comment or text, and a colour profile."""
    exif = Image.Exif()
    exif[0x013B] = SECRET.decode()  # artist
    options = {"exif": exif, "icc_profile": b"a colour profile", "quality": 90}
    if kind == "JPEG":
        options["comment"] = SECRET
    if kind == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_text("Author", SECRET.decode())
    if kind == "WEBP":
        options["xmp"] = SECRET
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_metadata_goes_and_pixels_and_colour_profile_stay(kind: str, picture: np.ndarray) -> None:
    data = photographed(kind, picture)
    clean = metadata.strip(data)
    assert SECRET in data
    assert SECRET not in clean
    assert (images.decode(clean) == images.decode(data)).all()
    with Image.open(io.BytesIO(clean)) as image:
        assert image.info["icc_profile"] == b"a colour profile"
        assert not image.getexif()


def test_a_file_without_metadata_stays_as_it_is(picture: np.ndarray) -> None:
    for data in (jpeg(1), images.encode_png(picture), images.encode_jpeg(picture), b"", b"\xff\xd8", b"RIFFxxxx"):
        assert metadata.strip(data) == data
