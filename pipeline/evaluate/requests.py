"""Whose images are to be scored: what a command asks for, against what lies in data/images."""

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline import plugins
from pipeline.benchmark import cases as benchmark
from pipeline.benchmark.bounds import BOUNDS
from pipeline.errors import MissingInput, SettingsError, did_you_mean
from pipeline.evaluate import folder as plain
from pipeline.evaluate import tasks
from pipeline.evaluate.worker import SHUFFLED

# What a folder of images and one of scores may be called; tables give a meaning to other signs, like `:`.
NAME = re.compile(r"\w[\w-]*", re.ASCII)


@dataclass(frozen=True)
class Request:
    """Methods to score, all by default; or one plain folder of images, alone.

    Raises:
        SettingsError: words that do not go together.
    """

    methods: Sequence[str] = ()
    images: Path | None = None
    name: str | None = None
    protocol: str | None = None

    def __post_init__(self) -> None:
        if self.images and self.methods:
            raise SettingsError(f"--images is scored alone, found {' '.join(self.methods)} beside it")
        if not self.images and (self.name or self.protocol):
            raise SettingsError("--name and --protocol are those of --images DIR, found none")


def names(asked: Request, samples: Path, images: Path, scores: Path) -> Sequence[str]:
    """The names to score; a plain folder is taken in first, scores without images are forgotten.

    Raises:
        SettingsError: --images without a plain name of its own.
        MissingInput: a name has no images of this benchmark.
    """
    cases = benchmark.load_cases(samples / benchmark.CASES_FILE)
    if asked.images:
        name = _checked(asked.name)
        print(plain.take_in(asked.images, name, asked.protocol or benchmark.PROTOCOLS[0], cases, images))
        return [name]
    faults = {path.name: tasks.fault(path, cases) for path in sorted(images.glob("*")) if path.is_dir()}
    known = [name for name, fault in faults.items() if fault is None]
    for name in asked.methods:
        if name not in faults:
            raise MissingInput(f"no {images / name}{did_you_mean(name, faults)}")
        if faults[name]:
            raise MissingInput(f"{images / name} {faults[name]}: generate it again, or take the folder in again")
    if not known:
        raise MissingInput(f"no images of the cases of {samples} in {images}: run the generate stage first")
    if not asked.methods:
        scored = {path.name: "has no images" for path in scores.glob("*") if path.is_dir() and path.name != tasks.REAL}
        _forget({name: fault for name, fault in (scored | faults).items() if fault}, images, scores)
    return asked.methods or known


def _checked(name: str | None) -> str:
    """Refuse what is no file name, and names of which any run has images or rows: theirs would be counted twice."""
    if name is None:
        raise SettingsError("--images needs --name, what tables are to call these images: give one, like --name mine")
    if not NAME.fullmatch(name):
        raise SettingsError(f"--name {name!r} is no name for tables: letters, digits, _ and - were expected")
    taken = (*plugins.names("methods"), *BOUNDS, SHUFFLED, tasks.REAL)
    if (first := name.partition("-")[0]) in taken:
        raise SettingsError(
            f"--name {name!r} is taken: the part before the first - may be none of {', '.join(taken)}; "
            f"call it other_{first}, say"
        )
    return name


def _forget(faults: Mapping[str, str], images: Path, scores: Path) -> None:
    """Remove the scores of what has not all images of these cases: the report reads all scores that there are."""
    for name, fault in sorted(faults.items()):
        print(f"{images / name} {fault} and is left out")
        shutil.rmtree(scores / name, ignore_errors=True)
