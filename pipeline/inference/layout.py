"""Where a user wants faces, and how heads are turned: layout.json, and the shared prior where nobody says.

layout.json is a list with an object per person; all but the box may be left out:

    [{"box": [0.1, 0.2, 0.4, 0.8], "yaw": 20, "expression": {"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8}},
     {"box": [0.6, 0.2, 0.9, 0.8]}]

A box is x1, y1, x2, y2 in fractions of the image, and that of detectors and of the benchmark: around the face from
brows to chin and from ear to ear. Angles are degrees as pipeline/head/camera.py has them.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.benchmark import cases as benchmark
from pipeline.errors import MissingInput, SettingsError, did_you_mean
from pipeline.head.head_pose import HeadPose
from pipeline.head.model import Head

ANGLES = ("yaw", "pitch", "roll")
KEYS = ("box", *ANGLES, "expression")
MOST_DEGREES = 90.0
WantedHead = Mapping[str, Any]  # an object of layout.json


def read(path: Path | str) -> tuple[WantedHead, ...]:
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
    check(rows, str(path))
    return tuple(rows)


def check(layout: Sequence[WantedHead], where: str = "layout", head: Head | None = None) -> None:
    """Raise a SettingsError for the first object that means no head; expressions are known where a head is given."""
    for number, wanted in enumerate(layout, start=1):
        _check_form(wanted, f"{where}, person {number}")
        _check_box(wanted["box"], f"{where}, person {number}")
        for name in ANGLES:
            if not abs(wanted.get(name, 0.0)) <= MOST_DEGREES:
                found = f"{where}, person {number}: {name} must be between -90 and 90 degrees, found {wanted[name]}"
                raise SettingsError(found)
        _check_expression(wanted.get("expression", {}), f"{where}, person {number}", head)


def turns_heads(layout: Sequence[WantedHead]) -> bool:
    """Whether a layout says more than boxes: an angle or an expression that is not that of a resting, frontal face."""
    return any(wanted.get(name) for wanted in layout for name in KEYS[1:])


def prior(cases: Path, people: int, size: tuple[int, int], seed: int, head: Head) -> tuple[HeadPose, ...]:
    """The prior of the benchmark's case that the seed chooses among those with as many people, on an image of `size`.

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
    return tuple(pose.on_canvas((case.width, case.height), column, head) for pose in case.prior)


def _check_form(wanted: Any, where: str) -> None:
    if not isinstance(wanted, Mapping):
        raise SettingsError(f"{where} must be an object with a box, found {type(wanted).__name__}")
    for key in wanted:
        if key not in KEYS:
            raise SettingsError(f"{where}: unknown key {key}{did_you_mean(key, KEYS)}")
    if "box" not in wanted:
        raise SettingsError(f"{where}: missing box")
    for name in ANGLES:
        if not _is_number(wanted.get(name, 0.0)):
            raise SettingsError(f"{where}: {name} must be a number, found {wanted[name]!r}")


def _check_box(box: Any, where: str) -> None:
    ordered = isinstance(box, Sequence) and len(box) == 4 and all(_is_number(value) for value in box)
    if not (ordered and 0 <= box[0] < box[2] <= 1 and 0 <= box[1] < box[3] <= 1):
        wanted = "x1, y1, x2, y2 in fractions of the image, 0 to 1, the upper left corner first"
        raise SettingsError(f"{where}: a box must be {wanted}; found {list(box) if ordered else box!r}")


def _check_expression(weights: Any, where: str, head: Head | None) -> None:
    if not isinstance(weights, Mapping):
        raise SettingsError(f"{where}: expression must be names with weights, found {weights!r}")
    for name, weight in weights.items():
        if head is not None and name not in head.expression_names:
            known = did_you_mean(name, head.expression_names)
            raise SettingsError(f"{where}: the head has no expression {name}{known}")
        if not _is_number(weight) or not 0 <= weight <= 1:
            raise SettingsError(f"{where}: the weight of {name} must be a number from 0 to 1, found {weight!r}")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
