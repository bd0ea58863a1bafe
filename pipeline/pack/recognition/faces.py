"""Photographs of drawn people as training input: crops as FaceAnalysis makes them, with a camera's imperfections."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.encoders.recogniser import kps_from_landmarks68
from pipeline.images import decode, encode_jpeg
from pipeline.pack.dataset import Drawn

Pixels = NDArray[Any]  # uint8 (H, W, 3), RGB; OpenCV returns arrays of no stated type
Floats = NDArray[np.floating]


@dataclass(frozen=True)
class FaceSet:
    """Faces of several kinds of photographs as one list."""

    parts: tuple[Drawn, ...]

    def __len__(self) -> int:
        return sum(len(part.photo) for part in self.parts)

    def locate(self, face: int) -> tuple[Drawn, int]:
        """The part that holds face number `face`, and its number there."""
        for part in self.parts:
            if face < len(part.photo):
                return part, face
            face -= len(part.photo)
        raise IndexError(f"face {face} is beyond the last of {len(self)}")

    def photo(self, face: int) -> Pixels:
        """The photograph (H, W, 3) that shows a face."""
        part, index = self.locate(face)
        return part.images[part.photo[index]]

    @property
    def person(self) -> NDArray[np.int64]:
        """(F,) the person of each face."""
        return np.concatenate([part.person for part in self.parts])

    @property
    def box(self) -> Floats:
        """(F, 4) the box of each face."""
        return np.concatenate([part.box for part in self.parts])

    @property
    def landmarks(self) -> Floats:
        """(F, 68, 2) the landmarks of each face."""
        return np.concatenate([part.landmarks for part in self.parts])

    @property
    def kps(self) -> Floats:
        """(F, 5, 2) the five key points of each face."""
        return kps_from_landmarks68(self.landmarks)


def similarity(points: Floats, target: Floats) -> Floats:
    """The 2 x 3 similarity that brings `points` (P, 2) nearest to `target` (P, 2) in the least squares (Umeyama 1991).

    In the plane it has a closed form with a = s cos, b = s sin, in a quarter of scikit-image's time.
    """
    source_mean, target_mean = points.mean(0), target.mean(0)
    source, aim = points - source_mean, target - target_mean
    a, b = np.array([(source * aim).sum(), (source[:, 0] * aim[:, 1] - source[:, 1] * aim[:, 0]).sum()]) / (
        (source**2).sum() + 1e-12
    )
    turn = np.array([[a, -b], [b, a]], np.float32)
    return np.concatenate([turn, (target_mean - turn @ source_mean)[:, None]], axis=1).astype(np.float32)


def shrink(photo: Pixels, factor: float) -> tuple[Pixels, Floats]:
    """The photograph made smaller by `factor` in (0, 1], and the (x, y) factors by which points move."""
    height, width = photo.shape[:2]
    new = (max(8, round(width * factor)), max(8, round(height * factor)))
    scale = np.array([new[0] / width, new[1] / height], np.float32)
    return cv2.resize(photo, new, interpolation=cv2.INTER_AREA), scale


def recompress(photo: Pixels, quality: int) -> Pixels:
    """The photograph after JPEG of a quality in 1..100."""
    return decode(encode_jpeg(photo, quality))


def spoil(crop: Pixels, rng: np.random.Generator) -> Pixels:
    """Blur, noise, exposure and white balance, each sometimes: what cameras do to a face without changing who it is."""
    dice = rng.random(3)
    if dice[0] < 0.15:
        crop = cv2.GaussianBlur(crop, (0, 0), rng.uniform(0.4, 1.2))
    if dice[1] < 0.5:
        gain = rng.uniform(0.8, 1.2) * rng.uniform(0.95, 1.05, 3)
        crop = cv2.LUT(crop, _curve(gain, rng.uniform(0.85, 1.18)))
    if dice[2] < 0.2:
        noise = rng.normal(0.0, rng.uniform(2.0, 8.0), crop.shape)
        crop = np.clip(crop + noise, 0, 255).astype(np.uint8)
    return crop


def _curve(gain: NDArray[np.float64], gamma: float) -> Pixels:
    """A lookup table (1, 256, 3): gain per channel and a gamma."""
    levels = (np.arange(256) / 255.0)[:, None] ** gamma * gain
    return np.clip(levels * 255.0, 0, 255).astype(np.uint8)[None]
