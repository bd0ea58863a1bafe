"""The skin as a grid of rows (crown to neck) and columns (around the head), slit open at the eyes and the mouth.

A slit is a stretch of one row whose vertices exist twice, once for the skin above and once for the skin below:
so eyelids and lips can part. Lengths are in centimetres; the origin is between the ears at the height of the nose tip.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]

EYE_ROW, MOUTH_ROW = 3.2, -3.3
EYE_INNER, EYE_OUTER, MOUTH_CORNER = 1.62, 4.98, 2.62  # where slits end, |x| at the average face
UPPER_LIP, LOWER_LIP = 0.8, 1.0  # rows of vermilion above and below the mouth's row

# row, front y z, side y x z, back y z: three outlines of the average head, without nose, brows, eyes and lips
OUTLINE = np.array(
    [
        [13.4, 13.40, -0.5, 13.4, 0.00, -0.5, 13.4, -0.5],
        [13.2, 13.30, 1.2, 13.25, 1.50, -0.6, 13.2, -2.2],
        [12.8, 12.95, 3.2, 12.8, 3.10, -0.8, 12.6, -4.3],
        [12.0, 12.15, 5.5, 12.0, 4.75, -0.9, 11.7, -6.2],
        [10.5, 10.55, 7.7, 10.5, 6.20, -0.9, 10.2, -8.0],
        [9.0, 9.0, 8.95, 9.0, 6.95, -0.8, 8.6, -8.9],
        [7.0, 7.0, 9.65, 7.0, 7.30, -0.6, 6.6, -9.3],
        [5.0, 5.0, 9.8, 5.0, 7.35, -0.3, 4.6, -9.0],
        [3.2, 3.2, 9.55, 3.2, 7.3, -0.2, 3.0, -8.4],
        [1.5, 1.5, 9.5, 1.5, 7.15, -0.1, 1.4, -7.6],
        [-0.5, -0.5, 9.5, -0.5, 6.95, 0.0, -0.5, -6.6],
        [-2.0, -2.0, 9.65, -2.0, 6.6, 0.0, -2.0, -6.0],
        [-3.3, -3.3, 9.7, -3.3, 6.25, 0.0, -3.3, -5.6],
        [-4.6, -4.6, 9.55, -4.4, 5.75, 0.0, -4.6, -5.3],
        [-6.0, -6.0, 9.5, -5.2, 5.20, -0.1, -5.8, -5.2],
        [-7.0, -7.1, 9.3, -5.8, 4.75, -0.3, -6.6, -5.2],
        [-7.8, -7.85, 8.5, -6.3, 4.40, -0.6, -7.4, -5.2],
        [-8.6, -8.4, 6.8, -7.0, 4.15, -0.9, -8.0, -5.2],
        [-9.4, -9.0, 5.0, -8.0, 4.05, -1.2, -8.6, -5.2],
        [-10.4, -10.0, 4.1, -9.6, 4.05, -1.4, -9.8, -5.2],
        [-12.0, -12.0, 3.7, -12.0, 4.20, -1.5, -12.0, -5.4],
        [-16.0, -16.0, 3.6, -16.0, 5.40, -1.5, -16.0, -5.6],
    ]
)
outline = PchipInterpolator(OUTLINE[::-1, 0], OUTLINE[::-1, 1:])


@dataclass(frozen=True)
class Grid:
    """The average skin before sculpting; N vertices.

    `row` (N,) is the height coordinate, `angle` (N,) the azimuth in degrees (0 front, positive to x > 0).
    `eye_side`, `mouth_side` (N,) are +1 above, -1 below and 0 on the ends of the slits.
    `number` (rows, columns) finds the vertex of a grid point: the upper one on slits.
    """

    points: Floats  # (N, 3)
    row: Floats
    angle: Floats
    eye_side: Floats
    mouth_side: Floats
    triangles: Ints
    number: Ints
    lower: dict[int, int]  # upper slit vertex -> its lower twin


def rows() -> Floats:
    """Row coordinates from the crown down, dense where the face is; the slits' rows are among them."""
    pieces = [
        [13.38, 13.2, 12.8, 12.2, 11.5, 10.8, 10.1, 9.5, 8.9, 8.3, 7.7, 7.1],
        np.linspace(6.7, 4.9, 12),
        np.linspace(4.72, EYE_ROW, 8),
        np.linspace(EYE_ROW, 1.8, 7)[1:],
        np.linspace(1.5, 0.6, 4),
        np.linspace(0.36, -1.3, 9),
        np.linspace(-1.55, -2.3, 4),
        [MOUTH_ROW + UPPER_LIP + 0.04],
        np.linspace(MOUTH_ROW + UPPER_LIP, MOUTH_ROW, 5),
        np.linspace(MOUTH_ROW, MOUTH_ROW - LOWER_LIP, 6)[1:],
        [MOUTH_ROW - LOWER_LIP - 0.04],
        np.linspace(-4.65, -7.5, 10),
        [-7.8, -8.2, -8.6, -9.0, -9.4, -9.9, -10.6, -11.5, -12.5, -14.0, -16.0],
    ]
    return np.concatenate([np.asarray(piece, float) for piece in pieces])


