"""One shard of samples: the photos' bytes as crawled, beside everything that is known of their people."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import shards
from pipeline.samples.faces import FaceTable
from pipeline.samples.selection import Photo
from pipeline.samples.tasks import Piece


class SampleWorker:
    """Joins the photos of a task with their faces and writes their shard."""

    def __init__(self, data: Path) -> None:
        self._faces, self._out = FaceTable(data), data / "samples"

    def __call__(self, task: shards.Task) -> None:
        piece: Piece = task.inputs
        crawled = shards.read(piece.crawl, ["photo_id", "image"])
        wanted = pa.array([photo.photo_id for photo in piece.photos], pa.string())
        pictures = crawled["image"].take(pc.index_in(wanted, value_set=crawled["photo_id"])).to_pylist()
        rows = [self._row(photo, picture) for photo, picture in zip(piece.photos, pictures, strict=True)]
        schema = self._faces.schema()
        table = pa.Table.from_pylist(rows, schema=schema)
        shards.write(shards.path_of(self._out, piece.kind, task.key), table, schema)

    def _row(self, photo: Photo, picture: dict[str, Any]) -> dict[str, Any]:
        # A rejected photo is a row for the record; its bytes stay in the crawl, so that nobody trains on it by mistake.
        return {
            "photo_id": photo.photo_id,
            "image": None if photo.reject else picture,
            "width": photo.width,
            "height": photo.height,
            **_shown(photo),
            "caption": photo.caption,
            "split": photo.split,
            "faces": [] if photo.reject else self._faces.structs(photo.photo_id),
            "reject": photo.reject,
        }


def _shown(photo: Photo) -> dict[str, Any]:
    frame = None if photo.reject else photo.frame
    if frame is None:
        return {"crop": None, "size": None, "scale": None}
    return {"crop": list(frame.crop), "size": list(frame.size), "scale": frame.scale}
