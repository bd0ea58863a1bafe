"""Grades: sharpness against blur and contrast, yaw of a turned head, quality, and reasons to reject."""

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from pipeline.faces import grade
from pipeline.head.camera import Camera, project
from pipeline.head.model import load_head
from tests.faces.conftest import SETTINGS

HEAD = Path("pipeline/pack/models/head.npz")


@pytest.fixture
def crop() -> np.ndarray:
    """A textured grey crop (112, 112, 3)."""
    texture = gaussian_filter(np.random.default_rng(0).normal(size=(112, 112)), 1.0)
    grey = 128 + 40 * texture / texture.std()
    return np.repeat(np.clip(grey, 0, 255)[..., None], 3, axis=2).astype(np.uint8)


def blurred(crop: np.ndarray, sigma: float) -> np.ndarray:
    return gaussian_filter(crop, (sigma, sigma, 0))


def test_blur_lowers_sharpness(crop: np.ndarray) -> None:
    values = [grade.sharpness(crop), grade.sharpness(blurred(crop, 1)), grade.sharpness(blurred(crop, 3))]
    assert values[0] > 1.5 * values[1] > 2 * values[2]


def test_contrast_is_not_sharpness(crop: np.ndarray) -> None:
    dim = (crop.astype(float) * 0.4 + 60).astype(np.uint8)
    assert grade.sharpness(dim) == pytest.approx(grade.sharpness(crop), rel=0.05)


def test_a_crop_of_one_colour_is_not_sharp() -> None:
    assert grade.sharpness(np.full((112, 112, 3), 77, np.uint8)) == 0.0


def test_the_edge_of_the_photo_is_not_sharpness(crop: np.ndarray) -> None:
    cut = crop.copy()
    cut[:20], cut[-20:] = 0, 0
    assert grade.sharpness(cut) == grade.sharpness(crop)


def landmarks(yaw: float, roll: float = 0.0) -> np.ndarray:
    head = load_head(HEAD)
    points, _ = project(head.mean[head.landmarks68], Camera(yaw, 0, roll, 40.0, 64, 64))
    return points[None].astype(np.float32)


def test_yaw_follows_a_turned_head() -> None:
    found = [float(grade.yaw_degrees(landmarks(yaw))[0]) for yaw in (-60, -30, 0, 30, 60)]
    np.testing.assert_allclose(found, [-60, -30, 0, 30, 60], atol=8)


def test_roll_is_not_yaw() -> None:
    for yaw in (0, 25):
        assert grade.yaw_degrees(landmarks(yaw, 35))[0] == pytest.approx(grade.yaw_degrees(landmarks(yaw))[0], abs=0.5)


def test_quality_by_hand() -> None:
    score, side, sharp, yaw = (np.array([value], np.float32) for value in (0.9, 28.0, 0.1, 60.0))
    assert grade.quality(score, side, sharp, yaw)[0] == pytest.approx(0.9 * 0.5 * 0.5 * 0.5)


@pytest.mark.parametrize("worse", [{"scores": 0.5}, {"sides": 10.0}, {"sharp": 0.01}, {"yaws": 70.0}, {"yaws": -70.0}])
def test_every_fault_lowers_quality(worse: dict[str, float]) -> None:
    good = {"scores": 0.9, "sides": 80.0, "sharp": 0.3, "yaws": 5.0}
    arrays = [{name: np.array([value], np.float32) for name, value in case.items()} for case in (good, good | worse)]
    assert grade.quality(**arrays[0])[0] > grade.quality(**arrays[1])[0] >= 0


@pytest.mark.parametrize(
    ("score", "side", "sharp", "yaw", "reason"),
    [
        (0.9, 40, 0.2, 10, None),
        (0.4, 40, 0.2, 10, "low_score"),
        (0.9, 17, 0.2, 10, "too_small"),
        (0.9, 40, 0.2, -61, "turned_away"),
        (0.9, 40, -0.1, 10, "blurred"),
        (0.4, 10, 0.2, 80, "low_score"),
    ],
)
def test_reasons(score: float, side: float, sharp: float, yaw: float, reason: str | None) -> None:
    assert grade.reject(SETTINGS, score, side, sharp, yaw) == reason
