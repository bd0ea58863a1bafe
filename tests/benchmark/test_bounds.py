"""Bounds show the right face, at the layout's place and size, one per column."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.benchmark import bounds
from pipeline.benchmark.bounds import BOUNDS, Materials, Source
from pipeline.images import Pixels
from tests.benchmark.fairness_data import case

RED, GREEN, BLUE = (200, 0, 0), (0, 200, 0), (0, 0, 200)
COLOURS = {"ann": RED, "bea": GREEN, "cyd": BLUE}


def portrait(name: str, number: int) -> Source:
    """A grey photo with a square in the person's colour, brighter by the photo's number, where the face is."""
    pixels = np.full((100, 100, 3), 60, np.uint8)
    pixels[20:60, 30:60] = np.array(COLOURS[name]) + 5 * number
    return Source(pixels, {f"{name}{number}-0": (30.0, 20.0, 60.0, 60.0)})


def photo(photo_id: str) -> Source:
    return portrait(photo_id[:3], int(photo_id[3]))


def plain(wanted: object) -> Pixels:
    return np.zeros((128, 128, 3), np.uint8)


MATERIALS = Materials(photo=photo, plain=plain, autoencode=lambda pixels: 255 - pixels)
ONE, THREE = case("ann"), case("ann", "bea", "cyd")


@pytest.mark.parametrize("name", BOUNDS)
@pytest.mark.parametrize("protocol", ["free", "layout"])
def test_every_bound_gives_an_image_of_the_case(name: str, protocol: str) -> None:
    for wanted in (ONE, THREE) if name != "no_id" else (ONE,):
        image = BOUNDS[name](wanted, protocol, MATERIALS)
        assert image.shape == (wanted.height, wanted.width, 3)
        assert image.dtype == np.uint8


def test_the_reference_lies_on_the_layouts_box() -> None:
    image = BOUNDS["pasted_reference"](THREE, "layout", MATERIALS)
    for wanted, colour in zip(THREE.layout, COLOURS.values(), strict=True):
        x1, y1, x2, y2 = wanted.box
        x, y = int(x1 + x2) // 2, int(y1 + y2) // 2
        np.testing.assert_allclose(image[y, x], colour, atol=2)
        found = (np.abs(image.astype(int) - colour).sum(axis=2) < 30).sum()
        assert abs(found / ((x2 - x1) * (y2 - y1)) - 1) < 0.15


def test_a_face_of_another_form_fills_as_much_as_its_box() -> None:
    """A face of 30 x 40 pixels in a box of 60 x 60: as many pixels, so sqrt(3600 / 1200) times as large."""
    wanted = replace(ONE, layout=(replace(ONE.layout[0], box=(30.0, 30.0, 90.0, 90.0)),))
    image = BOUNDS["pasted_reference"](wanted, "layout", MATERIALS)
    assert (np.abs(image.astype(int) - RED).sum(axis=2) < 60).sum() == pytest.approx(3600, rel=0.05)


def test_other_photo_is_neither_reference_nor_held_out() -> None:
    image = BOUNDS["other_photo"](ONE, "free", MATERIALS)
    np.testing.assert_allclose(image[51, 57], np.array(RED) + 5 * 2, atol=1)  # ann2 of ann0, ann1 | ann2 | ann3, ann4


def test_a_group_photo_shows_only_its_person() -> None:
    pixels = np.full((100, 200, 3), 60, np.uint8)
    pixels[20:60, 30:60], pixels[20:60, 130:160] = GREEN, RED
    both = Source(pixels, {"bea9-0": (30.0, 20.0, 60.0, 60.0), "ann2-0": (130.0, 20.0, 160.0, 60.0)})
    image = BOUNDS["other_photo"](ONE, "free", replace(MATERIALS, photo=lambda name: both))
    assert (np.abs(image.astype(int) - RED).sum(axis=2) < 30).any()
    assert not (np.abs(image.astype(int) - GREEN).sum(axis=2) < 30).any()


def test_roundtrip_is_the_other_photo_through_the_autoencoder() -> None:
    shown = BOUNDS["other_photo"](THREE, "layout", MATERIALS)
    np.testing.assert_array_equal(BOUNDS["vae_roundtrip"](THREE, "layout", MATERIALS), 255 - shown)


def test_a_photo_of_the_canvas_size_is_shown_untouched() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (128, 128, 3)).astype(np.uint8)
    np.testing.assert_array_equal(bounds.fit(pixels, 128, 128), pixels)


def test_columns_meet_between_the_boxes() -> None:
    assert bounds.columns([(10, 0, 20, 9), (40, 0, 60, 9)], 100) == [0, 30, 100]
    assert bounds.columns([(10, 0, 20, 9)], 50) == [0, 50]
