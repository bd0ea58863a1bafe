"""Angles are the camera's, and the first camera is right where there is no noise."""

import numpy as np
import pytest

from pipeline.head import pose
from pipeline.head.camera import Camera, project, rotation


@pytest.mark.parametrize("wanted", [(30, -10, 5), (-75, 20, -30), (0, 0, 90)])
def test_angles_invert_the_camera(wanted: tuple[float, float, float]) -> None:
    found = pose.angles(rotation(*wanted).astype(np.float64)[None])[0]
    np.testing.assert_allclose(found, wanted, atol=1e-4)


def test_first_camera_recovers_exact_points() -> None:
    vertices = np.random.default_rng(0).normal(size=(68, 3)).astype(np.float32)
    camera = Camera(yaw=25, pitch=-12, roll=8, scale=4.5, tx=61, ty=47)
    points, _ = project(vertices, camera)
    turned, scale, shift = pose.first_camera(points[None].astype(float), vertices.astype(float), np.ones(68))
    np.testing.assert_allclose(pose.angles(turned)[0], (25, -12, 8), atol=1e-3)
    np.testing.assert_allclose([scale[0], *shift[0]], [4.5, 61, 47], rtol=1e-4)


def test_turn_is_rodrigues() -> None:
    eye = np.eye(3)[None]
    np.testing.assert_allclose(pose.turn(eye, np.array([[0, np.radians(30), 0]]))[0], rotation(30, 0, 0), atol=1e-6)
    np.testing.assert_allclose(pose.turn(eye, np.zeros((1, 3))), eye)
