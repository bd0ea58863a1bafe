"""The head's colours: a mean albedo and a linear basis of skin tone, eyes, brows, lips, beard and marks.

Colours are gamma encoded RGB in [0, 1]; each mode is a change per standard deviation. Modes called marks
(beard, moles, freckles, ...) are one-sided in the population: see population.py.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.world.anatomy.face_parts import EYE_RINGS, EYE_SPOKES, IRIS, PUPIL
from pipeline.world.anatomy.grid import EYE_ROW, LOWER_LIP, MOUTH_CORNER, MOUTH_ROW, UPPER_LIP, Floats, Grid, smooth
from pipeline.world.anatomy.sculpt import EYE_HALF, EYE_X, bump

SKIN = np.array([0.77, 0.58, 0.48])
LIP = np.array([0.70, 0.36, 0.34])
BROW = np.array([0.27, 0.18, 0.13])
GROWTH = np.array([-0.195, -0.20, -0.185])  # a beard, per standard deviation
IRIS_COLOUR = np.array([0.35, 0.33, 0.28])

MOLES = {
    "mole_left_cheek": (3.3, -0.9),
    "mole_right_cheek": (-3.9, -1.6),
    "mole_lip": (1.75, -2.35),
    "mole_chin": (-1.3, -5.6),
    "mole_brow": (-2.6, 7.0),
    "mole_jaw": (4.0, -4.4),
}


def brow(x: Floats, y: Floats, thickness: float = 1.0) -> Floats:
    """Density (N,) of both brows, 0 to 1."""
    along = (np.abs(x) - 1.25) / 4.35
    inside = np.clip(along, 0, 1)
    centre = 5.42 + 0.36 * np.sin(np.pi * np.clip(inside * 0.95, 0, 1) ** 1.25) + 0.08 * inside
    half = thickness * (0.37 - 0.22 * inside**1.6)
    across = np.exp(-((np.abs((y - centre) / half)) ** 3.0))
    return across * smooth(along, -0.08, 0.06) * smooth(along, 1.06, 0.9)


def lip_mask(grid: Grid) -> Floats:
    """Density (N,) of the vermilion."""
    d, across = grid.row - MOUTH_ROW, np.abs(grid.points[:, 0]) / MOUTH_CORNER
    inside = (d < UPPER_LIP + 0.01) & (d > -LOWER_LIP - 0.01)
    return inside * smooth(across, 1.05, 0.93) * (np.abs(grid.angle) < 60)


def mean_skin(grid: Grid, x: Floats, y: Floats) -> Floats:
    """Average colours (N, 3) of the skin with brows, lids and lips painted on."""
    d, ax, plain = grid.row - MOUTH_ROW, np.abs(x), np.tile(SKIN, (len(x), 1))
    colour = plain.copy()
    warm = (
        0.5 * bump(ax, y, 3.9, -0.6, 1.8, 1.5)
        + 0.5 * bump(x, y, 0, 0.2, 1.3, 1.0)
        + 0.4 * bump(x, y, 0, -6.6, 1.6, 1.0)
    )
    colour += warm[:, None] * np.array([0.02, -0.045, -0.04])
    shade = (
        nostrils(x, y) * 0.6 + 0.25 * bump(ax, y, EYE_X, 2.05, 1.5, 0.4) + crease(grid, x) * 0.55 + socket(ax, y) * 0.12
    )
    colour *= (1 - 0.8 * np.clip(shade, 0, 1))[:, None]
    colour = blend(colour, LIP, 0.85 * lip_mask(grid))
    seam = np.exp(-((d / 0.09) ** 2)) * smooth(ax / MOUTH_CORNER, 1.12, 0.95)
    colour = blend(colour, np.array([0.28, 0.12, 0.11]), 0.75 * seam)
    colour = blend(colour, np.array([0.12, 0.08, 0.07]), lashes(grid, x))
    colour = blend(colour, BROW, 0.82 * brow(x, y))
    return np.where((np.abs(grid.angle) < 80)[:, None], colour, plain)


def blend(colour: Floats, other: Floats, share: Floats) -> Floats:
    """Colours (N, 3) moved towards `other` by a share (N,)."""
    return colour + (other - colour) * share[:, None]


def nostrils(x: Floats, y: Floats) -> Floats:
    """Darkness (N,) of the nostrils."""
    return bump(np.abs(x), y, 0.66, -1.0, 0.34, 0.17)


def socket(ax: Floats, y: Floats) -> Floats:
    """Shade (N,) of the inner corners of the eye sockets."""
    return bump(ax, y, 1.55, 3.6, 0.5, 0.7)


def crease(grid: Grid, x: Floats) -> Floats:
    """Darkness (N,) of the fold over the upper lids."""
    across = (np.abs(x) - EYE_X) / EYE_HALF
    return np.exp(-(((grid.row - EYE_ROW - 0.62) / 0.13) ** 2)) * smooth(np.abs(across), 1.15, 0.8)


def lashes(grid: Grid, x: Floats) -> Floats:
    """Darkness (N,) of the lids' rims, the upper one stronger."""
    rim = (np.abs(grid.row - EYE_ROW) < 1e-6) * (np.abs(grid.eye_side) > 0)
    near = (np.abs(grid.row - EYE_ROW - 0.217) < 0.03) * 0.35
    across = smooth(np.abs((np.abs(x) - EYE_X) / EYE_HALF), 1.05, 0.9)
    return (rim * np.where(grid.eye_side > 0, 0.95, 0.45) + near) * across


