"""Deformations of the whole head, applied alike to skin, eyes, ears and teeth: proportions, jaw, neck."""

from __future__ import annotations

import numpy as np

from pipeline.world.anatomy.grid import MOUTH_CORNER, MOUTH_ROW, Floats, Grid, smooth
from pipeline.world.anatomy.sculpt import Parameters, bump

JAW_HINGE = np.array([0.0, 1.2, 1.0])  # y, z of the axis through both jaw joints
JAW_ANGLE = np.deg2rad(15.0)


def jaw_weight(grid: Grid) -> Floats:
    """How far each skin vertex (N,) follows the lower jaw: a step across the lips, a slope beside them."""
    d, across = grid.row - MOUTH_ROW, np.abs(grid.points[:, 0]) / MOUTH_CORNER
    corner = np.clip(across, 0, 1) ** 4
    upper = 0.5 * corner * (1 - smooth(d, 0.0, 2.6))
    lower = 1 - 0.5 * corner * (1 - smooth(-d, 0.0, 2.6))
    inside = np.where(grid.mouth_side > 0, upper, np.where(grid.mouth_side < 0, lower, 0.5))
    outside = smooth(d, 2.6, -2.6)
    weight = inside + (outside - inside) * smooth(across, 1.0, 1.5)
    return weight * smooth(np.abs(grid.angle), 98, 66) * smooth(grid.row, -10.2, -8.0)


def swing_jaw(points: Floats, weight: Floats, p: Parameters) -> Floats:
    """Turns points (N, 3) about the jaw's hinge, to first order (so the mode is linear), and shifts them sideways."""
    arm_y, arm_z = points[:, 1] - JAW_HINGE[1], points[:, 2] - JAW_HINGE[2]
    angle = JAW_ANGLE * p["jawOpen"] * weight
    shift = weight * 0.55 * (p["jawLeft"] - p["jawRight"])
    return points + np.stack([shift, -arm_z * angle, arm_y * angle], -1)


def proportions(points: Floats, p: Parameters) -> Floats:
    """Stretches points (N, 3): widths of skull, cheekbones, jaw, chin and neck; lengths of the parts of the face."""
    x, y, z = points.T
    face = smooth(z, -3.0, 3.0)
    wide = 0.042 * p["head_width"] + 0.05 * p["forehead_width"] * np.exp(-(((y - 8.5) / 3.0) ** 2))
    wide = wide + 0.045 * p["cheek_width"] * np.exp(-(((y - 0.8) / 2.6) ** 2))
    wide = wide + 0.085 * p["jaw_width"] * np.exp(-(((y + 4.6) / 2.5) ** 2))
    wide = wide + 0.1 * p["chin_width"] * np.exp(-(((y + 7.3) / 1.6) ** 2)) * face
    wide = wide + 0.08 * p["neck_width"] * smooth(y, -8.0, -9.5)
    cheeks = (0.7 * p["cheekPuff"] + 0.22 * p["cheek_fullness"]) * bump(np.abs(x), y, 5.0, -2.6, 1.7, 2.0)
    squared = 0.35 * p["jaw_square"] * bump(np.abs(x), y, 5.2, -5.2, 1.6, 1.7) + cheeks
    down = (
        -0.26 * p["face_length"] * smooth(y, 4.0, -7.0)
        - 0.42 * p["chin_length"] * smooth(y, -3.8, -7.0)
        + 0.55 * p["forehead_height"] * smooth(y, 6.0, 11.0)
    )
    down = down * face + 0.55 * p["forehead_height"] * smooth(y, 6.0, 11.0) * (1 - face)
    slope = -0.5 * p["forehead_slope"] * smooth(y, 5.5, 10.0) * face
    profile = 0.3 * p["midface"] * np.exp(-(((y + 0.5) / 3.0) ** 2)) * smooth(z, 2.0, 9.0)
    back = -0.5 * p["head_depth"] * smooth(z, 1.0, -6.0)
    return np.stack([x * (1 + wide) + np.sign(x) * squared, y + down, z + slope + profile + back], -1)
