"""From the plain skin to a face: openings, sockets, brows, nose, lips, cheeks, chin.

Everything is a smooth function of named parameters `p`: identity parameters in standard deviations, expression
parameters (ARKit names) from 0 to 1. The bases of the 3DMM are finite differences of these functions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from pipeline.world.anatomy.grid import (
    EYE_INNER,
    EYE_OUTER,
    EYE_ROW,
    LOWER_LIP,
    MOUTH_CORNER,
    MOUTH_ROW,
    UPPER_LIP,
    Floats,
    Grid,
    front_depth,
    smooth,
)

Parameters = Mapping[str, float]
EYE_X, EYE_HALF = (EYE_INNER + EYE_OUTER) / 2, (EYE_OUTER - EYE_INNER) / 2
EYE_RADIUS = 1.78
SIDES = (("Right", -1.0), ("Left", 1.0))


def parameters(values: Parameters) -> defaultdict[str, float]:
    """Named values, everything else 0."""
    return defaultdict(float, values)


def bump(x: Floats, y: Floats, cx: float, cy: float, width: float, height: float) -> Floats:
    """A Gaussian hill of height 1 at (cx, cy)."""
    return np.exp(-(((x - cx) / width) ** 2) - ((y - cy) / height) ** 2)


def plateau(distance: Floats, flat: float, width: float) -> Floats:
    """1 up to a distance, then half of a Gaussian."""
    return np.exp(-((np.maximum(np.abs(distance) - flat, 0) / width) ** 2))


def slide(grid: Grid, p: Parameters) -> tuple[Floats, Floats]:
    """Where the skin's points lie in the frontal plane after eyes and mouth are placed and opened: x, y (N,)."""
    x, y = grid.points[:, 0].copy(), grid.points[:, 1].copy()
    front = smooth(np.abs(grid.angle), 88, 62)
    dx, dy = np.zeros_like(x), np.zeros_like(y)
    for name, side in SIDES:
        eye = open_eye(grid, p, name, side)
        dx, dy = dx + eye[0], dy + eye[1]
    mouth = shape_mouth(grid, p)
    brows = move_brows(grid, p)
    return x + front * (dx + mouth[0] + brows[0]), y + front * (dy + mouth[1] + brows[1])


def lid_heights(p: Parameters, name: str) -> tuple[float, float]:
    """Heights of the upper and the lower lid's middle over the eye's row."""
    upper = 0.86 * (1 + 0.14 * p["eye_openness"]) + 0.3 * p[f"eyeWide{name}"] - 0.22 * p[f"eyeSquint{name}"]
    lower = (
        -0.5 * (1 + 0.1 * p["eye_openness"])
        + 0.24 * p[f"eyeSquint{name}"]
        + 0.12 * p[f"cheekSquint{name}"]
        - 0.05 * p[f"eyeWide{name}"]
    )
    blink = p[f"eyeBlink{name}"]  # lids overlap a little, so that larger eyes close as well
    return upper + (-0.42 - upper) * blink, lower + (-0.28 - lower) * blink


def open_eye(grid: Grid, p: Parameters, name: str, side: float) -> tuple[Floats, Floats]:
    """Shifts (N,), (N,) that place one eye's neighbourhood and part its lids."""
    x, y = grid.points[:, 0], grid.points[:, 1]
    across = (x * side - EYE_X) / EYE_HALF  # -1 at the inner corner, 1 at the outer
    near = plateau(across, 0.9, 0.75) * plateau(y - EYE_ROW, 0.6, 1.5) * (x * side > 0)
    arch = np.clip(1 - np.abs(across) ** 2.2, 0, 1)
    upper, lower = lid_heights(p, name)
    fade = np.exp(-(((grid.row - EYE_ROW) / 1.25) ** 2))
    skew = 1 - 0.22 * across + 0.12 * p["eye_skew"] * across
    skew = 1 + (skew - 1) * (1 - p[f"eyeBlink{name}"])  # closed lids meet on one line
    lift = np.where(grid.eye_side > 0, upper * skew, lower * (2 - skew)) * arch**0.8 * fade * (x * side > 0)
    scale = 0.09 * p["eye_width"]
    tilt = 0.09 + 0.075 * p["eye_tilt"]
    dx = side * near * (0.34 * p["eye_spacing"] + scale * across * EYE_HALF)
    dy = near * (tilt * across * EYE_HALF + 0.3 * p["eye_height"] + 0.10 * p["eye_size"] * (y - EYE_ROW))
    return dx, dy + lift * (1 + 0.12 * p["eye_size"])


