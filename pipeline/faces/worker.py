"""One shard of faces from one shard of photos."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pipeline import records, shards
from pipeline.encoders.recogniser import Recogniser, align
from pipeline.faces import grade
from pipeline.faces.find import Finder
from pipeline.faces.types import Detections
from pipeline.images import BadImage, Pixels, decode
from pipeline.settings import FacesSettings

KIND = "faces"
COLUMNS = ("photo_id", "image", "width", "height")
NO_FACE = -1


@dataclass(frozen=True)
class Graded:
    """A photo's faces and what they were graded by; `crops` are what the recogniser sees."""

    photo: dict[str, Any]
    found: Detections | None  # None: the photo does not decode
    crops: list[NDArray[np.uint8]]
    sharpness: list[float]


class FacesWorker:
    """Makes data/faces shards: loads the models of `directory` once, then takes one shard of photos per call."""

    def __init__(self, settings: FacesSettings, directory: str, out: Path) -> None:
        self._settings, self._out = settings, out
        self._finder, self._recogniser = Finder(settings, directory), Recogniser(directory)

    def __call__(self, task: shards.Task) -> dict[str, int]:
        """Write the shard of `task`; counts of its photos and rows are returned."""
        photos = shards.read(task.inputs, COLUMNS).to_pylist()
        graded = [self._look(photo) for photo in photos]
        rows = self._rows(graded)
        schema = records.faces(self._recogniser.dimension)
        shards.write(shards.path_of(self._out, KIND, task.key), pa.Table.from_pylist(rows, schema), schema)
        return {"photos": len(photos), "rows": len(rows)}

    def _look(self, photo: dict[str, Any]) -> Graded:
        try:
            pixels: Pixels = decode(photo.pop("image")["bytes"])
        except BadImage as error:
            print(f"photo {photo['photo_id']}: {error}", file=sys.stderr)
            return Graded(photo, None, [], [])
        found = self._finder(pixels)
        crops = [align(pixels, points) for points in found.keypoints]
        return Graded(photo, found, crops, [grade.sharpness(crop) for crop in crops])

    def _rows(self, graded: list[Graded]) -> list[dict[str, Any]]:
        # All faces of the shard at once: a recogniser with a free batch axis is faster so.
        crops = [crop for photo in graded for crop in photo.crops]
        embeddings = iter(self._recogniser.embed(np.asarray(crops, np.uint8).reshape(-1, 112, 112, 3)))
        return [row for photo in graded for row in self._photo_rows(photo, embeddings)]

    def _photo_rows(self, graded: Graded, embeddings: Any) -> list[dict[str, Any]]:
        found = graded.found
        if found is None:
            return [_row(graded.photo, NO_FACE) | {"reject": "bad_image"}]
        if not len(found.boxes):
            return [_row(graded.photo, NO_FACE) | {"reject": "no_face"}]
        sharp, sides = np.asarray(graded.sharpness, np.float32), grade.shorter_side(found.boxes)
        yaws = grade.yaw_degrees(found.landmarks)
        quality = grade.quality(found.scores, sides, sharp, yaws)
        return [
            _row(graded.photo, index)
            | {
                "box": found.boxes[index],
                "keypoints": found.keypoints[index].ravel(),
                "landmarks": found.landmarks[index].ravel(),
                "score": found.scores[index],
                "embedding": next(embeddings),
                "sharpness": sharp[index],
                "yaw": yaws[index],
                "quality": quality[index],
                "reject": grade.reject(self._settings, found.scores[index], sides[index], sharp[index], yaws[index]),
            }
            for index in range(len(found.boxes))
        ]


def _row(photo: dict[str, Any], index: int) -> dict[str, Any]:
    return dict.fromkeys(records.faces(1).names) | photo | {"face_id": f"{photo['photo_id']}-{index}", "index": index}
