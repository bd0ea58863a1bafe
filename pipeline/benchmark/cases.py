"""The benchmark's cases: who is asked for, with which words and seed, and where; the same list for every method.

What is asked for stands in pipeline/benchmark/prompts/<name>.yaml; with the test people of data/samples it becomes
data/samples/_cases.json, which holds a hash of its own content.

Two protocols, never ranked together: `free` gives people and prompt only, and a method that needs a layout takes the
case's `prior`, drawn from training photos; `layout` gives boxes, pose and expression, taken from a test photo of other
people and freed of their shape.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pipeline import shards
from pipeline.errors import MissingInput, ShardError
from pipeline.files import read_json
from pipeline.head.head_pose import HeadPose

CASES_FILE = "_cases.json"
PROTOCOLS = ("free", "layout")
HEADS = ("layout", "prior")  # what holds poses in a stored case
Names = tuple[str, ...]


@dataclass(frozen=True)
class Shot:
    """A face of a person in a photo."""

    face_id: str
    photo_id: str


@dataclass(frozen=True)
class Person:
    """Somebody to be drawn. The photos of the three kinds are all different."""

    identity_id: str
    references: tuple[Shot, ...]  # given to the generator, best first
    held_out: tuple[Shot, ...]  # scored against, shown to no generator and no bound
    other: Shot  # the photo that the bounds other_photo and vae_roundtrip show


@dataclass(frozen=True)
class Case:
    """One image to be drawn. People and poses go from left to right, in the same order; lengths in its pixels."""

    case_id: str
    prompt: str
    seed: int
    width: int
    height: int
    people: tuple[Person, ...]
    layout: tuple[HeadPose, ...]  # of the head's mean shape
    layout_photos: Names  # test photos, of other people, that the layout was taken from
    prior: tuple[HeadPose, ...]
    prior_photos: Names  # training photos that the prior was taken from


@dataclass(frozen=True)
class Benchmark:
    """The cases of a run."""

    name: str
    hash: str  # of the cases' content: tables of two runs compare only where it is equal
    cases: tuple[Case, ...]


def layout_of(case: Case, protocol: str) -> tuple[HeadPose, ...]:
    """The layout of a case: given by the protocol `layout`, else drawn from the prior that all methods share."""
    return case.layout if protocol == "layout" else case.prior


def hash_of_cases(cases: Sequence[Case]) -> str:
    """16 hex digits of the content of cases."""
    text = json.dumps([_row(case) for case in cases], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def save_cases(benchmark: Benchmark, path: Path) -> None:
    """Write the case list; the same cases give the same bytes.

    Raises:
        StorageError: no space or no permission.
    """
    values = {"name": benchmark.name, "hash": benchmark.hash, "cases": [_row(case) for case in benchmark.cases]}
    with shards.replacing(path) as temporary:
        temporary.write_text(json.dumps(values, sort_keys=True, separators=(",", ":")) + "\n")


def load_cases(path: Path) -> Benchmark:
    """Read a case list.

    Raises:
        MissingInput: it does not exist or holds no case.
        ShardError: its content is not what its hash says.
    """
    if not path.is_file():
        raise MissingInput(f"{path} does not exist: run the samples stage first")
    values = read_json(path)
    cases = tuple(_case(row) for row in values["cases"])
    if not cases:
        raise MissingInput(
            f"{path} holds no case. It takes a test person with a reference, a photo for the bounds and another, a "
            "test photo of other people for the layout and a training photo for the prior: raise samples.test_share"
        )
    if hash_of_cases(cases) != values["hash"]:
        raise ShardError(f"{path} was changed by hand, its hash does not fit: run the samples stage again")
    return Benchmark(values["name"], values["hash"], cases)


def _row(case: Case) -> dict[str, Any]:
    heads = {key: [pose.stored() for pose in getattr(case, key)] for key in HEADS}
    return asdict(replace(case, layout=(), prior=())) | heads


def _case(row: Mapping[str, Any]) -> Case:
    people = tuple(
        Person(person["identity_id"], _shots(person["references"]), _shots(person["held_out"]), Shot(**person["other"]))
        for person in row["people"]
    )
    heads = {key: tuple(HeadPose.from_case(pose) for pose in row[key]) for key in HEADS}
    names = {key: tuple(row[key]) for key in ("layout_photos", "prior_photos")}
    return Case(**{**row, "people": people, **heads, **names})


def _shots(rows: Sequence[Mapping[str, str]]) -> tuple[Shot, ...]:
    return tuple(Shot(**row) for row in rows)
