"""The photos that cases point at: references for the methods, and what the bounds show."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from pipeline import shards
from pipeline.backbone.batch import Reference
from pipeline.backbone.references import from_row
from pipeline.benchmark.bounds import Source
from pipeline.benchmark.cases import Shot
from pipeline.errors import MissingInput
from pipeline.images import decode


class Gallery:
    """The photos of the test split, decoded when they are asked for."""

    def __init__(self, folder: Path) -> None:
        self._rows: dict[str, dict[str, Any]] = {}
        for path in shards.paths(folder, "test"):
            for row in shards.read(path, ["photo_id", "image", "faces"]).to_pylist():
                self._rows[row["photo_id"]] = row
        self.source = lru_cache(maxsize=256)(self._source)
        self.reference = lru_cache(maxsize=256)(self._reference)

    def _source(self, photo_id: str) -> Source:
        row = self._row(photo_id)
        boxes = {face["face_id"]: tuple(face["box"]) for face in row["faces"]}
        return Source(decode(row["image"]["bytes"]), boxes)

    def _reference(self, shot: Shot) -> Reference:
        faces = {face["face_id"]: face for face in self._row(shot.photo_id)["faces"]}
        return from_row(self.source(shot.photo_id).pixels, faces[shot.face_id])

    def _row(self, photo_id: str) -> dict[str, Any]:
        if photo_id not in self._rows:
            raise MissingInput(f"photo {photo_id} of a case is in no test shard: run the samples stage again")
        return self._rows[photo_id]