def shape_mouth(grid: Grid, p: Parameters) -> tuple[Floats, Floats]:
    """Shifts (N,), (N,) that place the mouth, give the lips their outline and move the corners."""
    x, d = grid.points[:, 0], grid.row - MOUTH_ROW
    across = x / MOUTH_CORNER
    near = plateau(across, 1.0, 0.8) * plateau(d, 1.0, 1.6)
    dy = lip_outline(d, across, p) - d
    dy += near * (0.24 * p["mouth_height"] + 0.10 * p["mouth_bow"] * (across**2 - 0.4) + 0.12 * across**2)
    dx = near * x * (0.125 * p["mouth_width"] - 0.45 * p["mouthPucker"] - 0.22 * p["mouthFunnel"])
    for name, side in SIDES:
        here = smooth(across * side, 0.0, 1.0) * near
        smile, frown, stretch = p[f"mouthSmile{name}"], p[f"mouthFrown{name}"], p[f"mouthStretch{name}"]
        dx += side * here * (0.62 * smile + 0.05 * frown + 0.5 * stretch)
        dy += here * (0.98 * smile - 0.75 * frown - 0.22 * stretch)
    return dx, dy + part_lips(grid, p, across)


def part_lips(grid: Grid, p: Parameters, across: Floats) -> Floats:
    """Vertical shifts (N,) of lip muscles that lift the upper or lower the lower lip."""
    d = grid.row - MOUTH_ROW
    arch = np.clip(1 - across**2, 0, 1) ** 0.7
    result = np.zeros_like(across)
    for name, side in SIDES:
        here = smooth(across * side, -0.5, 0.5) * arch
        result += here * 0.42 * p[f"mouthUpperUp{name}"] * (grid.mouth_side > 0) * np.exp(-((d / 1.3) ** 2))
        result -= here * 0.48 * p[f"mouthLowerDown{name}"] * (grid.mouth_side < 0) * np.exp(-((d / 1.4) ** 2))
    opened = 0.5 * p["mouthFunnel"] * arch * np.exp(-((d / 1.5) ** 2))
    return result + opened * grid.mouth_side


def lip_outline(d: Floats, across: Floats, p: Parameters) -> Floats:
    """Heights over the mouth's line of rows `d` over its row: the vermilion narrows towards the corners."""
    taper = np.clip(1 - across**2, 0.0, 1) ** 0.65
    bow = (
        1
        - (0.16 + 0.06 * p["lip_bow"]) * np.exp(-((across / 0.16) ** 2))
        + 0.06 * np.exp(-(((np.abs(across) - 0.28) / 0.16) ** 2))
    )
    inside = smooth(np.abs(across), 1.7, 1.0)
    upper = UPPER_LIP * (1 - (1 - (0.72 + 0.19 * p["upper_lip"]) * (0.1 + 0.9 * taper) * bow) * inside)
    lower = LOWER_LIP * (1 - (1 - (0.84 + 0.2 * p["lower_lip"]) * (0.1 + 0.9 * taper)) * inside)
    over = d - (UPPER_LIP - upper) * smooth(d, UPPER_LIP + 1.5, UPPER_LIP)
    under = d + (LOWER_LIP - lower) * smooth(-d, LOWER_LIP + 1.5, LOWER_LIP)
    above = np.where(d > UPPER_LIP, over, d / UPPER_LIP * upper)
    below = np.where(d < -LOWER_LIP, under, d / LOWER_LIP * lower)
    return np.where(d > 0, above, below)


