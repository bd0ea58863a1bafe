"""What a method reads of the training photos beside latents and texts: features of faces, and control images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline import method, shards
from pipeline.backbone.batch import Reference
from pipeline.backbone.frozen import FrozenEncoders
from pipeline.backbone.references import from_row
from pipeline.head.head_pose import HeadPose
from pipeline.images import Pixels, decode
from pipeline.samples.framing import framed
from pipeline.settings import Models
from pipeline.training.cache import FOLDER, kept_rows, packed, write


class FeatureWorker:
    """Computes what a method reads of samples shards beside latents and texts.

    Features of all faces, aligned from the photos as they were crawled, in the order of the rows and their faces; and
    the control images (`cache.packed`) of what is shown of the photos of each size, in the order of the rows, where the
    method paints one. A task without a shard asks for the features of no reference: ranks then need not load
    an image encoder for one grey picture.
    """

    def __init__(self, models: Models, name: str, folder: Path = FOLDER) -> None:
        self._frozen = FrozenEncoders(models)
        self._method, _ = method.find(name)
        self._folder = folder

    def __call__(self, task: shards.Task) -> int:
        if task.inputs is None:
            write(task.key, self._method.encode_null(self._frozen), self._folder)
            return 0
        rows = kept_rows(task.inputs, ["image", "crop", "size", "faces"]).to_pylist()
        references = [reference for row in rows for reference in _references(row)]
        features = self._method.encode(self._frozen, references)
        arrays = {name: value.astype(np.float16) for name, value in features.items()}
        if self._method.control_channels:
            arrays |= self._control_images(rows)
        write(task.key, arrays, self._folder)
        return len(references)

    def _control_images(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, NDArray[Any]]:
        found: dict[tuple[int, int], list[Pixels]] = {}
        for row in rows:
            width, height = row["size"]
            people = [HeadPose.from_photo(framed(face, row["crop"], row["size"])) for face in row["faces"]]
            painted = self._method.render_control(self._frozen.head, people, (height, width))
            found.setdefault((width, height), []).append(painted)
        return {name: value for size, images in found.items() for name, value in packed(images, size).items()}


def _references(row: Mapping[str, Any]) -> list[Reference]:
    photo = decode(row["image"]["bytes"])
    return [from_row(photo, face) for face in row["faces"]]
