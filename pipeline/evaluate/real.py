"""data/scores/real: how the scoring models see the test photos, once for all methods."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline import records, shards
from pipeline.evaluate.observe import FaceObserver, TextObserver
from pipeline.images import cut, decode
from pipeline.metric import ENCODERS, Floats
from pipeline.settings import EvaluateSettings, Models


class RealWorker:
    """Writes a shard of faces and one of features for one shard of test photos, whose path is the task's input."""

    def __init__(self, models: Models, settings: EvaluateSettings, folder: str) -> None:
        self._faces, self._text, self._folder = FaceObserver(models, settings), TextObserver(models), Path(folder)

    def __call__(self, task: shards.Task) -> int:
        """Returns the number of photos."""
        columns = ["photo_id", "image", "crop", "size", "faces", "reject"]
        photos = [row for row in shards.read(task.inputs, columns).to_pylist() if row["reject"] is None]
        faces, features = [], []
        for row in photos:
            pixels = decode(row["image"]["bytes"])
            faces += self._rows(row, *self._embed(pixels, row["faces"]))
            shown = cut(pixels, row["crop"], row["size"])  # as generated images are framed
            features.append(_feature(row, self._text.image(shown).tolist()))
        self._write("features", task.key, features, records.FEATURES)
        self._write("faces", task.key, faces, records.REAL_FACES)  # the last: its existence means complete
        return len(photos)

    def _embed(self, pixels: np.ndarray, faces: list[dict[str, Any]]) -> tuple[dict[str, Floats], Floats]:
        boxes = np.array([face["box"] for face in faces], np.float64).reshape(-1, 4)
        points = np.array([face["keypoints"] for face in faces], np.float32).reshape(-1, 5, 2)
        return self._faces.at(pixels, boxes, points)

    def _rows(self, row: dict[str, Any], embeddings: dict[str, Floats], points: Floats) -> list[dict[str, Any]]:
        return [
            {
                "face_id": face["face_id"],
                "photo_id": row["photo_id"],
                "identity_id": face["identity_id"],
                **{f"embedding_{name}": embeddings[name][index].tolist() for name in ENCODERS},
                "keypoints": points[index].ravel().tolist(),
                "landmarks": face["landmarks"],
            }
            for index, face in enumerate(row["faces"])
        ]

    def _write(self, kind: str, key: str, rows: list[dict[str, Any]], schema: pa.Schema) -> None:
        shards.write(shards.path_of(self._folder, kind, key), pa.Table.from_pylist(rows, schema=schema), schema)


def _feature(row: dict[str, Any], embedding: list[float]) -> dict[str, Any]:
    names = [face["identity_id"] for face in row["faces"]]
    return {
        "case_id": row["photo_id"], "protocol": "", "people": len(names), "identity_ids": names, "embedding": embedding,
    }  # fmt: skip
