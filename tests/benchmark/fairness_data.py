"""Cases made by hand, for tests of whatever reads them."""

from dataclasses import replace

from pipeline.benchmark.build import LayoutSource, Pose
from pipeline.benchmark.cases import Case, Person, Place, Shot


def person(name: str, references: int = 2, held_out: int = 2) -> Person:
    """A test person with photos of their own."""
    shots = [Shot(f"{name}{number}-0", f"{name}{number}") for number in range(references + held_out + 1)]
    return Person(name, tuple(shots[:references]), tuple(shots[references + 1 :]), shots[references])


def place(box: tuple[float, ...] = (40, 30, 80, 90)) -> Place:
    """A frontal face at a box."""
    return Place(box, 0.0, 0.0, 0.0, 4.0, (60.0, 60.0), (0.0,), (0.0,) * 136)


def case(*names: str, prompt: str = "a photo of a person at the beach", index: int = 0) -> Case:
    """A case with these people, side by side."""
    width = 128 if len(names) == 1 else 256
    step = width / len(names)
    places = tuple(place((step * n + 30, 40, step * n + 60, 80)) for n in range(len(names)))
    people = tuple(person(name) for name in names)
    return Case(f"{len(names)}-{index:03d}-0", prompt, 7, width, 128, people, places, ("donor",), places, ("prior",))


def donor(number: int, *names: str, size: tuple[int, int] = (128, 128)) -> LayoutSource:
    """A photo of these people with faces from left to right."""
    poses = tuple(
        replace(POSE, translation=(size[0] * (n + 0.5) / len(names), 64.0), yaw=float(number))
        for n in range(len(names))
    )
    return LayoutSource(f"photo{number}", *size, names, poses)


POSE = Pose((20.0, 30.0, 70.0, 90.0), 5.0, -3.0, 1.0, 4.0, (64.0, 64.0), ())