def angles() -> Floats:
    """Azimuths in degrees from -180, every 2.2 degrees over the face and coarser behind it."""
    face = np.arange(0, 66.1, 2.2)
    rest = np.array([70, 74, 78, 82, 86, 90, 97, 106, 117, 130, 145, 162, 180.0])
    half = np.concatenate([face, rest])
    return np.concatenate([-half[:0:-1], half])[1:]


def base_surface(row: Floats, angle: Floats) -> Floats:
    """Points (N, 3) of the three blended outlines: rings that are superellipses, tilted from front to back."""
    yf, zf, ys, xs, zs, yb, zb = outline(row).T
    sine, cosine = np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle))
    front = cosine >= 0
    power = 2.0 + 0.35 * smooth(row, -5.0, -2.0)
    depth = (1 - np.abs(sine) ** power) ** (1 / power)
    z = np.where(front, zs + (zf - zs) * depth, zs + (zb - zs) * np.abs(cosine))
    y = ys + (np.where(front, yf, yb) - ys) * cosine**2
    return np.stack([xs * sine, y, z], -1)


def front_depth(x: Floats, y: Floats) -> Floats:
    """Depth z of the average face at (x, y): the surface on which eyes and lips slide."""
    _, zf, _, xs, zs, _, _ = np.moveaxis(outline(np.clip(y, -16, 13.3)), -1, 0)
    power = 2.0 + 0.35 * smooth(y, -5.0, -2.0)
    share = np.clip(np.abs(x) / xs, 0, 0.999)
    return zs + (zf - zs) * (1 - share**power) ** (1 / power)


def smooth(value: ArrayLike, low: ArrayLike, high: ArrayLike) -> Floats:
    """0 below `low`, 1 above `high`, a smooth step between (either may be the larger)."""
    start, end = np.asarray(low), np.asarray(high)
    share = np.clip((np.asarray(value) - start) / (end - start), 0, 1)
    return share * share * (3 - 2 * share)


def slit_columns(columns: Floats, row: float, inner: float, outer: float) -> Ints:
    """Columns strictly between the two ends of a slit, given by x on the average face."""
    x = base_surface(np.full(len(columns), row), columns)[:, 0]
    near = [int(np.argmin(np.where(np.abs(columns) < 66, np.abs(x - end), np.inf))) for end in (inner, outer)]
    return np.arange(near[0] + 1, near[1], dtype=np.int32)


def make_grid() -> Grid:
    """The grid with its three slits (right eye, left eye, mouth) and its triangles."""
    row_values, columns = rows(), angles()
    count = len(columns)
    number = np.arange(len(row_values) * count, dtype=np.int32).reshape(len(row_values), count)
    eye, mouth = (int(np.argmin(np.abs(row_values - value))) for value in (EYE_ROW, MOUTH_ROW))
    slits = [
        (eye, slit_columns(columns, EYE_ROW, -EYE_OUTER, -EYE_INNER)),
        (eye, slit_columns(columns, EYE_ROW, EYE_INNER, EYE_OUTER)),
        (mouth, slit_columns(columns, MOUTH_ROW, -MOUTH_CORNER, MOUTH_CORNER)),
    ]
    below, lower = number.copy(), {}
    twins: list[int] = []
    for row, cut in slits:
        for column in cut:
            below[row, column] = number.size + len(twins)
            lower[int(number[row, column])] = int(below[row, column])
            twins.append(int(number[row, column]))
    order = np.concatenate([np.arange(number.size), np.array(twins)])
    row_of, angle_of = np.repeat(row_values, count)[order], np.tile(columns, len(row_values))[order]
    sides = [np.sign(row_of - value) for value in (EYE_ROW, MOUTH_ROW)]
    for upper, twin in lower.items():
        side = sides[0] if abs(row_of[upper] - EYE_ROW) < 1e-9 else sides[1]
        side[upper], side[twin] = 1, -1
    triangles = grid_triangles(number, below)
    return Grid(base_surface(row_of, angle_of), row_of, angle_of, sides[0], sides[1], triangles, number, lower)


def grid_triangles(number: NDArray, below: NDArray) -> Ints:
    """Triangles (f, 3) of a grid that closes around; cells hang under `below` and stand on `number`."""
    right = np.roll(np.arange(number.shape[1]), -1)
    return halves(below[:-1], below[:-1][:, right], number[1:], number[1:][:, right])


def halves(a: NDArray, b: NDArray, c: NDArray, d: NDArray) -> Ints:
    """Two triangles per cell from its corners, each (rows, columns): upper left, upper right, lower left, right."""
    upper, lower = np.stack([a, c, b], -1), np.stack([b, c, d], -1)
    return np.concatenate([upper.reshape(-1, 3), lower.reshape(-1, 3)]).astype(np.int32)


def open_triangles(rows: int, columns: int) -> Ints:
    """Triangles (f, 3) of a sheet whose rows go down and whose columns go to the image's right, facing the viewer."""
    number = np.arange(rows * columns).reshape(rows, columns)
    return halves(number[:-1, :-1], number[:-1, 1:], number[1:, :-1], number[1:, 1:])


def ring_triangles(rows: int, columns: int) -> Ints:
    """Triangles (f, 3) of a sheet that closes around."""
    number = np.arange(rows * columns).reshape(rows, columns)
    return grid_triangles(number, number)