def move_brows(grid: Grid, p: Parameters) -> tuple[Floats, Floats]:
    """Shifts (N,), (N,) of the brows: their place on this face and their play."""
    x, y = grid.points[:, 0], grid.points[:, 1]
    dx, dy = np.zeros_like(x), np.zeros_like(y)
    for name, side in SIDES:
        inner = bump(x * side, y, 1.5, 5.3, 1.5, 1.25)
        middle = bump(x * side, y, 3.2, 5.6, 1.7, 1.3)
        outer = bump(x * side, y, 5.0, 5.3, 1.6, 1.3)
        whole = np.minimum(inner + middle + outer, 1.0)
        dy += (
            whole * 0.3 * p["brow_height"]
            + outer * 0.2 * p["brow_tilt"]
            - inner * 0.12 * p["brow_tilt"]
            + middle * 0.18 * p["brow_arch"]
        )
        dy += (
            inner * 0.75 * p["browInnerUp"]
            - (inner * 0.52 + middle * 0.36) * p[f"browDown{name}"]
            + (outer + middle) * 0.62 * p[f"browOuterUp{name}"]
        )
        dx -= side * inner * 0.22 * p[f"browDown{name}"]
    return dx, dy


def eye_centre(p: Parameters, side: float) -> Floats:
    """Centre (3,) of an eyeball, before the whole head's deformations."""
    x, y = EYE_X + 0.34 * p["eye_spacing"], EYE_ROW + 0.12 + 0.3 * p["eye_height"]
    return np.array([side * x, y, 7.5 + 0.16 * p["eye_depth"]])


def relief(grid: Grid, p: Parameters, x: Floats, y: Floats) -> Floats:
    """Depth z (N,) of the sculpted face at its slid places (x, y)."""
    plain = grid.points[:, 2] + front_depth(x, y) - front_depth(grid.points[:, 0], grid.points[:, 1])
    z = np.where(np.abs(grid.angle) < 86, plain, grid.points[:, 2])
    front = smooth(np.abs(grid.angle), 88, 55)
    z = z + front * (bones(p, x, y) + nose(p, x, y) + lips(grid, p) + soft_play(p, x, y))
    return lids(grid, p, x, y, z)


def bones(p: Parameters, x: Floats, y: Floats) -> Floats:
    """Relief (N,) of brow ridge, sockets, cheekbones, cheeks, temples and chin."""
    ax = np.abs(x)
    eye_x, eye_y = EYE_X + 0.34 * p["eye_spacing"], EYE_ROW + 0.3 * p["eye_height"]
    brow = (
        (0.34 + 0.2 * p["brow_ridge"])
        * np.exp(-(((y - 5.0 - 0.2 * p["brow_height"]) / 0.95) ** 2))
        * smooth(ax, 6.6, 3.5)
    )
    sockets = -(0.95 - 0.12 * p["eye_depth"]) * bump(ax, y, eye_x - 0.15, eye_y + 0.25, 1.9, 1.35) - 0.32 * bump(
        ax, y, 1.6, 3.6, 0.8, 1.2
    )
    cheekbone = (0.5 + 0.3 * p["cheekbones"]) * bump(ax, y, 4.7, 0.9 + 0.25 * p["cheekbone_height"], 1.7, 1.3)
    cheeks = (0.12 + 0.42 * p["cheek_fullness"]) * bump(ax, y, 4.2, -2.3, 1.8, 2.2)
    temples = -0.3 * bump(ax, y, 6.3, 6.0, 1.4, 2.2)
    chin = (0.55 + 0.42 * p["chin_forward"]) * bump(x, y, 0, -6.4, 1.75, 1.15) - 0.38 * bump(x, y, 0, -4.95, 1.7, 0.5)
    cleft = -(0.06 + 0.16 * p["chin_cleft"]) * bump(x, y, 0, -6.6, 0.32, 0.8)
    fold = (
        -0.16 * np.exp(-(((ax - (1.75 - 0.36 * (y + 0.6))) / 0.32) ** 2)) * smooth(y, -3.2, -2.2) * smooth(y, 0.2, -0.8)
    )
    forehead = (0.25 * p["forehead_bulge"]) * bump(x, y, 0, 7.8, 4.5, 1.8)
    return brow + sockets + cheekbone + cheeks + temples + chin + cleft + fold + forehead


