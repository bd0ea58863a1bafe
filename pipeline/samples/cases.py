"""From the samples to reference sets, and from those of the test people to the benchmark's cases."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import records, shards
from pipeline.benchmark import fairness, resolution
from pipeline.benchmark.build import LayoutSource, build_cases
from pipeline.benchmark.cases import CASES_FILE, Benchmark, Person, save_cases
from pipeline.benchmark.spec import BenchmarkSpec
from pipeline.head.head_pose import HeadPose
from pipeline.head.model import Head, load_head
from pipeline.samples import captions, references
from pipeline.samples.faces import FaceTable
from pipeline.samples.framing import framed
from pipeline.samples.references import ReferenceCandidate
from pipeline.samples.selection import Photo
from pipeline.settings import SamplesSettings, Settings

KIND = "references"
# Layouts are drawn from so many photos per number of people; more would change nothing but the time it takes.
MOST_LAYOUTS = 500


def write(
    spec: BenchmarkSpec, photos: Sequence[Photo], faces: FaceTable, settings: Settings, out: Path
) -> tuple[list[Person], Benchmark]:
    """Write reference sets and cases beside the shards of samples; the people that cases may show, and the cases.

    Raises:
        FairnessError: the cases break a rule of the contract.
    """
    rows = reference_rows(photos, faces, settings.samples)
    people = eligible_people(rows)
    head, drawn = load_head(settings.models.head), resolution.of(settings.models.backbone, settings.samples.side)
    benchmark = cases(spec, people, photos, faces, head, settings.samples, drawn)
    check(photos, benchmark)
    write_references(rows, out)
    save_cases(benchmark, out / CASES_FILE)
    return people, benchmark


def check(photos: Sequence[Photo], benchmark: Benchmark) -> None:
    """Splits, prompts and references of the cases.

    Raises:
        FairnessError: a rule is broken.
    """
    kept = [photo for photo in photos if not photo.reject]
    fairness.check_splits(((photo.photo_id, str(photo.split), photo.identity_ids) for photo in kept), benchmark.cases)
    prompts = (photo.caption for photo in kept if photo.split == "train")
    fairness.check_prompts(prompts, benchmark.cases, captions.normal)
    for case in benchmark.cases:
        fairness.check_references(case)


def reference_rows(photos: Sequence[Photo], faces: FaceTable, settings: SamplesSettings) -> list[dict[str, Any]]:
    """Rows of records.REFERENCES for everybody in a sample, by split, person and rank."""
    found = sorted(
        (
            (photo.split or "", candidate)
            for photo in photos
            if not photo.reject
            for candidate in _candidates(photo, faces)
        ),
        key=lambda pair: (pair[0], pair[1].identity_id, pair[1].face_id),
    )
    return [
        row
        for (split, _), members in groupby(found, key=lambda pair: (pair[0], pair[1].identity_id))
        for row in references.rows([candidate for _, candidate in members], split, settings.references)
    ]


def write_references(rows: Sequence[dict[str, Any]], out: Path) -> None:
    """Write the reference sets of all people as one shard."""
    task = shards.Task(shards.fingerprint(list(rows)), None)
    shards.remove_stale(out, KIND, [task])
    table = pa.Table.from_pylist(list(rows), schema=records.REFERENCES)
    shards.write(shards.path_of(out, KIND, task.key), table, records.REFERENCES)


def eligible_people(rows: Sequence[dict[str, Any]]) -> list[Person]:
    """The test people with enough photos to be in the benchmark."""
    tested = (row for row in rows if row["split"] == "test")
    people = (references.person(name, list(found)) for name, found in groupby(tested, lambda row: row["identity_id"]))
    return [person for person in people if person]


def cases(
    wanted: BenchmarkSpec,
    people: Sequence[Person],
    photos: Sequence[Photo],
    faces: FaceTable,
    head: Head,
    settings: SamplesSettings,
    drawn: resolution.Resolution,
) -> Benchmark:
    """The benchmark with these people; without enough photos of others to take layouts from it has no case."""
    sources, priors = _layout_sources(photos, faces, "test"), _layout_sources(photos, faces, "train")
    casts = {count: number for count, number in enumerate(settings.cases, start=1) if number}
    return build_cases(wanted, people, sources, priors, head, casts, settings.seeds, drawn)


def _candidates(photo: Photo, faces: FaceTable) -> list[ReferenceCandidate]:
    table, alone = faces.usable(photo.photo_id), len(faces.of(photo.photo_id)) == 1
    rows = table.select(["face_id", "photo_id", "identity_id", "quality", "box", "yaw", "pitch"]).to_pylist()
    return [
        ReferenceCandidate(
            face_id=row["face_id"],
            photo_id=row["photo_id"],
            identity_id=row["identity_id"],
            quality=row["quality"],
            pixels=min(row["box"][2] - row["box"][0], row["box"][3] - row["box"][1]),
            yaw=row["yaw"],
            pitch=row["pitch"],
            alone=alone,
        )
        for row in rows
    ]


def _layout_sources(photos: Sequence[Photo], faces: FaceTable, split: str) -> list[LayoutSource]:
    # Photo ids are hashes of content: their order is random and yet the same in every run.
    kept = sorted((photo for photo in photos if not photo.reject and photo.split == split), key=lambda p: p.photo_id)
    by_count: dict[int, list[Photo]] = {}
    for photo in kept:
        by_count.setdefault(len(photo.identity_ids), []).append(photo)
    return [_layout_source(photo, faces) for _, found in sorted(by_count.items()) for photo in found[:MOST_LAYOUTS]]


def _layout_source(photo: Photo, faces: FaceTable) -> LayoutSource:
    assert photo.frame is not None
    crop, size = photo.frame.crop, photo.frame.size
    poses = tuple(HeadPose.from_photo(framed(face, crop, size)) for face in faces.structs(photo.photo_id))
    return LayoutSource(photo.photo_id, *size, photo.identity_ids, poses)
