"""The parts that are not skin: eyeballs, ears, teeth and the mouth's inside. Each gives points for parameters `p`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.world.anatomy.grid import MOUTH_ROW, Floats, Ints, front_depth, open_triangles, ring_triangles, smooth
from pipeline.world.anatomy.sculpt import EYE_RADIUS, Parameters, eye_centre

IRIS, PUPIL = 0.86, 0.36
EYE_RINGS = np.array([0.0, 0.33, 0.4, 0.6, 0.74, 0.84, 0.93, 1.1, 1.3, 1.5, 1.66])
EYE_SPOKES = 20


@dataclass(frozen=True)
class Part:
    """Points (n, 3), triangles (f, 3) and how far each point follows the lower jaw (n,)."""

    points: Floats
    triangles: Ints
    jaw: Floats


def eyeball(p: Parameters, name: str, side: float) -> Part:
    """The front half of an eyeball: rings around the pupil, so that pupil and iris have sharp edges."""
    radius = EYE_RADIUS * (1 + 0.05 * p["eye_size"])
    turn = np.linspace(0, 2 * np.pi, EYE_SPOKES, endpoint=False)
    size = np.where(EYE_RINGS < 1.0, EYE_RINGS * (1 + 0.05 * p["eye_size"]), EYE_RINGS * radius / EYE_RADIUS)[:, None]
    x, y = size * np.cos(turn), size * np.sin(turn)
    z = np.sqrt(np.clip(radius**2 - x**2 - y**2, 0, None)) - 0.2 * smooth(size, 0.9, 1.66)
    y = y * (1 - 0.24 * smooth(size, 0.95, 1.6))  # flatter than the lids' opening is wide: it must stay behind them
    right = 0.3 * side * (p[f"eyeLookOut{name}"] - p[f"eyeLookIn{name}"])
    up = 0.26 * (p[f"eyeLookUp{name}"] - p[f"eyeLookDown{name}"])
    points = np.stack([x + right * z, y + up * z, z - right * x - up * y], -1).reshape(-1, 3) + eye_centre(p, side)
    points[:, 2] -= 0.75 * p[f"eyeBlink{name}"] + 0.12 * p[f"eyeSquint{name}"]  # out of the way of the closing lids
    return Part(points, ring_triangles(len(EYE_RINGS), EYE_SPOKES), np.zeros(len(points)))


def ear(p: Parameters, side: float) -> Part:
    """A shell with a rim and a lobe, standing off the side of the head."""
    across, down = np.meshgrid(np.linspace(0, 1, 9), np.linspace(-1, 1, 13))
    outline = np.sqrt(np.clip(1 - np.abs(down) ** 2.4, 0, 1)) * (1 - 0.22 * smooth(down, 0.1, 1.0))
    height = 2.75 * (1 + 0.13 * p["ear_size"])
    back = across * outline * 2.1 * (1 + 0.1 * p["ear_size"])
    stand = (0.4 + 0.2 * p["ear_stand"]) + 0.16
    rim = 0.32 * np.exp(-(((across - 0.82) / 0.14) ** 2)) - 0.35 * np.exp(
        -(((across - 0.5) / 0.22) ** 2) - (down / 0.6) ** 2
    )
    x = 6.72 + back * stand * 1.25 + rim * outline
    y = 1.55 - down * height - 0.3 * across * down**2 + 0.35 * across
    z = 0.9 - back + 0.12 * down
    points = np.stack([side * x, y, z], -1).reshape(-1, 3)
    return Part(points, open_triangles(13, 9)[:, :: int(side)], np.zeros(len(points)))


def teeth(p: Parameters) -> Part:
    """The upper row of teeth behind the lips."""
    x, y = np.meshgrid(np.linspace(-2.25, 2.25, 13), np.array([0.95, 0.4, -0.1, -0.34]))
    x = x * (1 + 0.08 * p["mouth_width"])
    line = MOUTH_ROW + 0.24 * p["mouth_height"]
    z = front_depth(x, np.full_like(x, line)) - 0.35 - 0.12 * x**2 + 0.2 * p["mouth_forward"]
    points = np.stack([x, y + line - 0.06 * np.abs(x), z], -1).reshape(-1, 3)
    return Part(points, open_triangles(4, 13), np.zeros(len(points)))


def cavity(p: Parameters) -> Part:
    """The dark inside of the mouth; its lower half is the tongue and follows the jaw."""
    x, y = np.meshgrid(np.linspace(-2.7, 2.7, 11), np.linspace(1.2, -1.5, 9))
    x = x * (1 + 0.1 * p["mouth_width"])
    line = MOUTH_ROW + 0.24 * p["mouth_height"]
    z = (
        front_depth(x, np.full_like(x, line))
        - 1.0
        - 0.14 * x**2
        - 0.5 * np.exp(-((y / 0.5) ** 2))
        + 0.2 * p["mouth_forward"]
    )
    points = np.stack([x, y + line, z], -1).reshape(-1, 3)
    return Part(points, open_triangles(9, 11), smooth(y, 0.3, -0.6).ravel())