def nose(p: Parameters, x: Floats, y: Floats) -> Floats:
    """Relief (N,) of the nose: bridge, tip, wings and nostrils."""
    ax = np.abs(x)
    base = -1.15 - 0.42 * p["nose_length"]
    tip = base + 0.95 + 0.3 * p["nose_tip_up"]
    top = 4.6
    along = np.clip((top - y) / (top - tip), 0, 1)
    height = (
        0.25 + (1.05 + 0.28 * p["nose_bridge"]) * along**0.8 + (1.15 + 0.42 * p["nose_tip"]) * along**3.2
    ) * smooth(y, top + 0.9, top - 1.4)
    height += 0.36 * p["nose_hump"] * np.exp(-(((y - 2.2) / 0.85) ** 2))
    height *= smooth(y, base - 0.3, tip + 0.02)
    width = (0.74 + 0.1 * p["nose_bridge_width"]) + (0.34 + 0.15 * p["nose_bulb"]) * along**3
    ridge = height * np.exp(-((ax / width) ** 2))
    reach = 1.32 + 0.25 * p["nose_width"]
    wings = (
        (0.98 + 0.1 * p["nose_width"])
        * bump(ax, y, reach, base + 0.62, 0.62, 0.62)
        * smooth(y, base - 0.35, base + 0.35)
    )
    nostrils = -0.28 * bump(ax, y, 0.62 + 0.1 * p["nose_width"], base + 0.22, 0.3, 0.2)
    sneer = sum(0.25 * p[f"noseSneer{name}"] * bump(x * side, y, 1.2, 0.4, 0.7, 0.9) for name, side in SIDES)
    return ridge + wings + nostrils + sneer


def lips(grid: Grid, p: Parameters) -> Floats:
    """Relief (N,) of the lips, which swell between outline and slit, and of the groove above them."""
    d, across = grid.row - MOUTH_ROW, grid.points[:, 0] / MOUTH_CORNER
    taper = np.clip(1 - across**2, 0, 1) ** 0.55
    wide = np.exp(-((across / 1.15) ** 4))
    mound = (0.45 + 0.2 * p["mouth_forward"]) * wide * np.exp(-((d / 2.1) ** 2)) + (
        0.9 * p["mouthPucker"] + 0.7 * p["mouthFunnel"]
    ) * np.exp(-((across / 0.8) ** 2) - (d / 1.5) ** 2)
    upper = (0.30 + 0.1 * p["upper_lip"]) * taper * np.exp(-(((d - 0.42) / 0.42) ** 2)) * (d >= 0)
    lower = (0.42 + 0.12 * p["lower_lip"]) * taper * np.exp(-(((d + 0.5) / 0.48) ** 2)) * (d <= 0)
    seam = -0.22 * np.exp(-((d / 0.16) ** 2)) * smooth(np.abs(across), 1.25, 0.9)
    philtrum = -0.15 * bump(grid.points[:, 0], d, 0, 1.5, 0.28, 0.6)
    return mound + upper + lower + seam + philtrum


def soft_play(p: Parameters, x: Floats, y: Floats) -> Floats:
    """Relief (N,) of cheeks that fill with air or rise with a smile."""
    result = 1.0 * p["cheekPuff"] * bump(np.abs(x), y, 4.3, -2.6, 1.8, 2.0)
    for name, side in SIDES:
        lifted = 0.34 * p[f"mouthSmile{name}"] + 0.3 * p[f"cheekSquint{name}"]
        result = result + lifted * bump(x * side, y, 3.9, 0.0, 1.5, 1.4)
        result = result - 0.25 * p[f"mouthSmile{name}"] * bump(x * side, y, 2.9, -1.9, 0.5, 1.4)
    return result


def lids(grid: Grid, p: Parameters, x: Floats, y: Floats, z: Floats) -> Floats:
    """Lays the skin around the eyes over the eyeballs: depth (N,)."""
    for _, side in SIDES:
        centre = eye_centre(p, side)
        radius = EYE_RADIUS * (1 + 0.05 * p["eye_size"]) + 0.22
        distance = (x - centre[0]) ** 2 + (y - centre[1]) ** 2
        ball = centre[2] + np.sqrt(np.clip(radius**2 - distance, 0, None))
        over = (distance < radius**2) & (np.abs(grid.angle) < 66)
        soft = 0.5 * (z + ball + np.sqrt((z - ball) ** 2 + 0.05))  # a rounded maximum
        crease = -0.1 * np.exp(-(((grid.row - EYE_ROW - 0.62) / 0.12) ** 2))
        z = np.where(over, z + (soft + crease - z) * smooth(distance, radius**2, 0.82 * radius**2), z)
    return z
