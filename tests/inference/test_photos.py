"""References from photos: the same as the stages make, and what is said of photos that give none."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.backbone.frozen import FrozenEncoders
from pipeline.errors import MissingInput
from pipeline.inference.photos import Album, read, read_mask
from pipeline.settings import Settings
from pipeline.world.population import person
from pipeline.world.scene import portrait


@pytest.fixture(scope="module")
def album(params: Settings) -> Album:
    return Album(params, FrozenEncoders(params.models))


def test_a_reference_is_the_aligned_face_with_its_head(album: Album, photos: Path) -> None:
    first, second = album.references([photos / "ada.png", photos / "ada2.png"])
    (other,) = album.references([photos / "ben.png"])
    assert first.crop.shape == (112, 112, 3)
    assert np.linalg.norm(first.embedding) == pytest.approx(1, abs=1e-4)
    assert first.embedding @ second.embedding > first.embedding @ other.embedding + 0.2
    assert np.array_equal(first.pose.shape, second.pose.shape)
    (face,) = portrait(person(77, 0), 1).faces
    assert first.pose.camera.yaw == pytest.approx(face.camera.yaw, abs=8)


def test_of_several_faces_the_largest_is_taken_and_that_is_said(
    album: Album, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (taken,) = album.references([photos / "both.png"])
    assert "both.png shows 2 faces: the largest is taken" in capsys.readouterr().err
    found = album._finder(read(photos / "both.png"))
    sides = found.boxes[:, 2:] - found.boxes[:, :2]
    crop_of = {0: photos / "ada.png", 1: photos / "ben.png"}[int(sides.prod(1).argmax())]
    assert taken.embedding @ album.references([crop_of])[0].embedding > 0.3


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("wall.png", "no face found in .*wall.png: give a photo in which"),
        ("text.png", "cannot read .*text.png: not a readable JPEG/PNG/WEBP/AVIF/GIF/BMP image"),
        ("none.png", "cannot read .*none.png: No such file"),
    ],
)
def test_a_photo_that_gives_no_reference_is_named(album: Album, photos: Path, name: str, words: str) -> None:
    with pytest.raises(MissingInput, match=words):
        album.references([photos / name])


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA"])
def test_a_mask_is_where_it_is_white_and_opaque(tmp_path: Path, mode: str) -> None:
    """Editors write what is erased as white without opacity."""
    white = np.zeros((8, 16), np.uint8)
    white[:, :4] = 255
    mask = Image.fromarray(white).convert(mode)
    if "A" in mode:
        mask = Image.new(mode, (16, 8), "white")
        mask.putalpha(Image.fromarray(white))
    mask.save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_mask(tmp_path / "mask.png"), white / 255)


def test_a_mask_of_16_bits_is_scaled(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 257 * 51, 65_535]], np.uint16)).save(tmp_path / "mask.png")
    np.testing.assert_allclose(read_mask(tmp_path / "mask.png"), [[0, 0.2, 1]], atol=1e-6)


def test_half_opaque_white_is_half_a_persons(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 2), (255, 255, 255, 51)).save(tmp_path / "mask.png")
    np.testing.assert_allclose(read_mask(tmp_path / "mask.png"), 0.2, atol=1e-6)


T = Image.Transpose


@pytest.mark.parametrize(("orientation", "stored"), [(2, T.FLIP_LEFT_RIGHT), (5, T.TRANSPOSE), (6, T.ROTATE_90)])
def test_photos_and_masks_are_put_upright(
    picture: np.ndarray, tmp_path: Path, orientation: int, stored: Image.Transpose
) -> None:
    """Mirrored ones, too: a face in a mirror is another face."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(picture).transpose(stored).save(tmp_path / "x.png", exif=exif)
    np.testing.assert_array_equal(read(tmp_path / "x.png"), picture)
    np.testing.assert_allclose(read_mask(tmp_path / "x.png"), picture.mean(-1) / 255, atol=1e-6)


@pytest.mark.parametrize("exif", [b"b'Exif\\x00\\x00MM'", b"Exif\0\0this is no TIFF header"])
def test_broken_exif_is_left_out(picture: np.ndarray, tmp_path: Path, exif: bytes) -> None:
    Image.fromarray(picture).save(tmp_path / "x.png", exif=exif)
    np.testing.assert_array_equal(read(tmp_path / "x.png"), picture)
    assert read_mask(tmp_path / "x.png").shape == picture.shape[:2]
