"""Which shards of samples are wanted: the photos of one shard of the crawl, by kind."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline import shards
from pipeline.code import code_fingerprint, schema_parts
from pipeline.samples.faces import FaceTable
from pipeline.samples.selection import Photo
from pipeline.settings import SamplesSettings


@dataclass(frozen=True)
class Piece:
    """The photos of one shard of samples; all from one shard of the crawl, all of one kind."""

    crawl: str
    kind: str  # train, validation, test or rejected
    photos: tuple[Photo, ...]


def tasks(photos: Sequence[Photo], faces: FaceTable, settings: SamplesSettings) -> dict[str, list[shards.Task]]:
    """The shards to make, by kind: train, validation, test and rejected."""
    code = code_fingerprint("pipeline.samples.worker"), schema_parts(faces.schema())
    numbers = faces.numbers()
    digests = {photo.photo_id: _digest(photo, faces, numbers) for photo in photos}
    found: dict[str, list[shards.Task]] = {"train": [], "validation": [], "test": [], "rejected": []}
    for piece in _pieces(photos, settings.photos_per_shard):
        key = shards.fingerprint(piece.kind, [digests[photo.photo_id] for photo in piece.photos], code)
        found[piece.kind].append(shards.Task(key, piece))
    return found


def _pieces(photos: Sequence[Photo], size: int) -> Iterable[Piece]:
    groups: dict[tuple[str, str], list[Photo]] = {}
    for photo in photos:
        kind = "rejected" if photo.reject or photo.split is None else photo.split
        groups.setdefault((photo.crawl, kind), []).append(photo)
    for (crawl, kind), members in groups.items():
        yield from (Piece(crawl, kind, tuple(piece)) for piece in shards.chunks(members, size))


def _digest(photo: Photo, faces: FaceTable, numbers: NDArray[np.float32]) -> str:
    rows = faces.rows_of(photo.photo_id)
    names = faces.table["face_id"].slice(rows.start, rows.stop - rows.start).to_pylist()
    told = photo.photo_id, photo.caption, photo.identity_ids, photo.split, photo.reject, photo.frame, names
    text = repr(told)
    return hashlib.sha256(text.encode() + numbers[rows].tobytes()).hexdigest()[:16]
