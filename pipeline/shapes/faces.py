"""The faces that shapes are fitted to, and how they are dealt out to shards: by whole identities."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline import records, shards
from pipeline.errors import MissingInput
from pipeline.settings import ShapesSettings

Names = NDArray[np.object_]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class FaceBatch:
    """The faces of some whole identities, sorted by identity and face; all columns of one length N."""

    face_id: Names
    photo_id: Names
    identity_id: Names
    landmarks: NDArray[np.float32]  # (N, 136), NaN where there are none

    def take(self, rows: NDArray) -> "FaceBatch":
        """Some of the faces, by number or mask."""
        return FaceBatch(self.face_id[rows], self.photo_id[rows], self.identity_id[rows], self.landmarks[rows])

    def fingerprint(self) -> str:
        """Changes with any face, identity or landmark."""
        names = "\n".join(f"{face} {identity}" for face, identity in zip(self.face_id, self.identity_id, strict=True))
        return hashlib.sha256(names.encode() + self.landmarks.tobytes()).hexdigest()[:16]


def faces_with_identity(faces_folder: Path, identities_folder: Path) -> FaceBatch:
    """Every face that has an identity, with its landmarks, sorted by identity and face."""
    identities = shards.read_all(identities_folder, "faces", ["face_id", "identity_id"])
    identities = identities.filter(pc.is_valid(identities["identity_id"])).sort_by(
        [("identity_id", "ascending"), ("face_id", "ascending")]
    )
    found = shards.read_all(faces_folder, "faces", ["face_id", "photo_id", "landmarks"])
    rows = pc.index_in(identities["face_id"], value_set=found["face_id"])
    if rows.null_count:
        raise MissingInput(
            f"{rows.null_count} faces of {identities_folder} are not in {faces_folder}: run the identities stage again"
        )
    found = found.take(rows)
    return FaceBatch(
        face_id=found["face_id"].to_numpy(),
        photo_id=found["photo_id"].to_numpy(),
        identity_id=identities["identity_id"].to_numpy(),
        landmarks=records.matrix(found["landmarks"]),
    )


def tasks(faces: FaceBatch, settings: ShapesSettings, head: Path) -> list[shards.Task]:
    """One task per bucket of identities. Landmarks travel with it: 544 bytes per face."""
    code = shards.code_version("pipeline/shapes", "pipeline/head")
    model = shards.file_fingerprint([head])
    bucket = buckets(faces.identity_id, settings.identities_per_shard)
    pieces = [faces.take(bucket == number) for number in np.unique(bucket)]
    return [shards.Task(shards.fingerprint(piece.fingerprint(), settings, model, code), piece) for piece in pieces]


def buckets(identity_ids: Names, per_bucket: int) -> Ints:
    """The bucket of every row, by a hash of its identity: a new identity changes no other bucket than its own.

    The number of buckets is a power of two, so that growth rarely moves the others.
    """
    distinct, inverse = np.unique(identity_ids.astype(str), return_inverse=True)
    count = 1 << int(np.ceil(np.log2(max(len(distinct) / per_bucket, 1))))
    hashes = [int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) for name in distinct]
    return (np.array(hashes, np.int64) % count)[inverse]


def batches(identity_ids: Names, size: int) -> list[Ints]:
    """Row numbers in pieces of whole identities (rows are sorted by them), each of about `size` faces."""
    starts = np.flatnonzero(np.diff(numbers(identity_ids), prepend=-1))
    piece = starts // size
    firsts = starts[np.flatnonzero(np.diff(piece, prepend=-1))]
    return [rows for rows in np.split(np.arange(len(identity_ids)), firsts[1:]) if len(rows)]


def numbers(identity_ids: Names) -> Ints:
    """Numbers from 0 of the identities of sorted rows."""
    return np.unique(identity_ids.astype(str), return_inverse=True)[1].astype(np.int64)
