"""Builds the case list: prompts, casts of test people, seeds, and layouts taken from photos of other people."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from pipeline.benchmark.cases import Benchmark, Case, Names, Person, Place, hash_of_cases
from pipeline.errors import SettingsError
from pipeline.head.camera import Camera, project
from pipeline.head.model import Head, combine

PROMPTS = Path("pipeline/benchmark/prompts")


@dataclass(frozen=True)
class BenchmarkSpec:
    """pipeline/benchmark/prompts/<name>.yaml: what is asked for, whoever the people are."""

    name: str
    seed: int
    canvas: Mapping[int, tuple[int, int]]  # people -> width, height
    prompts: Mapping[int, Names]  # people -> prompts

    def all_prompts(self) -> Names:
        """Every prompt, whatever the number of people."""
        return tuple(prompt for prompts in self.prompts.values() for prompt in prompts)


@dataclass(frozen=True)
class Pose:
    """A face of a photo that a layout may be taken from."""

    box: tuple[float, ...]
    yaw: float
    pitch: float
    roll: float
    scale: float
    translation: tuple[float, ...]
    expression: tuple[float, ...]


@dataclass(frozen=True)
class LayoutSource:
    """A photo that a layout may be taken from; faces from left to right."""

    photo_id: str
    width: int
    height: int
    identity_ids: Names
    poses: tuple[Pose, ...]


def read_spec(name: str, folder: Path = PROMPTS) -> BenchmarkSpec:
    """Read a benchmark's YAML.

    Raises:
        SettingsError: there is no such file, or its sections do not agree with each other.
    """
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.yaml")))
        raise SettingsError(f"no benchmark {path}: samples.benchmark must be one of {known}")
    values = yaml.safe_load(path.read_text())
    if set(values["canvas"]) != set(values["prompts"]):
        raise SettingsError(f"{path}: canvas and prompts must be given for the same numbers of people")
    canvas = {count: (size[0], size[1]) for count, size in values["canvas"].items()}
    prompts = {count: tuple(texts) for count, texts in values["prompts"].items()}
    return BenchmarkSpec(values["name"], values["seed"], canvas, prompts)


def build_cases(
    wanted: BenchmarkSpec,
    people: Sequence[Person],
    donors: Sequence[LayoutSource],
    priors: Sequence[LayoutSource],
    head: Head,
    casts: Mapping[int, int],
    seeds: int,
) -> Benchmark:
    """Cast the test people, with every person about equally often.

    Args:
        people: the test people who have enough photos.
        donors: test photos, for layouts; priors: training photos, for the prior.
        casts: number of people -> how many casts; a number with fewer people than it needs gets none, and there is
            no case where photos of others, to take its layouts from, are lacking.
        seeds: images of each cast and prompt.

    Raises:
        SettingsError: a number of people of `casts` that the benchmark has no prompts for.
    """
    if unknown := set(casts) - set(wanted.prompts):
        raise SettingsError(f"samples.cases asks for {sorted(unknown)} people, {wanted.name} has prompts for others")
    cases = tuple(
        case
        for count, number in sorted(casts.items())
        if len(people) >= count
        for index, cast in enumerate(draw_casts(people, count, number, wanted.seed))
        for case in _cases_of(wanted, cast, index, donors, priors, head, seeds)
    )
    return Benchmark(wanted.name, hash_of_cases(cases), cases)


def placed(pose: Pose, size: tuple[int, int], column: tuple[float, float, float], head: Head) -> Place:
    """A pose in a photo of `size` (width, height) brought to a column (left, width, height) of the canvas.

    The photo is shrunk or grown until it fits. Lengths in pixels.
    """
    left, width, height = column
    factor = min(width / size[0], height / size[1])
    shift = np.array([left + (width - factor * size[0]) / 2, (height - factor * size[1]) / 2])
    shift += (factor - 1) / 2  # whole numbers are the centres of pixels
    moved = (np.array(pose.translation) * factor + shift).tolist()
    box = (np.array(pose.box).reshape(2, 2) * factor + shift).ravel().tolist()
    camera = Camera(pose.yaw, pose.pitch, pose.roll, pose.scale * factor, *moved)
    spots = head.landmarks68
    vertices = head.mean[spots] + combine(pose.expression, head.expression[:, spots])
    return Place(
        box=_rounded(box),
        yaw=round(pose.yaw, 3),
        pitch=round(pose.pitch, 3),
        roll=round(pose.roll, 3),
        scale=round(camera.scale, 4),
        translation=_rounded(moved),
        expression=_rounded(pose.expression),
        landmarks=_rounded(project(vertices, camera)[0].ravel().tolist()),
    )


def draw_casts(people: Sequence[Person], count: int, casts: int, seed: int) -> Iterator[tuple[Person, ...]]:
    """`casts` groups of `count` different people; everybody has had their turn before anybody has another.

    Fewer casts are the beginning of more.
    """
    draw = np.random.default_rng([seed, count])
    ordered = sorted(people, key=lambda person: person.identity_id)
    queue: list[Person] = []
    for _ in range(casts):
        if len(queue) < count:
            left = {person.identity_id for person in queue}
            shuffled = [ordered[index] for index in draw.permutation(len(ordered))]
            # Those who are still waiting go to the end of the next round, so that nobody meets themselves.
            queue += sorted(shuffled, key=lambda person: person.identity_id in left)
        yield tuple(queue[:count])
        queue = queue[count:]


def _cases_of(
    wanted: BenchmarkSpec,
    cast: tuple[Person, ...],
    index: int,
    donors: Sequence[LayoutSource],
    priors: Sequence[LayoutSource],
    head: Head,
    seeds: int,
) -> Iterator[Case]:
    count = len(cast)
    width, height = wanted.canvas[count]
    names = {person.identity_id for person in cast}
    for number in range(seeds):
        draw = np.random.default_rng([wanted.seed, count, index, number])
        layout = _layout(donors, names, count, (width, height), head, draw)
        prior = _layout(priors, names, count, (width, height), head, draw)
        if layout is None or prior is None:
            continue
        yield Case(
            case_id=f"{count}-{index:03d}-{number}",
            prompt=wanted.prompts[count][index % len(wanted.prompts[count])],
            seed=int(draw.integers(2**31)),
            width=width,
            height=height,
            people=cast,
            layout=layout[0],
            layout_photos=layout[1],
            prior=prior[0],
            prior_photos=prior[1],
        )


def _layout(
    donors: Sequence[LayoutSource],
    cast: set[str],
    count: int,
    canvas: tuple[int, int],
    head: Head,
    draw: np.random.Generator,
) -> tuple[tuple[Place, ...], Names] | None:
    """Places on a canvas, from a photo with as many faces, or from single faces side by side where there is none.

    None where there is no photo of others at all.
    """
    strangers = [donor for donor in donors if not cast & set(donor.identity_ids)]
    whole = [donor for donor in strangers if len(donor.poses) == count]
    singles = [donor for donor in strangers if len(donor.poses) == 1]
    if not whole and not singles:
        return None
    pool, many = (whole, 1) if whole else (singles, count)
    chosen = [pool[int(number)] for number in draw.integers(len(pool), size=many)]
    places = tuple(
        placed(pose, (donor.width, donor.height), (canvas[0] * column / many, canvas[0] / many, canvas[1]), head)
        for column, donor in enumerate(chosen)
        for pose in donor.poses
    )
    return places, tuple(donor.photo_id for donor in chosen)


def _rounded(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(round(float(value), 3) for value in values)