def hair_area(x: Floats, y: Floats, z: Floats) -> dict[str, Floats]:
    """Densities (N,) of the places where a beard can grow."""
    ax, lips_free = np.abs(x), 1 - np.exp(-(((y + 3.35) / 1.0) ** 4) - (x / 2.4) ** 4)
    moustache = np.exp(-(((y + 1.95 + 0.12 * ax) / 0.55) ** 4) - (ax / 2.7) ** 6) * lips_free
    goatee = bump(x, y, 0, -6.3, 1.9, 1.5) ** 0.6 * smooth(y, -4.1, -5.0)
    line = np.interp(ax, [0, 1.6, 2.6, 4.5, 5.7, 6.5], [-4.9, -4.7, -3.3, -2.9, -0.6, 1.6])
    above_neck = smooth(y, -9.4, -7.9) * smooth(z, 0.0, 2.5)
    full = smooth(y, line + 0.5, line - 0.7) * above_neck
    whiskers = (
        smooth(ax, 5.3, 6.5) * smooth(y, 3.6, 1.4) * smooth(y, -4.2, -0.8) * smooth(z, -0.5, 1.5) * smooth(z, 6.0, 4.0)
    )
    return {
        "moustache": moustache,
        "goatee": goatee * above_neck * lips_free,
        "beard": np.maximum(full, whiskers) * lips_free,
        "sideburns": whiskers,
    }


def skin_modes(grid: Grid, points: Floats) -> dict[str, Floats]:
    """Changes (N, 3) of the skin's colour per standard deviation."""
    x, y, _ = points.T
    ax = np.abs(x)
    front = smooth(np.abs(grid.angle), 100, 70)
    bare = 1 - 0.85 * lip_mask(grid)
    result = {
        "skin_light": tint(bare, 0.115, 0.132, 0.135),
        "skin_warm": tint(bare, 0.004, 0.012, -0.028),
        "skin_red": tint(bare, 0.018, -0.016, -0.010),
        "lip_red": tint(lip_mask(grid), 0.05, -0.055, -0.035),
        "lip_light": tint(lip_mask(grid), 0.085, 0.075, 0.075),
        "blush": tint(front * bump(ax, y, 4.0, -0.5, 1.7, 1.2), 0.025, -0.06, -0.042),
        "nose_red": tint(front * bump(x, y, 0, 0.1, 1.5, 1.0), 0.025, -0.055, -0.04),
        "under_eye": tint(front * bump(ax, y, EYE_X, 1.85, 1.5, 0.55), -0.085, -0.09, -0.06),
        "eyelids": tint(front * bump(ax, y, EYE_X + 0.1, 4.05, 1.6, 0.5), -0.075, -0.10, -0.05),
        "forehead_tone": tint(front * smooth(y, 5.8, 7.5), 0.045, 0.05, 0.045),
        "lower_face_tone": tint(front * smooth(y, -1.8, -4.0), -0.05, -0.035, -0.02),
    }
    return result | brow_modes(x, y, front) | mark_modes(points, front)


