"""data/identities: one shard each of faces, people and changes, made anew whenever a face came or went.

Clusters depend on all faces, so there is one task. The shard before this one is the memory of names: it is deleted
only after the new one is complete, and the shard of faces, which says that all three are complete, is written last.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import records, shards
from pipeline.errors import MissingInput
from pipeline.identities import history
from pipeline.identities.clean import Cleaned, cohesion
from pipeline.identities.cluster import canonical, cluster
from pipeline.identities.linkage import Floats, sum_rows
from pipeline.settings import IdentitiesSettings

KINDS = CHANGES, PEOPLE, FACES = "changes", "people", "faces"
COLUMNS = ("face_id", "photo_id", "embedding", "reject")
ROWS_AT_ONCE = 512  # identities compared with all others at once: bounds memory


class IdentitiesWorker:
    """Clusters the faces of the one task and writes its shards into `folder`, with the names of what lies there."""

    def __init__(self, settings: IdentitiesSettings, folder: Path) -> None:
        self._settings, self._folder = settings, folder

    def __call__(self, task: shards.Task) -> None:
        """Write changes, people and, last, faces.

        Raises:
            MissingInput: no face was kept.
        """
        table = _kept(task.inputs)
        vectors = canonical(np.stack(table["embedding"].to_numpy()))
        found, _ = cluster(vectors, table["photo_id"].to_numpy(), self._settings)
        for kind, rows, schema in _tables(table, vectors, found, before(self._folder)):
            shards.write(shards.path_of(self._folder, kind, task.key), pa.Table.from_pylist(rows, schema), schema)


def before(folder: Path) -> dict[str, str]:
    """Face id to identity id in the output that lies in `folder`; empty without one."""
    if not shards.finished(folder, FACES):
        return {}
    table = shards.read_all(folder, FACES, ["face_id", "identity_id"])
    table = table.filter(pc.is_valid(table["identity_id"]))
    return dict(zip(table["face_id"].to_pylist(), table["identity_id"].to_pylist(), strict=True))


def _kept(faces: list[Path]) -> pa.Table:
    """Kept faces sorted by id: what follows does not depend on how they were dealt out to shards."""
    table = pa.concat_tables([shards.read(path, COLUMNS) for path in faces])
    table = table.filter(pc.is_null(table["reject"])).sort_by("face_id")
    if not len(table):
        raise MissingInput("no face was kept by the faces stage: look at the rejects in data/faces/_metrics.json")
    return table


def _tables(
    table: pa.Table, vectors: Floats, found: Cleaned, old: dict[str, str]
) -> list[tuple[str, list[dict[str, Any]], pa.Schema]]:
    faces = table["face_id"].to_pylist()
    rows = np.flatnonzero(found.kept)
    rows = rows[np.argsort(found.labels[rows], kind="stable")]
    clusters, starts = np.unique(found.labels[rows], return_index=True)
    groups = [[faces[row] for row in piece] for piece in np.split(rows, starts[1:])] if len(rows) else []
    ids = history.names(groups, old)
    named = dict(zip(clusters.tolist(), ids, strict=True))
    return [
        (CHANGES, history.changes(groups, ids, old), records.CHANGES),
        (PEOPLE, _people(vectors, found, named), records.PEOPLE),
        (FACES, _faces(table, vectors, found, named), records.IDENTITIES),
    ]


def _faces(table: pa.Table, vectors: Floats, found: Cleaned, named: dict[int, str]) -> list[dict[str, Any]]:
    centres = sum_rows(vectors * found.kept[:, None], found.labels, found.labels.max() + 1)[found.labels]
    lengths = np.linalg.norm(centres, axis=1)
    similar = np.einsum("nd,nd->n", vectors, centres) / np.maximum(lengths, 1e-12)
    return [
        {
            "face_id": face,
            "photo_id": photo,
            "identity_id": None if reason else named[label],
            "similarity": float(similarity) if length else None,
            "reject": str(reason) or None,
        }
        for face, photo, label, reason, similarity, length in zip(
            table["face_id"].to_pylist(),
            table["photo_id"].to_pylist(),
            found.labels.tolist(),
            found.reject,
            similar,
            lengths,
            strict=True,
        )
    ]


def _people(vectors: Floats, found: Cleaned, named: dict[int, str]) -> list[dict[str, Any]]:
    labels = sorted(named)
    counts = np.bincount(found.labels[found.kept], minlength=found.labels.max() + 1)[labels]
    sums = sum_rows(vectors * found.kept[:, None], found.labels, found.labels.max() + 1)[labels]
    inside = cohesion(vectors, found)[labels]
    nearest = _nearest_other(sums / counts[:, None])
    rows = [
        {"identity_id": named[label], "faces": int(count), "cohesion": float(own), "margin": float(own - other)}
        for label, count, own, other in zip(labels, counts, inside, nearest, strict=True)
    ]
    return sorted(rows, key=lambda row: row["identity_id"])


def _nearest_other(means: Floats) -> Floats:
    """Mean cosine (P,) between an identity's faces and those of the most alike other, from mean vectors (P, D)."""
    nearest = np.full(len(means), -1.0)
    for start in range(0, len(means), ROWS_AT_ONCE):
        rows = np.arange(start, min(start + ROWS_AT_ONCE, len(means)))
        table = means[rows] @ means.T
        table[np.arange(len(rows)), rows] = -1.0
        nearest[rows] = table.max(axis=1)
    return nearest
