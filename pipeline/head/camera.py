"""A weak perspective camera: rotate, scale, shift.

Pixels: x to the right, y down, and (0, 0) is the centre of the first pixel. Depth grows towards the viewer.
Yaw turns the face to the image's right, pitch lifts the chin, roll tilts the head clockwise as seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Camera:
    """Angles in degrees; `scale` in pixels per unit of the head; `tx`, `ty` the pixel of the head's origin."""

    yaw: float
    pitch: float
    roll: float
    scale: float
    tx: float
    ty: float

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Camera:
        """The camera of a row with yaw, pitch, roll, scale and translation (x, y)."""
        return cls(row["yaw"], row["pitch"], row["roll"], row["scale"], *row["translation"])

    def rotation(self, dtype: DTypeLike = np.float32) -> Floats:
        """Matrix (3, 3) from head axes to viewer axes (x right, y up, z towards the viewer)."""
        return rotation(self.yaw, self.pitch, self.roll, dtype)


def rotation(yaw: float, pitch: float, roll: float, dtype: DTypeLike = np.float32) -> Floats:
    """Rotation matrix (3, 3): first yaw about y, then pitch about x, then roll about z; degrees."""
    y, p, r = np.deg2rad([yaw, pitch, -roll])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return np.einsum("ij,jk,kl", about_z, about_x, about_y).astype(dtype)


def turned(points: Floats, matrix: Floats) -> Floats:
    """Points (..., 3) after a rotation (3, 3).

    Not by `@`: BLAS has other kernels for other processors, and what is drawn would differ between machines.
    """
    return np.einsum("...i,ji->...j", points, matrix)


def project(vertices: Floats, camera: Camera) -> tuple[Floats, Floats]:
    """Pixels (..., V, 2) and depths (..., V), in pixels too, of vertices (..., V, 3)."""
    seen = turned(vertices, camera.rotation()) * np.float32(camera.scale)
    origin = np.array([camera.tx, camera.ty], np.float32)
    return seen[..., :2] * np.array([1, -1], np.float32) + origin, seen[..., 2]
