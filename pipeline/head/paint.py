"""Painting on pictures of bytes: what spatial conditions are made of."""

from collections.abc import Sequence

import numpy as np
from skimage.draw import disk

from pipeline.head.model import Floats
from pipeline.images import Pixels


def dot(canvas: Pixels, point: Floats, radius: float, colour: Sequence[int]) -> None:
    """Paint a disk onto (H, W, C), in place."""
    rows, columns = disk((point[1], point[0]), radius, shape=canvas.shape[:2])
    canvas[rows, columns] = colour


def stroke(canvas: Pixels, start: Floats, end: Floats, colour: Sequence[int]) -> None:
    """Paint a line onto (H, W, C), in place; where lines cross, the brighter one is seen.

    A pixel is lit by its distance from the line, all of it on the line and nothing a pixel away, so that ends and
    slopes show to fractions of a pixel: expressions move a small face's landmarks by less than one.
    """
    start, end = np.asarray(start, np.float64), np.asarray(end, np.float64)
    low, high = np.floor(np.minimum(start, end)) - 1, np.ceil(np.maximum(start, end)) + 2
    (left, top), (right, bottom) = np.clip([low, high], 0, canvas.shape[1::-1]).astype(int).tolist()
    window = canvas[top:bottom, left:right]
    pixels = np.stack(np.meshgrid(np.arange(left, right), np.arange(top, bottom)), axis=-1)  # (h, w, 2) x, y
    shade = (1 - _distance(pixels - start, end - start)).clip(0, 1)
    np.maximum(window, as_bytes(shade[..., None] * np.asarray(colour) / 255), out=window)


def _distance(points: Floats, line: Floats) -> Floats:
    """Of points (..., 2) from the stretch between the origin and the end of `line` (2,)."""
    along = (points @ line / max(float(line @ line), 1e-9)).clip(0, 1)
    return np.linalg.norm(points - along[..., None] * line, axis=-1)


def as_bytes(values: Floats) -> Pixels:
    """Numbers in [0, 1] as bytes."""
    return np.clip(np.round(values * 255), 0, 255).astype(np.uint8)
