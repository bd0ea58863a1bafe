"""Is the head turned as the layout wants it? Whoever it shows: identity is judged elsewhere.

The angle of the one turn that brings the wanted rotation R to the found one S,

    angle = arccos((trace(R^T S) - 1) / 2)

the geodesic distance of rotations (Huynh, "Metrics for 3D Rotations", 2009), and what it is in yaw, pitch and roll.

The floor, on 498 held-out faces of drawn photographs: 0.33 degrees (95 of 100 faces: 0.82) where the wanted pose is
that of the same photograph as the shapes stage fitted it, which is how layouts come about; 2.2 (4.2) where it is the
drawn one. A face that looks straight ahead is at 15 (29). How poses are measured: pipeline/evaluate/poses.py.
"""

from functools import partial

import numpy as np

from pipeline.head import pose
from pipeline.head.head_pose import HeadPose
from pipeline.metric import Card, Evidence, Floats, Score, per_box

# 98 of 100 drawn photographs are measured closer to their truth than this, and 5 of 100 faces that look straight ahead.
MET = 5.0
ANGLES = ("yaw", "pitch", "roll")

_HOW = (
    "Faces are matched to the layout's boxes one to one by overlap, and the 3D head is fitted to 68 landmarks of "
    "each. Only where there is a layout. "
)
_LEFT_OUT = "A box without a face is left out and counted: no angle stands for it."


def _card_of(angle: str) -> Card:
    """One of the three angles alone."""
    return Card(
        f"pose_{angle}",
        f"Error of {angle}",
        f"Absolute difference of the wanted and the found {angle}. {_HOW}{_LEFT_OUT}",
        "degrees",
        "lower",
        0,
        180,
        absent="is left out",
        detail=True,
    )


CARDS = (
    Card(
        "pose_error",
        "Error of the pose",
        f"Angle of the turn between the wanted and the found rotation of the head. {_HOW}{_LEFT_OUT}",
        "degrees",
        "lower",
        0,
        180,
        absent="is left out",
    ),
    Card(
        "pose_met",
        "Pose met",
        f"Share of the layout's boxes with a face whose pose is within {MET:.0f} degrees of the wanted one. {_HOW}"
        "A box without a face counts as not met.",
        "share",
        "higher",
        0,
        1,
        absent="counts as not met",
        detail=True,
    ),
    *(_card_of(angle) for angle in ANGLES),
)


def score(evidence: Evidence) -> list[Score]:
    """The angle, whether it is small, and its three parts, per box; nothing without a layout."""
    errors = {"pose_error": per_box(evidence, error)}
    for index, angle in enumerate(ANGLES):
        errors[f"pose_{angle}"] = per_box(evidence, partial(_part, index))
    scores = [Score(name, slot, e, e != e) for name, values in errors.items() for slot, e in enumerate(values)]
    return scores + [Score("pose_met", slot, float(e <= MET), e != e) for slot, e in enumerate(errors["pose_error"])]


def angle_between(wanted: Floats, found: Floats) -> float:
    """Degrees of the turn between two rotations (3, 3): 0 to 180."""
    trace = np.trace(np.asarray(wanted, np.float64).T @ np.asarray(found, np.float64))
    return float(np.degrees(np.arccos(np.clip((trace - 1.0) / 2.0, -1.0, 1.0))))


def turns(wanted: Floats, found: Floats) -> Floats:
    """Absolute differences (3,) in degrees of yaw, pitch and roll of two rotations (3, 3)."""
    difference = np.diff(pose.angles(np.stack([wanted, found]).astype(np.float64)), axis=0)[0]
    return np.abs((difference + 180.0) % 360.0 - 180.0)


def error(wanted: HeadPose, found: HeadPose) -> float:
    """Degrees of the turn between two heads: 0 to 180."""
    return angle_between(*_rotations(wanted, found))


def _part(index: int, wanted: HeadPose, found: HeadPose) -> float:
    return float(turns(*_rotations(wanted, found))[index])


def _rotations(wanted: HeadPose, found: HeadPose) -> tuple[Floats, Floats]:
    # what is wanted in single precision, as control images are rendered; what is measured as precisely as it is
    return wanted.camera.rotation(), found.camera.rotation(np.float64)
