"""Clothes on a torso: a lofted body, a cloth over it with a neckline, collars and scarves."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import PchipInterpolator

from pipeline.world.anatomy.grid import open_triangles, ring_triangles, smooth
from pipeline.world.attire import Look
from pipeline.world.mesh import CLOTH, SKIN, Piece, piece, tube
from pipeline.world.words import CLOTH_COLOURS

# height, half width, half depth, centre z of the torso from the collar down
LOFT = np.array(
    [
        [-9.6, 4.5, 4.8, -1.2],
        [-10.1, 4.9, 5.0, -1.2],
        [-10.9, 6.9, 5.5, -1.3],
        [-12.0, 10.6, 6.2, -1.4],
        [-13.2, 14.2, 6.8, -1.5],
        [-14.8, 16.4, 7.3, -1.5],
        [-17.5, 17.4, 7.9, -1.5],
        [-26.0, 17.6, 8.6, -1.5],
        [-60.0, 17.6, 8.6, -1.5],
    ]
)
loft = PchipInterpolator(-LOFT[:, 0], LOFT[:, 1:])
COLUMNS = 64


def torso(top: float, grown: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points (R, C, 3), heights and azimuths (R, C) of a torso that starts at a height and is wider by `grown`."""
    heights = np.concatenate([np.linspace(top, -14.0, 22), np.linspace(-14.8, -26, 7), [-36, -58]])
    around = np.linspace(-np.pi, np.pi, COLUMNS, endpoint=False)
    width, depth, centre = loft(np.maximum(-heights, 9.6)).T
    y, angle = np.meshgrid(heights, around, indexing="ij")
    x = (width[:, None] + grown) * np.sign(np.sin(angle)) * np.abs(np.sin(angle)) ** 0.9
    z = centre[:, None] + (depth[:, None] + grown) * np.cos(angle)
    sag = 0.8 * np.cos(angle) * smooth(y, -14.0, -10.0)  # a collar lies lower in front
    return np.stack([x, y - sag, z], -1), y, angle


def dress(look: Look, skin: np.ndarray) -> list[Piece]:
    """The pieces of a look's clothes over a body of colour `skin` (3,), in the torso's frame."""
    colour = np.array(CLOTH_COLOURS[look.cloth_colour])
    body, _, _ = torso(-10.2, -0.12)
    under = np.full(3, 0.9) if look.clothes == "jacket" and look.cloth_colour != "white" else skin
    pieces = [piece(body, ring_triangles(*body.shape[:2]), under, SKIN if under is skin else CLOTH)]
    points, y, angle = torso(-9.3 if look.clothes in ("turtleneck", "hoodie", "shirt") else -9.9, 0.1)
    cover = neckline(look.clothes, points[..., 0], points[..., 1], np.cos(angle) > 0)
    cloth = pattern(look.clothes, colour, points[..., 0], y, angle)
    pieces.append(piece(points, ring_triangles(*y.shape), cloth, CLOTH, cover))
    return pieces + trimmings(look.clothes, colour)


def neckline(kind: str, x: np.ndarray, y: np.ndarray, front: np.ndarray) -> np.ndarray:
    """Cover (R, C) of cloth around the neck, by kind."""
    if kind == "vneck":
        return np.where(front, 0.5 + np.abs(x) - (y + 14.6), 1.0)
    if kind == "jacket":
        return np.where(front, 0.5 + np.abs(x) * 1.9 - (y + 18.5), 1.0)
    if kind == "tshirt":
        return 0.5 + 3 * (np.hypot(x / 6.0, (y + 9.0) / 2.9) - 1)
    if kind == "shirt":
        return np.where(front, 0.5 + np.abs(x) * 1.3 - (y + 11.9), 1.0)
    return np.ones_like(x)


def pattern(kind: str, colour: np.ndarray, x: np.ndarray, y: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Colours (R, C, 3) of the cloth."""
    plain = np.broadcast_to(colour, (*x.shape, 3)).copy()
    light = np.array([0.93, 0.92, 0.88]) if colour.mean() < 0.72 else np.array([0.2, 0.22, 0.32])
    if kind == "striped":
        rows = np.arange(len(y))[:, None] // 2 % 2 == 0
        return np.where(np.broadcast_to(rows, x.shape)[..., None], plain, light)
    if kind == "checked":
        rows, columns = np.arange(len(y))[:, None] % 4 < 2, np.arange(x.shape[1])[None] % 4 < 2
        share = (rows.astype(float) + columns.astype(float)) / 2
        return plain * (1 - 0.6 * share[..., None]) + light * 0.6 * share[..., None] * 0.5
    if kind == "sweater":
        return plain * np.where((np.arange(len(y)) < 4)[:, None, None], 0.85, 1.0)
    if kind == "jacket":
        edge = np.abs(np.abs(x) * 1.9 - (y + 18.5)) < 2.6
        return plain * np.where(edge & (np.cos(angle) > 0), 0.72, 1.0)[..., None]
    if kind == "shirt":
        return plain * np.where((np.abs(x) < 0.5) & (np.cos(angle) > 0), 0.82, 1.0)[..., None]
    return plain


def trimmings(kind: str, colour: np.ndarray) -> list[Piece]:
    """Collars, hoods and scarves."""
    around = np.linspace(-np.pi, np.pi, 40, endpoint=False)
    if kind == "turtleneck":
        return [loop(around, 4.75, 4.9, -9.4, 0.75, colour), loop(around, 4.7, 4.8, -8.5, 0.6, colour * 0.95)]
    if kind == "hoodie":
        return [loop(around, 5.9, 6.2, -10.1, 1.25, colour * 0.95, tilt=0.22)]
    if kind == "scarf":
        return [
            loop(around, 5.4, 5.6, -9.7, 1.35, colour),
            loop(around, 5.9, 6.1, -11.0, 1.3, colour * 0.88, tilt=0.08),
        ]
    if kind == "shirt":
        return [flap(side, colour * 0.93) for side in (-1, 1)]
    return []


def loop(
    around: np.ndarray, wide: float, deep: float, y: float, radius: float, colour: np.ndarray, tilt: float = 0.1
) -> Piece:
    """A thick ring of cloth around the neck."""
    z = deep * np.cos(around)
    line = np.stack([wide * np.sin(around), y - tilt * z, z - 1.2], -1)
    return piece(*tube(line, radius, closed=True, sides=9), colour, CLOTH)


def flap(side: int, colour: np.ndarray) -> Piece:
    """One half of a shirt's collar."""
    around, down = np.meshgrid(np.linspace(0.12, 2.9, 14), np.linspace(0, 1, 4))
    drop = 0.6 + 2.5 * np.exp(-((around - 0.45) ** 2) / 0.16)
    x, z = (4.75 + 0.95 * down) * np.sin(around), (4.9 + 1.35 * down) * np.cos(around) - 1.2
    y = -9.0 - drop * down - 0.75 * np.cos(around)
    return piece(np.stack([side * x, y, z], -1), open_triangles(*x.shape), colour, CLOTH)