def brow_modes(x: Floats, y: Floats, front: Floats) -> dict[str, Floats]:
    """Changes (N, 3) of the brows: thickness, darkness, density. Their place and arch are geometry."""
    plain, change = front * brow(x, y), 0.82 * (BROW - SKIN)
    thicker = front * (brow(x, y, 1.4) - brow(x, y, 0.6)) / 2
    return {
        "brow_thick": thicker[:, None] * change,
        "brow_light": tint(plain, 0.15, 0.10, 0.055),
        "brow_faint": -0.3 * plain[:, None] * change,
    }


def mark_modes(points: Floats, front: Floats) -> dict[str, Floats]:
    """Changes (N, 3) of the one-sided modes: beards, moles, freckles, patches."""
    x, y, z = points.T
    ax = np.abs(x)
    grown = hair_area(x, y, z)
    thick = np.random.default_rng(5).uniform(0.82, 1.12, len(x))
    result = {name: (front * np.clip(area, 0, 1))[:, None] * thick[:, None] * GROWTH for name, area in grown.items()}
    result["stubble"] = (front * np.clip(sum(grown.values()), 0, 1))[:, None] * np.array([-0.12, -0.09, -0.05])
    for name, (cx, cy) in MOLES.items():
        result[name] = (front * np.exp(-((np.hypot(x - cx, y - cy) / 0.33) ** 4)))[:, None] * np.array(
            [-0.26, -0.26, -0.22]
        )
    result["brow_bridge"] = (front * bump(x, y, 0, 5.3, 0.9, 0.35))[:, None] * 0.4 * (BROW - SKIN)
    speckle = np.random.default_rng(7).random(len(x)) < 0.2
    place = bump(ax, y, 2.9, 0.4, 2.2, 1.5) + bump(x, y, 0, 1.0, 1.4, 1.2)
    result["freckles"] = (front * speckle * np.clip(place, 0, 1))[:, None] * np.array([-0.11, -0.13, -0.12])
    result["patch_left"] = tint(
        front * np.exp(-((((x - 4.6) / 1.2) ** 2 + ((y - 1.0) / 1.7) ** 2) ** 2)), -0.10, -0.17, -0.12
    )
    result["patch_forehead"] = tint(
        front * np.exp(-((((x + 2.3) / 1.8) ** 2 + ((y - 7.7) / 1.0) ** 2) ** 2)), -0.13, -0.16, -0.13
    )
    return result


def tint(mask: NDArray, red: float, green: float, blue: float) -> Floats:
    """A change of colour (N, 3) where a mask (N,) is."""
    return mask[:, None] * np.array([red, green, blue])


def eye_rings() -> Floats:
    """Ring radius (n,) of every point of an eyeball."""
    return np.repeat(EYE_RINGS, EYE_SPOKES)


def mean_eye() -> Floats:
    """Average colours (n, 3) of an eyeball: pupil, iris with a darker rim, sclera."""
    ring = eye_rings()
    colour = np.where((ring < IRIS)[:, None], IRIS_COLOUR, np.array([0.87, 0.85, 0.82]))
    colour = np.where(((ring > 0.78) & (ring < IRIS))[:, None], IRIS_COLOUR * 0.55, colour)
    colour = np.where((ring < PUPIL)[:, None], 0.03, colour)
    return colour * (1 - 0.3 * smooth(ring, 1.2, 1.7))[:, None]


def eye_modes() -> dict[str, Floats]:
    """Changes (n, 3) of the iris per standard deviation."""
    ring = eye_rings()
    iris = ((ring > PUPIL) & (ring < IRIS)) * np.where(ring > 0.78, 0.55, 1.0)
    return {
        "iris_blue": tint(iris, -0.10, 0.03, 0.15),
        "iris_green": tint(iris, -0.04, 0.08, -0.05),
        "iris_light": tint(iris, 0.13, 0.125, 0.11),
    }


def mean_teeth(rows: int, columns: int) -> Floats:
    """Colours (n, 3) of the teeth, with a hint of the gaps between them."""
    gaps = 1 - 0.1 * (np.arange(columns) % 2)
    return np.tile(np.array([0.93, 0.9, 0.84]), (rows * columns, 1)) * np.tile(gaps, rows)[:, None]


def mean_cavity(jaw: Floats) -> Floats:
    """Colours (n, 3) of the mouth's inside: dark above, tongue below."""
    return np.array([0.2, 0.07, 0.07]) + jaw[:, None] * np.array([0.36, 0.14, 0.13])
