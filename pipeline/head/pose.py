"""Scaled orthography: a first camera from landmarks, small turns of it, and its angles.

All functions work on a batch of N faces at once. Rotations and angles are those of pipeline/head/camera.py.
"""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# A degenerate set of points (all equal, say) must give a finite camera, whose residual then rejects the face.
TINY = 1e-9


def first_camera(points: Array, vertices: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Rotations (N, 3, 3), scales (N,) and shifts (N, 2) that lay vertices (68, 3) on points (N, 68, 2).

    The affine camera of least squares, then the nearest rotation to it: a start, not the optimum.

    Args:
        weights: (68,) of the points.
    """
    design = np.concatenate([vertices, np.ones((len(vertices), 1))], axis=1)  # (68, 4)
    solve = np.linalg.pinv(design * weights[:, None]) * weights  # (4, 68)
    affine = np.swapaxes(solve @ points, 1, 2)  # (N, 2, 4)
    linear = affine[:, :, :3] * np.array([[1.0], [-1.0]])  # pixels have y down, the head has y up
    left, stretch, right = np.linalg.svd(linear, full_matrices=False)
    rows = left @ right  # (N, 2, 3), the nearest pair of orthonormal rows
    rotation = np.concatenate([rows, np.cross(rows[:, 0], rows[:, 1])[:, None]], axis=1)
    return rotation, np.maximum(stretch.mean(axis=1), TINY), affine[:, :, 3]


def turn(rotation: Array, omega: Array) -> Array:
    """Rotations (N, 3, 3) followed by the turn about the axis `omega` (N, 3), whose length is the angle in radians.

    Rodrigues' formula.
    """
    angle = np.linalg.norm(omega, axis=1)[:, None, None]
    x, y, z = omega.T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(-1, 3, 3)
    sine = np.sinc(angle / np.pi)
    cosine = 0.5 * np.sinc(angle / (2 * np.pi)) ** 2  # (1 - cos angle) / angle^2
    return (np.eye(3) + sine * cross + cosine * cross @ cross) @ rotation


def angles(rotation: Array) -> Array:
    """Yaw, pitch and roll (N, 3) in degrees of rotations (N, 3, 3): the inverse of head.camera.rotation."""
    yaw = np.arctan2(-rotation[:, 2, 0], rotation[:, 2, 2])
    pitch = np.arcsin(np.clip(-rotation[:, 2, 1], -1.0, 1.0))
    roll = np.arctan2(rotation[:, 0, 1], rotation[:, 1, 1])
    return np.degrees(np.stack([yaw, pitch, roll], axis=1))
