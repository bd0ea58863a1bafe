"""Cases made by hand, for tests of whatever reads them."""

from dataclasses import replace

import numpy as np

from pipeline.benchmark.build import LayoutSource
from pipeline.benchmark.cases import Case, Person, Shot
from pipeline.head.camera import Camera
from pipeline.head.head_pose import HeadPose


def person(name: str, references: int = 2, held_out: int = 2) -> Person:
    """A test person with photos of their own."""
    shots = [Shot(f"{name}{number}-0", f"{name}{number}") for number in range(references + held_out + 1)]
    return Person(name, tuple(shots[:references]), tuple(shots[references + 1 :]), shots[references])


def frontal(box: tuple[float, ...] = (40, 30, 80, 90)) -> HeadPose:
    """A frontal face at a box."""
    return HeadPose(Camera(0.0, 0.0, 0.0, 4.0, 60.0, 60.0), np.zeros(1), np.zeros((68, 2)), np.array(box, np.float64))


def case(*names: str, prompt: str = "a photo of a person at the beach", index: int = 0) -> Case:
    """A case with these people, side by side."""
    width = 128 if len(names) == 1 else 256
    step = width / len(names)
    heads = tuple(frontal((step * n + 30, 40, step * n + 60, 80)) for n in range(len(names)))
    people = tuple(person(name) for name in names)
    return Case(f"{len(names)}-{index:03d}-0", prompt, 7, width, 128, people, heads, ("source",), heads, ("prior",))


def layout_source(number: int, *names: str, size: tuple[int, int] = (128, 128)) -> LayoutSource:
    """A photo of these people with faces from left to right."""
    poses = tuple(
        replace(POSE, camera=replace(POSE.camera, tx=size[0] * (n + 0.5) / len(names), yaw=float(number)))
        for n in range(len(names))
    )
    return LayoutSource(f"photo{number}", *size, names, poses)


POSE = HeadPose(
    Camera(5.0, -3.0, 1.0, 4.0, 64.0, 64.0), np.zeros(0), np.zeros((68, 2)), np.array([20.0, 30.0, 70.0, 90.0])
)
