"""Builds the case list: prompts, casts of test people, seeds, and layouts taken from photos of other people."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.benchmark.cases import Benchmark, Case, Names, Person, hash_of_cases
from pipeline.benchmark.resolution import Resolution
from pipeline.benchmark.spec import BenchmarkSpec
from pipeline.errors import SettingsError
from pipeline.head.head_pose import HeadPose
from pipeline.head.model import Head


@dataclass(frozen=True)
class LayoutSource:
    """A photo that a layout may be taken from; faces from left to right."""

    photo_id: str
    width: int
    height: int
    identity_ids: Names
    poses: tuple[HeadPose, ...]


def build_cases(
    wanted: BenchmarkSpec,
    people: Sequence[Person],
    sources: Sequence[LayoutSource],
    priors: Sequence[LayoutSource],
    head: Head,
    casts: Mapping[int, int],
    seeds: int,
    resolution: Resolution,
) -> Benchmark:
    """Cast the test people, with every person about equally often.

    Args:
        people: the test people who have enough photos.
        sources: test photos, for layouts; priors: training photos, for the prior.
        casts: number of people -> how many casts; a number with fewer people than it needs gets none, and there is
            no case where photos of others, to take its layouts from, are lacking.
        seeds: images of each cast and prompt.
        resolution: of the backbone that will draw them.

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
        for case in _cases_of(wanted, cast, index, sources, priors, head, seeds, resolution)
    )
    return Benchmark(wanted.name, hash_of_cases(cases), cases)


def draw_casts(people: Sequence[Person], count: int, casts: int, seed: int) -> Iterator[tuple[Person, ...]]:
    """`casts` groups of `count` different people; everybody has had their turn before anybody has another.

    Fewer casts are the beginning of more.
    """
    rng = np.random.default_rng([seed, count])
    ordered = sorted(people, key=lambda person: person.identity_id)
    queue: list[Person] = []
    for _ in range(casts):
        if len(queue) < count:
            left = {person.identity_id for person in queue}
            shuffled = [ordered[index] for index in rng.permutation(len(ordered))]
            # Those who are still waiting go to the end of the next round, so that nobody meets themselves.
            queue += sorted(shuffled, key=lambda person: person.identity_id in left)
        yield tuple(queue[:count])
        queue = queue[count:]


def _cases_of(
    wanted: BenchmarkSpec,
    cast: tuple[Person, ...],
    index: int,
    sources: Sequence[LayoutSource],
    priors: Sequence[LayoutSource],
    head: Head,
    seeds: int,
    resolution: Resolution,
) -> Iterator[Case]:
    count = len(cast)
    width, height = wanted.size(count, resolution)
    names = {person.identity_id for person in cast}
    for number in range(seeds):
        rng = np.random.default_rng([wanted.seed, count, index, number])
        layout = _layout(sources, names, count, (width, height), head, rng)
        prior = _layout(priors, names, count, (width, height), head, rng)
        if layout is None or prior is None:
            continue
        yield Case(
            case_id=f"{count}-{index:03d}-{number}",
            prompt=wanted.prompts[count][index % len(wanted.prompts[count])],
            seed=int(rng.integers(2**31)),
            width=width,
            height=height,
            people=cast,
            layout=layout[0],
            layout_photos=layout[1],
            prior=prior[0],
            prior_photos=prior[1],
        )


def _layout(
    sources: Sequence[LayoutSource],
    cast: set[str],
    count: int,
    canvas: tuple[int, int],
    head: Head,
    rng: np.random.Generator,
) -> tuple[tuple[HeadPose, ...], Names] | None:
    """Poses on a canvas, from a photo with as many faces, or from single faces side by side where there is none.

    None where there is no photo of others at all.
    """
    others = [source for source in sources if not cast & set(source.identity_ids)]
    whole = [source for source in others if len(source.poses) == count]
    singles = [source for source in others if len(source.poses) == 1]
    if not whole and not singles:
        return None
    pool, many = (whole, 1) if whole else (singles, count)
    chosen = [pool[int(number)] for number in rng.integers(len(pool), size=many)]
    poses = tuple(
        pose.on_canvas((source.width, source.height), (canvas[0] * column / many, canvas[0] / many, canvas[1]), head)
        for column, source in enumerate(chosen)
        for pose in source.poses
    )
    return poses, tuple(source.photo_id for source in chosen)
