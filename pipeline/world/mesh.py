"""Pieces of mesh with everything the shader needs, and the shapes that several of them are made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.world.anatomy.grid import ring_triangles

SKIN, EYE, HAIR, CLOTH, MOUTH, FRAME = range(6)
Floats = NDArray[np.float32]
Ints = NDArray[np.int32]


@dataclass(frozen=True)
class Piece:
    """n vertices, in the frame of the head or of the torso."""

    points: Floats  # (n, 3)
    triangles: Ints  # (f, 3)
    colours: Floats  # (n, 3) gamma encoded
    materials: NDArray[np.int64]  # (n,)
    cover: Floats  # (n,) see raster.rasterise
    threads: Floats  # (n,)

    def moved(self, points: Floats) -> Piece:
        """The same piece with its vertices elsewhere (n, 3)."""
        return replace(self, points=points)


def piece(
    points: ArrayLike,
    triangles: ArrayLike,
    colour: ArrayLike,
    material: ArrayLike,
    cover: ArrayLike = 1.0,
    threads: ArrayLike = 0.0,
) -> Piece:
    """A piece; sizes (R, C, 3) and (R, C) are flattened, and what is one value holds for all vertices."""
    places = np.asarray(points, np.float32).reshape(-1, 3)
    count = len(places)

    def each(value: ArrayLike) -> Floats:
        array = np.asarray(value, np.float32)
        return np.full(count, array) if array.ndim == 0 else array.reshape(-1)

    colours = np.broadcast_to(np.asarray(colour, np.float32).reshape(-1, 3), (count, 3))
    materials = np.broadcast_to(np.asarray(material, np.int64), (count,))
    return Piece(places, np.asarray(triangles, np.int32), colours, materials, each(cover), each(threads))


def merge(pieces: Sequence[Piece]) -> Piece:
    """Pieces of one frame as one."""
    starts = np.cumsum([0, *(len(part.points) for part in pieces[:-1])])
    triangles = [part.triangles + np.int32(start) for part, start in zip(pieces, starts, strict=True)]
    return Piece(
        np.concatenate([part.points for part in pieces]),
        np.concatenate(triangles),
        np.concatenate([part.colours for part in pieces]),
        np.concatenate([part.materials for part in pieces]),
        np.concatenate([part.cover for part in pieces]),
        np.concatenate([part.threads for part in pieces]),
    )


def ball(centre: np.ndarray, radii: np.ndarray, rows: int = 12, columns: int = 18) -> tuple[np.ndarray, Ints]:
    """Points and triangles of an ellipsoid."""
    down = np.linspace(0.01, np.pi - 0.01, rows)[:, None]
    around = np.linspace(-np.pi, np.pi, columns, endpoint=False)
    ring = [np.sin(down) * np.sin(around), np.cos(down) * np.ones(columns), np.sin(down) * np.cos(around)]
    return np.stack(ring, -1).reshape(-1, 3) * radii + centre, ring_triangles(rows, columns)


def tube(line: np.ndarray, radius: float, closed: bool, sides: int = 6) -> tuple[np.ndarray, Ints]:
    """Points and triangles of a tube around a polyline (n, 3)."""
    ahead = np.roll(line, -1, 0) - np.roll(line, 1, 0) if closed else np.gradient(line, axis=0)
    ahead = ahead / (np.linalg.norm(ahead, axis=1, keepdims=True) + 1e-9)
    reference = np.where(np.abs(ahead[:, 2:]) > 0.8, np.array([[0.0, 1.0, 0.0]]), np.array([[0.0, 0.0, 1.0]]))
    first = np.cross(ahead, reference)
    first /= np.linalg.norm(first, axis=1, keepdims=True) + 1e-9
    second = np.cross(ahead, first)
    turn = np.linspace(0, 2 * np.pi, sides, endpoint=False)[:, None]
    points = line[:, None] + radius * (np.cos(turn) * first[:, None] + np.sin(turn) * second[:, None])
    if closed:
        points = np.concatenate([points, points[:1]])
    return points.reshape(-1, 3), ring_triangles(len(points), sides)
