"""Grade faces: sharpness, yaw, quality, and why a face is not used."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import laplace

from pipeline.settings import FacesSettings

Floats = NDArray[np.float32]

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
OUTER_EYES, NOSE_TIP = (36, 45), 30
# How far the nose tip lies before the outer eye corners, in half distances between them: 1.00 on ICT-FaceKit's scanned
# mean head, 0.70 on the drawn one.
NOSE_DEPTH = 0.85
# Sharpness and size at which a face earns half of that factor of its quality.
HALF_SHARP, HALF_SIZE = 0.10, 28.0


def sharpness(crop: NDArray[np.uint8]) -> float:
    """Spread of the Laplacian over spread of the grey level, of an aligned face (H, W, 3), at least 0.

    Relative, so that a dim photo of low contrast does not count as blurred (variance of the Laplacian: Pech-Pacheco et
    al., ICPR 2000). A small face that alignment enlarges is blurred to the recogniser, and counts as such. The outer
    quarter is left out: it shows background, or the black beyond the photo's edge.
    """
    edge_y, edge_x = crop.shape[0] // 4, crop.shape[1] // 4
    grey = np.einsum("hwc,c->hw", crop.astype(np.float32), LUMA)  # `@` has other last bits on other processors
    inner = (slice(edge_y, -edge_y), slice(edge_x, -edge_x))
    return float(laplace(grey)[inner].std() / max(float(grey[inner].std()), 1.0))


def yaw_degrees(landmarks: Floats) -> Floats:
    """Rough yaw (N,) of landmarks (N, 68, 2): positive where the face turns to the image's right.

    A head turned by yaw shows its nose tip depth * sin(yaw) beside the middle of its outer eye corners, which lie
    cos(yaw) apart: the tangent follows from the ratio. It is measured along the line of the eyes: roll does not count.
    """
    left, right = landmarks[:, OUTER_EYES[0]], landmarks[:, OUTER_EYES[1]]
    half = np.linalg.norm(right - left, axis=1) / 2
    along = (right - left) / np.maximum(2 * half, 1e-6)[:, None]
    offset = ((landmarks[:, NOSE_TIP] - (left + right) / 2) * along).sum(axis=1)
    return np.rad2deg(np.arctan2(offset, NOSE_DEPTH * half)).astype(np.float32)


def shorter_side(boxes: Floats) -> Floats:
    """The shorter side (N,) of boxes (N, 4), pixels."""
    return np.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])


def quality(scores: Floats, sides: Floats, sharp: Floats, yaws: Floats) -> Floats:
    """Quality (N,) in [0, 1]: score * side / (side + HALF_SIZE) * sharp / (sharp + HALF_SHARP) * max(cos yaw, 0).

    Each factor is monotonous and none can outweigh another that is near zero, so that the best photos of a person are
    those without a fault. It ranks photos; nothing is rejected by it.
    """
    seen = np.maximum(np.cos(np.deg2rad(yaws)), 0.0)
    product = np.clip(scores, 0.0, 1.0) * sides / (sides + HALF_SIZE) * sharp / (sharp + HALF_SHARP) * seen
    return np.clip(product, 0.0, 1.0).astype(np.float32)


def reject(settings: FacesSettings, score: float, side: float, sharp: float, yaw: float) -> str | None:
    """The first reason why a face is not used: low_score, too_small, turned_away or blurred; None when it is."""
    if score < settings.min_score:
        return "low_score"
    if side < settings.min_face:
        return "too_small"
    if abs(yaw) > settings.max_yaw:
        return "turned_away"
    return "blurred" if sharp < settings.min_sharpness else None
