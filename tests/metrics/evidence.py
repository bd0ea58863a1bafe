"""Evidence for metrics, drawn by hand: unit vectors in a few dimensions instead of faces."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from pipeline.head.camera import Camera
from pipeline.head.head_pose import HeadPose
from pipeline.metric import ENCODERS, Calibration, Evidence, Person

SCALES = dict.fromkeys(ENCODERS, Calibration(impostor=0.0, genuine=0.8, threshold=0.4))


def unit(*values: float) -> np.ndarray:
    vector = np.array(values, np.float64)
    return vector / np.linalg.norm(vector)


def turned(degrees: float) -> np.ndarray:
    """A unit vector in the plane of the first two axes; cosines between two such are those of the angle between."""
    angle = np.radians(degrees)
    return np.array([np.cos(angle), np.sin(angle), 0.0, 0.0])


def random_units(rng: np.random.Generator, count: int, size: int = 8) -> np.ndarray:
    vectors = rng.normal(size=(count, size))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def head_pose(yaw=0.0, pitch=0.0, roll=0.0, expression=(0.0, 0.0), landmarks=None, eyes=20.0, box=None) -> HeadPose:
    """One head; its landmarks lie on a grid of 68 pixels."""
    points = np.mgrid[:4, :17].reshape(2, 68).T.astype(np.float64) if landmarks is None else landmarks
    where = None if box is None else np.array(box, np.float64)
    return HeadPose(Camera(yaw, pitch, roll, 1.0, 0.0, 0.0), np.array(expression), points, where, eye_distance=eyes)


def laid_out(wanted: Sequence[HeadPose], found: Sequence[HeadPose], layout: Sequence, boxes: Sequence) -> Evidence:
    """People `wanted` in the boxes of a layout, and faces `found` in `boxes`; nobody is assigned a face."""
    cast = [
        person(f"p{index}", [turned(0)], [turned(0)], place, pose)
        for index, (place, pose) in enumerate(zip(layout, wanted, strict=True))
    ]
    seen = np.tile(turned(0), (len(found), 1))
    return evidence(cast, seen, [-1] * len(cast), boxes, poses=found or None)


def random_pose(rng: np.random.Generator) -> HeadPose:
    angles = rng.uniform(-90, 90, 3).tolist()
    return head_pose(*angles, rng.uniform(size=2), rng.uniform(0, 100, (68, 2)), rng.uniform(10, 40))


def person(name: str, held_out: Sequence[np.ndarray], references: Sequence[np.ndarray], box=None, pose=None) -> Person:
    wanted = None if box is None else replace(pose or head_pose(), box=np.array(box, np.float64))
    return Person(
        name,
        {encoder: np.stack(references) for encoder in ENCODERS},
        {encoder: np.stack(held_out) for encoder in ENCODERS},
        wanted,
    )


def evidence(
    people, faces, matched, boxes=None, present=True, prompt_cosine=0.0, scales=SCALES, poses=None
) -> Evidence:
    """`faces` (M, D) are what both encoders see, or a mapping of encoder to that."""
    image = np.array([1.0, 0.0]) if present else None
    prompt = np.array([prompt_cosine, np.sqrt(1 - prompt_cosine**2)])
    seen = faces if isinstance(faces, dict) else {name: np.asarray(faces, np.float64) for name in ENCODERS}
    count = len(seen["b"])
    places = np.zeros((count, 4)) if boxes is None else np.array(boxes, np.float64).reshape(-1, 4)
    return Evidence(people, scales, present, places, seen, np.array(matched, np.intp), image, prompt, poses)


def nobody(people) -> Evidence:
    """No image at all."""
    size = people[0].held_out["b"].shape[1]
    return evidence(people, np.empty((0, size)), [-1] * len(people), present=False)


def random_case(rng: np.random.Generator, people: int = 3, faces: int = 3) -> Evidence:
    """A case with everything random, two held-out photographs and two references per person."""
    cast = [
        person(f"p{index}", random_units(rng, 2), random_units(rng, 2), box(index), random_pose(rng))
        for index in range(people)
    ]
    seen = {name: random_units(rng, faces) for name in ENCODERS}
    matched = [index if index < faces else -1 for index in range(people)]
    boxes = [box(index) for index in range(faces)]
    found = [random_pose(rng) for _ in range(faces)] or None
    return evidence(cast, seen, matched, boxes, poses=found)


def box(index: int) -> list[int]:
    return [10 * index, 0, 10 * index + 8, 8]


def values(scores, metric: str) -> list[float]:
    return [score.value for score in scores if score.metric == metric]


def missing(scores, metric: str) -> list[bool]:
    return [score.missing for score in scores if score.metric == metric]
