"""The faces that shapes are fitted to, and the batches, of whole identities, in which they are fitted."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline import records, shards
from pipeline.errors import MissingInput

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


def batches(identity_ids: Names, size: int) -> list[Ints]:
    """Row numbers in pieces of whole identities (rows are sorted by them), each of about `size` faces."""
    starts = np.flatnonzero(np.diff(numbers(identity_ids), prepend=-1))
    piece = starts // size
    firsts = starts[np.flatnonzero(np.diff(piece, prepend=-1))]
    return [rows for rows in np.split(np.arange(len(identity_ids)), firsts[1:]) if len(rows)]


def numbers(identity_ids: Names) -> Ints:
    """Numbers from 0 of the identities of sorted rows."""
    return np.unique(identity_ids.astype(str), return_inverse=True)[1].astype(np.int64)
