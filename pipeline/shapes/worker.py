"""One shard of shapes: some whole identities, all their faces fitted together."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline import images, records, shards
from pipeline.errors import MissingInput
from pipeline.head import pose
from pipeline.head.camera import Camera
from pipeline.head.fit import Fit, basis_of, fit
from pipeline.head.landmarks import eye_distance
from pipeline.head.model import Head, load_head
from pipeline.settings import ShapesSettings
from pipeline.shapes.faces import FaceBatch, batches, numbers
from pipeline.shapes.light import TERMS, LightFitter

KIND = "shapes"
BATCH = 256  # faces fitted at once; the normal equations of a face take about 100 kB
MIN_EYE_DISTANCE = 2.0  # pixels; below, the points are not a face's


class ShapeWorker:
    """Fits the head to the faces of a task and writes their shard."""

    def __init__(self, settings: ShapesSettings, head: Path, crawl: Path, out: Path) -> None:
        self._settings, self._crawl, self._out = settings, crawl, out
        self._head = load_head(head)
        self._basis = basis_of(self._head)
        self._light = LightFitter(self._head)

    def __call__(self, task: shards.Task) -> None:
        faces: FaceBatch = task.inputs
        points = faces.landmarks.astype(np.float64).reshape(-1, records.POINTS, 2)
        usable = np.isfinite(points).all(axis=(1, 2)) & (eye_distance(points) >= MIN_EYE_DISTANCE)
        tables = [self._table(faces.take(~usable), None)] if not usable.all() else []
        kept, kept_points = faces.take(usable), points[usable]
        for rows in batches(kept.identity_id, BATCH):
            piece = kept.take(rows)
            fitted = fit(kept_points[rows], numbers(piece.identity_id), self._basis, self._settings)
            tables.append(self._table(piece, fitted))
        table = pa.concat_tables(tables).sort_by([("identity_id", "ascending"), ("face_id", "ascending")])
        shards.write(shards.path_of(self._out, KIND, task.key), self._lit(table, faces), schema(self._head))

    def _table(self, faces: FaceBatch, fitted: Fit | None) -> pa.Table:
        values = _columns(fitted, faces, self._settings) if fitted else {}
        columns = {"face_id": faces.face_id, "identity_id": faces.identity_id} | values
        if fitted is None:
            columns["reject"] = ["landmarks"] * len(faces.face_id)
        wanted = schema(self._head)
        length = len(faces.face_id)
        return pa.table(
            {name: columns.get(name, pa.nulls(length, wanted.field(name).type)) for name in wanted.names}
        ).cast(wanted)

    def _lit(self, table: pa.Table, faces: FaceBatch) -> pa.Table:
        """The table with its light filled in, from the photos."""
        photo_of = dict(zip(faces.face_id, faces.photo_id, strict=True))
        lights: dict[str, NDArray] = {}
        by_photo: dict[str, list[dict]] = {}
        for row in table.filter(pc.is_null(table["reject"])).to_pylist():
            by_photo.setdefault(photo_of[row["face_id"]], []).append(row)
        for photo_id, pixels in photos(self._crawl, set(by_photo)):
            for row in by_photo[photo_id]:
                camera = Camera.from_row(row)
                lights[row["face_id"]] = self._light(pixels, row["shape"], row["expression"], camera)
        values = np.array([lights.get(face, np.full(TERMS, np.nan)) for face in table["face_id"].to_pylist()])
        column = records.vectors(values, absent=np.isnan(values[:, 0]))
        return table.set_column(table.column_names.index("light"), "light", column)


def schema(head: Head) -> pa.Schema:
    """The schema of data/shapes for a head; the head's name and licence stand in its metadata."""
    card = {"name": head.name, "version": head.version, "licence": head.licence, "unit": head.unit}
    known = records.shapes(len(head.identity), len(head.expression))
    return known.with_metadata({**known.metadata, b"head": json.dumps(card).encode()})


def photos(crawl: Path, wanted: set[str]) -> Iterator[tuple[str, images.Pixels]]:
    """Pairs of photo id and pixels of the wanted photos; every crawl shard is read once.

    Raises:
        MissingInput: a photo is not there.
    """
    left = set(wanted)
    for path in shards.paths(crawl, "photos") if wanted else []:
        table = shards.read(path, ["photo_id", "image"])
        table = table.filter(pc.is_in(table["photo_id"], value_set=pa.array(sorted(left), pa.string())))
        for row in table.to_pylist():
            left.discard(row["photo_id"])
            yield row["photo_id"], images.decode(row["image"]["bytes"])
    if left:
        raise MissingInput(f"{len(left)} photos with faces are not in {crawl} ({min(left)}, say): run the crawl again")


def _columns(fitted: Fit, faces: FaceBatch, settings: ShapesSettings) -> dict[str, pa.Array | list | NDArray]:
    turned = pose.angles(fitted.rotation).astype(np.float32)
    far = fitted.residual > settings.max_residual
    return {
        "shape": records.vectors(fitted.shape[numbers(faces.identity_id)]),
        "expression": records.vectors(fitted.expression),
        "yaw": turned[:, 0],
        "pitch": turned[:, 1],
        "roll": turned[:, 2],
        "scale": fitted.scale.astype(np.float32),
        "translation": records.vectors(fitted.translation),
        "residual": fitted.residual.astype(np.float32),
        "reject": pa.array(["residual" if bad else None for bad in far], pa.string()),
    }
