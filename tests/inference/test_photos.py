"""References from photos: the same as the stages make, and what is said of photos that give none."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.backbone.frozen import FrozenEncoders
from pipeline.errors import MissingInput, SettingsError
from pipeline.inference.photos import ORIENTATION, Album, read, read_mask
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
        ("text.png", "cannot read .*text.png: not a readable JPEG/PNG/WEBP image"),
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


def test_a_mask_of_16_bits_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 1000, np.uint16)).save(tmp_path / "mask.png")
    with pytest.raises(SettingsError, match=r"mask.png has values of more than 8 bits \(I;16\)"):
        read_mask(tmp_path / "mask.png")


@pytest.mark.parametrize(("orientation", "turn"), [(1, 0), (3, 2), (6, 1), (8, 3)])
def test_a_photo_is_put_upright(picture: np.ndarray, tmp_path: Path, orientation: int, turn: int) -> None:
    """`turn` quarter turns to the left are what a camera held so stores."""
    stored = Image.fromarray(np.ascontiguousarray(np.rot90(picture, turn)))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored.save(tmp_path / "x.png", exif=exif)
    np.testing.assert_array_equal(read(tmp_path / "x.png"), picture)
