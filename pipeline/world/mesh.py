"""Pieces of mesh with everything the shader needs, and the shapes that several of them are made from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SKIN, EYE, HAIR, CLOTH, MOUTH, FRAME = range(6)
Array = NDArray[np.float32]


@dataclass(frozen=True)
class Piece:
    """n vertices of one material, in the frame of the head or of the torso."""

    points: Array  # (n, 3)
    triangles: NDArray[np.int32]  # (f, 3)
    colours: Array  # (n, 3) gamma encoded
    material: int
    cover: Array  # (n,) see raster.rasterise
    threads: Array  # (n,)


def piece(points: np.ndarray, triangles: np.ndarray, colour: object, material: int, cover: np.ndarray | None = None, threads: np.ndarray | None = None) -> Piece:
    """A piece from points (n, 3), triangles (f, 3) and one colour (3,) or many (n, 3)."""
    count = len(points)
    colours = np.broadcast_to(np.asarray(colour, np.float32), (count, 3)).copy()
    ones, zeros = np.ones(count, np.float32), np.zeros(count, np.float32)
    return Piece(
        points.astype(np.float32),
        triangles.astype(np.int32),
        colours,
        material,
        ones if cover is None else cover.astype(np.float32),
        zeros if threads is None else threads.astype(np.float32),
    )


def ring_triangles(rows: int, columns: int) -> NDArray[np.int32]:
    """Triangles of a grid (rows going down, columns going to the image's right in front) that closes around."""
    number = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
    right = np.roll(number, -1, 1)
    a, b, c, d = number[:-1], right[:-1], number[1:], right[1:]
    return np.concatenate([np.stack([a, c, b], -1).reshape(-1, 3), np.stack([b, c, d], -1).reshape(-1, 3)])


def ball(centre: np.ndarray, radii: np.ndarray, rows: int = 12, columns: int = 18) -> tuple[np.ndarray, NDArray[np.int32]]:
    """Points and triangles of an ellipsoid."""
    down = np.linspace(0.01, np.pi - 0.01, rows)[:, None]
    around = np.linspace(-np.pi, np.pi, columns, endpoint=False)
    points = np.stack([np.sin(down) * np.sin(around), np.cos(down) * np.ones(columns), np.sin(down) * np.cos(around)], -1).reshape(-1, 3)
    return points * radii + centre, ring_triangles(rows, columns)


def tube(line: np.ndarray, radius: float, closed: bool, sides: int = 6) -> tuple[np.ndarray, NDArray[np.int32]]:
    """Points and triangles of a tube around a polyline (n, 3)."""
    ahead = np.roll(line, -1, 0) - np.roll(line, 1, 0) if closed else np.gradient(line, axis=0)
    ahead = ahead / (np.linalg.norm(ahead, axis=1, keepdims=True) + 1e-9)
    reference = np.where(np.abs(ahead[:, 2:]) > 0.8, np.array([[0.0, 1.0, 0.0]]), np.array([[0.0, 0.0, 1.0]]))
    first = np.cross(ahead, reference)
    first /= np.linalg.norm(first, axis=1, keepdims=True) + 1e-9
    second = np.cross(ahead, first)
    turn = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    points = line[:, None] + radius * (np.cos(turn)[:, None] * first[:, None] + np.sin(turn)[:, None] * second[:, None])
    rows = len(line)
    if closed:
        points, rows = np.concatenate([points, points[:1]]), rows + 1
    return points.reshape(-1, 3), ring_triangles(rows, sides)
