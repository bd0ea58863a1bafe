"""Light is read back from a head that was shaded with it."""

import numpy as np
import pytest

from pipeline.head.camera import Camera, project
from pipeline.head.model import Head
from pipeline.head.raster import interpolate, rasterise, vertex_normals
from pipeline.shapes.light import LightFitter, harmonics, solve

CAMERA = Camera(yaw=20, pitch=-5, roll=3, scale=4.5, tx=64, ty=64)
LIGHT = np.array([1.6, 0.25, 0.2, -0.3, 0.05, 0.0, 0.04, -0.03, 0.02])


def photograph(head: Head, light: np.ndarray) -> np.ndarray:
    points, depth = project(head.mean, CAMERA)
    normals = vertex_normals(head.mean, head.triangles) @ CAMERA.rotation().T
    grey = np.repeat(harmonics(normals) @ light, 3).reshape(-1, 3).astype(np.float32)
    shown = interpolate(grey, head.triangles, rasterise(points, depth, head.triangles, (128, 128)))
    return (shown.clip(0, 1) * 255).astype(np.uint8)


def test_light_is_found_again(head: Head) -> None:
    nothing = np.zeros(len(head.identity)), np.zeros(len(head.expression))
    found = LightFitter(head)(photograph(head, LIGHT), *nothing, CAMERA)
    seen = harmonics(vertex_normals(head.mean, head.triangles) @ CAMERA.rotation().T)
    visible = seen[:, 2] > 0.3 * 0.488603
    assert np.abs((seen @ (found - LIGHT))[visible]).mean() < 0.03
    assert found[3] < -0.1, "the light comes from the image's left"


def test_a_face_outside_the_photo_has_no_light(head: Head) -> None:
    outside = Camera(0, 0, 0, 4.5, tx=900, ty=64)
    nothing = np.zeros(len(head.identity)), np.zeros(len(head.expression))
    assert np.isnan(LightFitter(head)(np.zeros((128, 128, 3), np.uint8), *nothing, outside)).all()


def test_harmonics_are_orthonormal_on_the_sphere() -> None:
    normals = np.random.default_rng(0).normal(size=(200_000, 3))
    basis = harmonics(normals / np.linalg.norm(normals, axis=1, keepdims=True))
    np.testing.assert_allclose(4 * np.pi * basis.T @ basis / len(basis), np.eye(9), atol=0.03)


def test_constant_light_is_exact() -> None:
    normals = np.random.default_rng(0).normal(size=(500, 3))
    basis = harmonics(normals / np.linalg.norm(normals, axis=1, keepdims=True))
    assert solve(basis, np.full(500, 0.6))[0] == pytest.approx(0.6 / 0.282095, rel=1e-3)
