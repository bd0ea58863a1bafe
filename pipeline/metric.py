"""The contract: what a metric may read of a generated image, and what it says about itself.

A metric is a file in pipeline/metrics/ with `CARDS`, one card per number that it yields, and one of two functions:

    score(evidence) -> scores             a number per image or per person of it (most metrics)
    distance(drawn, real, ...) -> values  a number for a whole set of images (see metrics/realism.py)

Table columns, sort direction, axis labels and the report's definitions come from the cards. A card's meaning never
changes under its name: it gets a new version.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from pipeline.head.head_pose import HeadPose
from pipeline.images import iou

Floats = NDArray[np.floating]

# The recognisers that only score. Nothing that scores conditions a generator.
ENCODERS = ("b", "c")
WHOLE_IMAGE = -1
# The value of a row that is counted as missing and takes no part in the mean.
LEFT_OUT = float("nan")


@dataclass(frozen=True)
class Card:
    """What a number means.

    `absent` says what becomes of an image or face that is not there; it is counted beside the number in any case.
    `share_of` names the metric of which this is the share (x - no_id) / (vae_roundtrip - no_id); such a metric is
    worked out from the scores of that one, in the report.
    """

    name: str
    title: str
    description: str  # how it is worked out, for a reader who wants to do it again
    unit: str
    better: str  # higher or lower
    low: float  # range of possible values
    high: float
    absent: str
    version: int = 1
    main: bool = False  # stands in the first table
    detail: bool = False  # explains another number; tables show it on request
    least_people: int = 1  # images with fewer people have no such score
    share_of: str = ""
    outside: bool = False  # what a judge from outside says: neither ranked nor compared
    ranked_from: tuple[str, float] | None = None  # who has less of an earlier metric than this is not ranked


@dataclass(frozen=True)
class Score:
    """One number of one image. `slot` is the person's number in the case, WHOLE_IMAGE for the image."""

    metric: str
    slot: int
    value: float
    missing: bool = False  # the face or image is not there
    encoder: str = ""  # which model looked: b, c, b+c, image_text; empty for none


@dataclass(frozen=True)
class Calibration:
    """Where impostor and genuine pairs lie on a recogniser's cosine scale, from real pairs of test people.

    Cosines of two recognisers cannot be averaged as they are: one's 0.3 is another's 0.5.
    """

    impostor: float  # mean cosine of two people
    genuine: float  # mean cosine of two photographs of one person
    threshold: float  # cosine that a share of 1e-3 of the impostor pairs exceeds

    def __call__(self, cosine: Floats) -> Floats:
        """Cosines on a scale where impostor pairs average 0 and genuine pairs 1."""
        return (cosine - self.impostor) / (self.genuine - self.impostor)


@dataclass(frozen=True)
class Person:
    """Somebody whom a case asks for. Embeddings are of unit length; the recognisers' are of faces, per encoder."""

    identity_id: str
    references: Mapping[str, Floats]  # encoder -> (R, D), the photographs that a generator may be given
    held_out: Mapping[str, Floats]  # encoder -> (H, D), other photographs of the person, only scored against
    wanted: HeadPose | None = None  # the layout's box and pose, with this person's shape; None without a layout
    given: int | None = None  # how many of the references, the first ones, the generator was given; None for all
    reference_images: Floats | None = None  # (R, D) whole photographs, by the image-text model
    held_out_images: Floats | None = None  # (H, D)

    @property
    def box(self) -> Floats | None:
        """Where the layout wants the face (4,), x1, y1, x2, y2 in pixels; None without a layout."""
        return None if self.wanted is None else self.wanted.box


@dataclass(frozen=True)
class Evidence:
    """One generated image and what was asked for: N people, M detected faces.

    `matched` holds for each person the index of the face that is taken for them, -1 where there is none. It is one
    optimal one-to-one assignment per image, so that no two metrics disagree about who is who.
    """

    people: Sequence[Person]
    calibration: Mapping[str, Calibration]
    present: bool  # false: there is no image at all
    boxes: Floats  # (M, 4)
    faces: Mapping[str, Floats]  # encoder -> (M, D)
    matched: NDArray[np.intp]  # (N,)
    image: Floats | None = None  # (D,) the image by the image-text model, unit length; None: there is no image
    prompt: Floats | None = None  # (D,) the prompt by the same model
    poses: Sequence[HeadPose] | None = None  # of the M faces, as measured in the image; None without a layout

    @property
    def found(self) -> int:
        """How many faces were detected."""
        return len(self.boxes)

    def to_held_out(self, encoder: str) -> Floats:
        """Mean cosine (N, M) of each person's held-out photographs to each face."""
        return np.stack([cosines(person.held_out[encoder], self.faces[encoder]).mean(0) for person in self.people])

    def to_references(self, encoder: str) -> Floats:
        """Mean cosine (N, M) of each person's references to each face."""
        return np.stack([cosines(person.references[encoder], self.faces[encoder]).mean(0) for person in self.people])

    def calibrated(self, by_encoder: Mapping[str, Floats]) -> Floats:
        """The mean over encoders of cosines on their calibrated scales; any size."""
        return np.mean([self.calibration[name](value) for name, value in by_encoder.items()], axis=0)


def cosines(left: Floats, right: Floats) -> Floats:
    """Cosines (A, B) of unit vectors (A, D) and (B, D), in float64."""
    return np.asarray(left, np.float64) @ np.asarray(right, np.float64).T


def per_person(name: str, values: Floats, evidence: Evidence, absent: float, encoder: str = "b+c") -> list[Score]:
    """One score per person from values (N, M): that of the matched face, `absent` where there is none.

    `absent` is LEFT_OUT for metrics that only count missing faces.
    """
    return [
        Score(name, slot, float(values[slot, face]) if face >= 0 else absent, bool(face < 0), encoder)
        for slot, face in enumerate(evidence.matched)
    ]


def mean_of(values: Mapping[str, Floats]) -> Floats:
    """The mean over encoders."""
    return np.mean(list(values.values()), axis=0)


def matched_to_boxes(evidence: Evidence) -> NDArray[np.intp]:
    """For each box of the layout the face (index, or -1) that lies in it, whoever it shows; empty without a layout.

    Faces are matched to the layout's boxes one to one so that the sum of the overlaps is largest. `matched` goes by
    likeness instead: people who have changed places are still compared with what the layout wants where they are.
    """
    boxes = [person.box for person in evidence.people if person.box is not None]
    if len(boxes) < len(evidence.people):
        return np.empty(0, np.intp)
    shared = iou(np.stack(boxes), evidence.boxes)
    matched = np.full(len(boxes), -1, np.intp)
    for slot, face in zip(*linear_sum_assignment(shared, maximize=True), strict=True):
        matched[slot] = face if shared[slot, face] > 0 else -1
    return matched


def per_box(evidence: Evidence, error: Callable[[HeadPose, HeadPose], float]) -> list[float]:
    """`error(wanted, found)` of the face in each box, LEFT_OUT where there is none; empty without a layout."""
    found = evidence.poses
    wanted = [person.wanted for person in evidence.people]
    return [
        LEFT_OUT if face < 0 or found is None or (pose := wanted[slot]) is None else error(pose, found[int(face)])
        for slot, face in enumerate(matched_to_boxes(evidence))
    ]
