"""Painting on pictures of bytes: what spatial conditions are made of."""

from collections.abc import Sequence

import numpy as np
from skimage.draw import disk, line_aa

from pipeline.head.model import Floats
from pipeline.images import Pixels


def dot(canvas: Pixels, point: Floats, radius: float, colour: Sequence[int]) -> None:
    """Paint a disk onto (H, W, C), in place."""
    rows, columns = disk((point[1], point[0]), radius, shape=canvas.shape[:2])
    canvas[rows, columns] = colour


def stroke(canvas: Pixels, start: Floats, end: Floats, colour: Sequence[int]) -> None:
    """Paint a line onto (H, W, C), in place; where lines cross, the brighter one is seen."""
    height, width = canvas.shape[:2]
    ends = np.clip(np.round([start[::-1], end[::-1]]), -4 * max(height, width), 4 * max(height, width)).astype(int)
    rows, columns, shade = line_aa(*ends[0], *ends[1])
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    rows, columns, shade = rows[inside], columns[inside], shade[inside]
    painted = (shade[:, None] * np.asarray(colour)).astype(np.uint8)
    canvas[rows, columns] = np.maximum(canvas[rows, columns], painted)


def as_bytes(values: Floats) -> Pixels:
    """Numbers in [0, 1] as bytes."""
    return np.clip(np.round(values * 255), 0, 255).astype(np.uint8)
