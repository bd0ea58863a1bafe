"""Every face of data/faces with what identities and shapes say of it, in one table."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline import records, shards
from pipeline.errors import MissingInput

FROM_FACES = ["face_id", "photo_id", "index", "box", "keypoints", "landmarks", "embedding", "quality", "reject"]
FROM_SHAPES = ["shape", "expression", "yaw", "pitch", "roll", "scale", "translation"]
VECTORS = ["box", "keypoints", "landmarks", "embedding", "shape", "expression", "translation"]
NUMBERS = ["yaw", "pitch", "roll", "scale"]


class FaceTable:
    """The faces of all photos, sorted by photo and from left to right.

    Columns: FROM_FACES, `identity_id`, FROM_SHAPES, and `reject_reason`: why the face can be in no sample, else null.
    """

    def __init__(self, data: Path) -> None:
        """Read `data`/faces, `data`/identities and `data`/shapes."""
        faces = shards.read_all(data / "faces", "faces", FROM_FACES)
        faces = faces.sort_by([("photo_id", "ascending"), ("index", "ascending")])
        identities = shards.read_all(data / "identities", "faces", ["face_id", "identity_id"])
        shapes = shards.read_all(data / "shapes", "shapes", ["face_id", *FROM_SHAPES, "reject"])
        identity_id = identities["identity_id"].take(_rows(faces, identities))
        fitted = shapes.take(_rows(faces, shapes))
        self.table = faces.append_column("identity_id", identity_id)
        for name in FROM_SHAPES:
            self.table = self.table.append_column(name, fitted[name])
        self.table = self.table.append_column("reject_reason", _reject_reason(faces, identity_id, fitted))
        self.table = self.table.combine_chunks()
        self._rows = _slices(faces["photo_id"])

    def rows_of(self, photo_id: str) -> slice:
        """The rows of a photo's faces; a photo without a face has one row of index -1.

        Raises:
            MissingInput: the faces stage has not seen the photo.
        """
        if photo_id not in self._rows:
            raise MissingInput(f"photo {photo_id} is in data/crawl and not in data/faces: run the faces stage again")
        return self._rows[photo_id]

    def structs(self, photo_id: str) -> list[dict]:
        """The faces of a sample as rows of records.face_struct, in pixels of the photo; none that is in no sample."""
        names = ["face_id", "identity_id", *VECTORS, *NUMBERS]
        return self.usable(photo_id).select(names).to_pylist()

    def of(self, photo_id: str) -> pa.Table:
        """All faces of a photo."""
        rows = self.rows_of(photo_id)
        return self.table.slice(rows.start, rows.stop - rows.start)

    def usable(self, photo_id: str) -> pa.Table:
        """The faces of a photo that may be in a sample."""
        found = self.of(photo_id)
        return found.filter(pc.is_null(found["reject_reason"]))

    def schema(self) -> pa.Schema:
        """The schema of data/samples for the vectors' lengths found here."""
        lengths = [self.table.schema.field(name).type.list_size for name in ("embedding", "shape", "expression")]
        return records.samples(*lengths)

    def numbers(self) -> NDArray[np.float32]:
        """All numbers (rows, columns) of all faces that a sample holds, for fingerprints."""
        vectors = [records.matrix(self.table[name]) for name in VECTORS]
        scalars = [self.table[name].to_numpy()[:, None] for name in NUMBERS]
        return np.concatenate([*vectors, *scalars], axis=1).astype(np.float32)


def _rows(faces: pa.Table, other: pa.Table) -> pa.ChunkedArray:
    """For every face the row of another table about the same face; null where it has none."""
    return pc.index_in(faces["face_id"], value_set=other["face_id"])


def _reject_reason(faces: pa.Table, identity_id: pa.ChunkedArray, fitted: pa.Table) -> pa.ChunkedArray:
    none = pa.scalar(None, pa.string())
    shape = pc.if_else(
        pc.is_null(fitted["face_id"]), "no_shape", pc.if_else(pc.is_valid(fitted["reject"]), "shape", none)
    )
    identity = pc.if_else(pc.is_null(identity_id), "no_identity", shape)
    found = pc.if_else(pc.is_valid(faces["reject"]), "face", identity)
    return pc.if_else(pc.less(faces["index"], 0), faces["reject"], found)


def _slices(photo_ids: pa.ChunkedArray) -> dict[str, slice]:
    def found() -> Iterator[tuple[str, slice]]:
        names = photo_ids.to_numpy()
        starts = np.flatnonzero(np.concatenate([[True], names[1:] != names[:-1]]))
        for start, stop in zip(starts, [*starts[1:], len(names)], strict=True):
            yield names[start], slice(int(start), int(stop))

    return dict(found()) if len(photo_ids) else {}
