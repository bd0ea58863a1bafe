"""A head as one picture holds it: the one type that goes from a layout or a photo to control images and to metrics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.head import pose
from pipeline.head.camera import Camera, project
from pipeline.head.fit import Basis, Fit
from pipeline.head.landmarks import eye_distance
from pipeline.head.model import Floats, Head, combine

Array = NDArray[np.floating]
Ints = NDArray[np.int64]
Size = tuple[int, int]  # width and height of a picture, pixels

# How far a face's box reaches beyond that of its 68 landmarks, in shares of the latter's sides: the mean over the
# published benchmark's layouts, whose boxes the detector found and whose landmarks are the head's mean shape.
ACROSS, ABOVE, BELOW = 0.014, 0.07, -0.008


@dataclass(frozen=True, eq=False)
class HeadPose:
    """Where a head is, how it is turned, and what face it makes; lengths in pixels of its picture.

    Four things make one: a photo's row, an object of layout.json, a stored case, and a fit to landmarks.
    """

    camera: Camera
    expression: Array  # (E,) weights of the head's expressions, from 0 to 1
    landmarks: Array  # (68, 2) as the picture has them; a layout's are those of the head's mean shape
    box: Array | None = None  # (4,) x1, y1, x2, y2 of the face
    shape: Array | None = None  # (K,) coefficients of the head's shape; None: the mean, as in a layout
    eye_distance: float | None = None  # between the outer corners, were the head seen from the front; errors' unit

    @classmethod
    def from_photo(cls, face: Mapping[str, Any]) -> "HeadPose":
        """A face of a photo, a row of records.face_struct; its shape is its person's, over all of their photos."""
        return cls(
            camera=Camera.from_row(face),
            expression=np.asarray(face["expression"], np.float32),
            landmarks=np.asarray(face["landmarks"], np.float32).reshape(-1, 2),
            box=np.asarray(face["box"], np.float64),
            shape=np.asarray(face["shape"], np.float32),
        )

    @classmethod
    def from_layout(cls, wanted: Mapping[str, Any], size: Size, head: Head) -> "HeadPose":
        """An object of layout.json on a picture of `size`: the face fills its box.

        The face has the box's area and middle; its proportions are the head's mean, whatever the box's are.
        """
        weights = wanted.get("expression", {})
        expression = np.array([float(weights.get(name, 0.0)) for name in head.expression_names])
        yaw, pitch, roll = (float(wanted.get(name, 0.0)) for name in ("yaw", "pitch", "roll"))
        box = np.array(wanted["box"], np.float64).reshape(2, 2) * size
        face = face_box(Camera(yaw, pitch, roll, 1.0, 0.0, 0.0), expression, head)
        scale = float(np.sqrt(np.prod(box[1] - box[0]) / np.prod(face[1] - face[0])))
        x, y = (box.mean(0) - scale * face.mean(0)).tolist()
        camera = Camera(yaw, pitch, roll, scale, x, y)
        return cls(camera, expression, np.empty((0, 2)), box.ravel()).on_canvas(size, (0.0, *size), head)

    @classmethod
    def from_case(cls, stored: Mapping[str, Any]) -> "HeadPose":
        """An entry of a stored case's layout or prior, as `stored` gives it."""
        return cls(
            camera=Camera.from_row(stored),
            expression=np.array(stored["expression"], np.float64),
            landmarks=np.array(stored["landmarks"], np.float64).reshape(-1, 2),
            box=np.array(stored["box"], np.float64),
        )

    @classmethod
    def from_fit(cls, fitted: Fit, points: Array, identity: Ints, basis: Basis) -> list["HeadPose"]:
        """The N fitted faces, with the landmarks (N, 68, 2) that they were fitted to and whose they are (N,)."""
        shapes = fitted.shape[identity]
        eyes = fitted.scale * eye_distance(basis.vertices(shapes, fitted.expression))
        cameras = np.column_stack([pose.angles(fitted.rotation), fitted.scale, fitted.translation]).tolist()
        return [
            cls(
                camera=Camera(*camera),
                expression=fitted.expression[number],
                landmarks=points[number],
                shape=shapes[number],
                eye_distance=float(eyes[number]),
            )
            for number, camera in enumerate(cameras)
        ]

    def stored(self) -> dict[str, Any]:
        """What a case keeps of it, in plain numbers."""
        camera = self.camera
        return {
            "box": [] if self.box is None else self.box.tolist(),
            "yaw": camera.yaw,
            "pitch": camera.pitch,
            "roll": camera.roll,
            "scale": camera.scale,
            "translation": [camera.tx, camera.ty],
            "expression": self.expression.tolist(),
            "landmarks": self.landmarks.ravel().tolist(),
        }

    def on_canvas(self, size: Size, column: tuple[float, float, float], head: Head) -> "HeadPose":
        """The pose without a shape, brought from a picture of `size` to a column (left, width, height) of a canvas.

        The picture is shrunk or grown until it fits. Numbers are rounded as a case stores them.
        """
        left, width, height = column
        factor = min(width / size[0], height / size[1])
        shift = np.array([left + (width - factor * size[0]) / 2, (height - factor * size[1]) / 2])
        shift += (factor - 1) / 2  # whole numbers are the centres of pixels
        camera, old = self.camera, np.array([self.camera.tx, self.camera.ty])
        moved = (old * factor + shift).tolist()
        large = Camera(camera.yaw, camera.pitch, camera.roll, camera.scale * factor, *moved)
        box = None if self.box is None else _rounded((self.box.reshape(2, 2) * factor + shift).ravel())
        free = replace(self, camera=large, shape=None)
        yaw, pitch, roll = (round(angle, 3) for angle in (camera.yaw, camera.pitch, camera.roll))
        return HeadPose(
            camera=Camera(yaw, pitch, roll, round(large.scale, 4), *_rounded(moved).tolist()),
            expression=_rounded(self.expression),
            landmarks=_rounded(free.project(head)[0].ravel()).reshape(-1, 2),
            box=box,
        )

    def with_shape(self, shape: NDArray[np.float64], basis: Basis) -> "HeadPose":
        """The same pose of a head of shape (K,), with that head's landmarks and eye distance."""
        vertices = basis.vertices(shape[None], np.asarray(self.expression, np.float64)[None])
        return replace(
            self,
            shape=shape,
            landmarks=project(vertices[0], self.camera)[0],
            eye_distance=float(self.camera.scale * eye_distance(vertices)[0]),
        )

    def for_drawing(self, shape: Floats) -> "HeadPose":
        """A layout's pose with the shape (K,) of who is drawn there, in single precision like that of a photo.

        The landmarks stay those of the mean shape: no method is told more of a shape than its references say.
        """
        expression, landmarks = (np.asarray(values, np.float32) for values in (self.expression, self.landmarks))
        return replace(self, shape=shape, expression=expression, landmarks=landmarks)

    def transformed(self, turn: Array) -> "HeadPose":
        """The same head after a similarity (2, 3) of the picture: a turn, a change of size and a shift."""
        linear, shift = turn[:, :2], turn[:, 2]
        scale = float(np.sqrt(abs(np.linalg.det(linear))))
        angle = float(np.degrees(np.arctan2(linear[1, 0], linear[0, 0])))
        camera = self.camera
        origin = linear @ np.array([camera.tx, camera.ty]) + shift
        return HeadPose(
            camera=Camera(camera.yaw, camera.pitch, camera.roll + angle, camera.scale * scale, *origin.tolist()),
            expression=self.expression,
            landmarks=(self.landmarks @ linear.T + shift).astype(np.float32),
            shape=self.shape,
        )

    def project(self, head: Head) -> tuple[Floats, Floats]:
        """The head's 68 landmarks in this pose: pixels (68, 2), and depths (68,), which grow towards the viewer."""
        where = head.landmarks68
        vertices = head.mean[where]
        if self.shape is not None:
            vertices = vertices + combine(self.shape, head.identity[:, where])
        return project(vertices + combine(self.expression, head.expression[:, where]), self.camera)

    def vertices(self, head: Head) -> Floats:
        """Vertices (V, 3) of the head with this shape and expression, in the head's own axes and unit."""
        shape = np.zeros(len(head.identity), np.float32) if self.shape is None else self.shape
        return head.vertices(shape, self.expression)

    def __eq__(self, other: object) -> bool:
        """Whether all numbers are equal."""
        if not isinstance(other, HeadPose):
            return NotImplemented
        return all(np.array_equal(getattr(self, each.name), getattr(other, each.name)) for each in fields(self))

    __hash__ = None  # type: ignore[assignment]


def face_box(camera: Camera, expression: Array, head: Head) -> Floats:
    """Corners (2, 2) in pixels of the box that a detector would find around the head's mean face."""
    points, _ = HeadPose(camera, expression, np.empty((0, 2))).project(head)
    low, high = points.min(0), points.max(0)
    sides = high - low
    return np.stack([low - sides * (ACROSS, ABOVE), high + sides * (ACROSS, BELOW)])


def _rounded(values: Sequence[float] | Array) -> NDArray[np.float64]:
    return np.array([round(float(value), 3) for value in values])
