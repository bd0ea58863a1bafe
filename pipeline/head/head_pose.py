"""A person's head as one picture holds it: whose shape, how it is held, where."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.head.camera import Camera, project
from pipeline.head.model import Floats, Head, combine


@dataclass(frozen=True)
class Posed:
    """A posed head; lengths in pixels of the picture."""

    shape: Floats  # (K,)
    expression: Floats  # (E,)
    camera: Camera
    landmarks: Floats  # (68, 2) as the picture or the layout has them, whoever's shape that is


def in_photo(face: Mapping[str, Any]) -> Posed:
    """A face of a photo, a row of records.face_struct; its shape is its person's, over all of their photos."""
    return Posed(
        shape=np.asarray(face["shape"], np.float32),
        expression=np.asarray(face["expression"], np.float32),
        camera=Camera(face["yaw"], face["pitch"], face["roll"], face["scale"], *face["translation"]),
        landmarks=np.asarray(face["landmarks"], np.float32).reshape(-1, 2),
    )


def transformed(person: Posed, turn: Floats) -> Posed:
    """The same head after a similarity (2, 3) of the picture: a turn, a change of size and a shift."""
    linear, shift = turn[:, :2], turn[:, 2]
    scale = float(np.sqrt(abs(np.linalg.det(linear))))
    angle = float(np.degrees(np.arctan2(linear[1, 0], linear[0, 0])))
    camera = person.camera
    place = linear @ np.array([camera.tx, camera.ty]) + shift
    return Posed(
        shape=person.shape,
        expression=person.expression,
        camera=Camera(camera.yaw, camera.pitch, camera.roll + angle, camera.scale * scale, *place.tolist()),
        landmarks=(person.landmarks @ linear.T + shift).astype(np.float32),
    )


def landmarks_of(head: Head, person: Posed) -> tuple[Floats, Floats]:
    """The 68 landmarks of the posed head: pixels (68, 2), and depths (68,) in pixels, which grow towards the viewer."""
    where = head.landmarks68
    vertices = head.mean[where] + combine(person.shape, head.identity[:, where])
    return project(vertices + combine(person.expression, head.expression[:, where]), person.camera)
