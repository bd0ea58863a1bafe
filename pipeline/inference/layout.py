"""Where a user wants faces, and how they are held: layout.json, and the shared prior where nobody says.

layout.json is a list with an object per person:

    [{"box": [0.1, 0.2, 0.4, 0.8], "yaw": 20, "expression": {"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8}},
     {"box": [0.6, 0.2, 0.9, 0.8]}]

A box is that of detectors and of the benchmark: around the face from brows to chin and from ear to ear.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.benchmark import cases as benchmark
from pipeline.benchmark.build import Pose, placed
from pipeline.benchmark.cases import Place
from pipeline.errors import MissingInput, SettingsError, did_you_mean
from pipeline.head.camera import Camera, Floats, project
from pipeline.head.model import Head, combine
from pipeline.settings import build

# How far a face's box reaches beyond that of its 68 landmarks, in shares of the latter's sides: the mean over the
# published benchmark's places, whose boxes the detector found and whose landmarks are the head's mean shape.
ACROSS, ABOVE, BELOW = 0.014, 0.07, -0.008
DEFAULTS: Mapping[str, Any] = {"yaw": 0.0, "pitch": 0.0, "roll": 0.0, "expression": {}}
MOST_DEGREES = 90.0


@dataclass(frozen=True)
class Spot:
    """Where one face is wanted, and how it is held; angles in degrees as pipeline/head/camera.py has them."""

    box: tuple[float, ...]  # x1, y1, x2, y2 in fractions of the picture's width and height
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    expression: Mapping[str, float] = field(default_factory=dict)  # name of the head -> weight in [0, 1]


def read(path: Path | str) -> tuple[Spot, ...]:
    """Read a layout.json.

    Raises:
        MissingInput: there is no such file.
        SettingsError: it is not a list of such objects; the message names the person and the key.
    """
    try:
        rows = json.loads(Path(path).read_text())
    except FileNotFoundError as error:
        raise MissingInput(f"no layout {path}") from error
    except ValueError as error:
        raise SettingsError(f"{path} is not JSON: {error}") from error
    if not isinstance(rows, list):
        raise SettingsError(f"{path} must be a list with an object per person, found {type(rows).__name__}")
    named = [(f"{path}, person {number}", row) for number, row in enumerate(rows, start=1)]
    return tuple(build(Spot, {**DEFAULTS, **row} if isinstance(row, dict) else row, where) for where, row in named)


def place(spot: Spot, size: tuple[int, int], head: Head) -> Place:
    """The place on a picture of `size` (width, height) whose face fills the spot's box.

    The face has the box's area and middle; its proportions are the head's mean, whatever the box's are.

    Raises:
        SettingsError: the box, an angle or the expression is out of range or unknown.
    """
    check(spot, head)
    expression = tuple(float(spot.expression.get(name, 0.0)) for name in head.expression_names)
    box = np.array(spot.box).reshape(2, 2) * size
    face = face_box(Camera(spot.yaw, spot.pitch, spot.roll, 1.0, 0.0, 0.0), expression, head)
    scale = float(np.sqrt(np.prod(box[1] - box[0]) / np.prod(face[1] - face[0])))
    translation = tuple((box.mean(0) - scale * face.mean(0)).tolist())
    pose = Pose(tuple(box.ravel().tolist()), spot.yaw, spot.pitch, spot.roll, scale, translation, expression)
    return placed(pose, size, (0.0, *size), head)


def face_box(camera: Camera, expression: tuple[float, ...], head: Head) -> Floats:
    """Corners (2, 2) in pixels of the box that a detector would find around the head's mean face."""
    spots = head.landmarks68
    points, _ = project(head.mean[spots] + combine(expression, head.expression[:, spots]), camera)
    low, high = points.min(0), points.max(0)
    sides = high - low
    return np.stack([low - sides * (ACROSS, ABOVE), high + sides * (ACROSS, BELOW)])


def prior(cases: Path, people: int, size: tuple[int, int], seed: int, head: Head) -> tuple[Place, ...]:
    """The prior of the benchmark's case that the seed chooses among those with as many people, on a picture of `size`.

    Raises:
        MissingInput: there is no case list, or no case with as many people.
    """
    try:
        found = [case for case in benchmark.load_cases(cases).cases if len(case.people) == people]
    except MissingInput as error:
        raise MissingInput(
            f"this method needs a layout: give one, or take the prior of a case list; {error}"
        ) from error
    if not found:
        raise MissingInput(f"this method needs a layout: give one, for {cases} has no case of {people} people")
    case = found[int(np.random.default_rng([seed, people]).integers(len(found)))]
    column = 0.0, float(size[0]), float(size[1])
    return tuple(placed(_pose(each), (case.width, case.height), column, head) for each in case.prior)


def check(spot: Spot, head: Head) -> None:
    """Raise a SettingsError for a spot that means no place."""
    x1, y1, x2, y2 = spot.box if len(spot.box) == 4 else (0.0,) * 4
    if not (0 <= x1 < x2 <= 1 and 0 <= y1 < y2 <= 1):
        wanted = "x1, y1, x2, y2 in fractions of the picture, 0 to 1, the upper left corner first"
        raise SettingsError(f"layout: a box must be {wanted}; found {list(spot.box)}")
    for name in ("yaw", "pitch", "roll"):
        if not abs(getattr(spot, name)) <= MOST_DEGREES:
            raise SettingsError(f"layout: {name} must be between -90 and 90 degrees, found {getattr(spot, name)}")
    for name, weight in spot.expression.items():
        if name not in head.expression_names:
            raise SettingsError(f"layout: the head has no expression {name}{did_you_mean(name, head.expression_names)}")
        if not isinstance(weight, int | float) or not 0 <= weight <= 1:
            raise SettingsError(f"layout: the weight of {name} must be a number from 0 to 1, found {weight!r}")


def _pose(place: Place) -> Pose:
    return Pose(place.box, place.yaw, place.pitch, place.roll, place.scale, place.translation, place.expression)
