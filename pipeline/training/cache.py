"""What frozen parts say about the training photos, computed once: latents, texts, and a method's reference features.

A cache entry is a folder of .npy files, one entry per samples shard, named by what made it, written under a temporary
name and renamed. Entries are memory-mapped, so that all ranks of a machine share one copy. Latents and texts are the
same for all methods; features are a method's own.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray

from pipeline import method, shards
from pipeline.backbone.batch import Reference
from pipeline.backbone.frozen import FrozenEncoders
from pipeline.backbone.load import load
from pipeline.backbone.references import cut
from pipeline.errors import storage_error
from pipeline.head.head_pose import in_photo
from pipeline.images import Pixels, decode, to_unit
from pipeline.settings import Models

FOLDER = Path(".work/training")
PICTURES_AT_ONCE = 16
CAPTIONS_AT_ONCE = 128
Arrays = Mapping[str, NDArray[Any]]


def latent_tasks(samples: list[Path], models: Models) -> list[shards.Task]:
    """One task per samples shard: its latents and texts."""
    made_by = shards.directory_fingerprint(models.backbone), shards.code_version("pipeline/backbone/load")
    return [shards.Task(shards.fingerprint("photos", path.name, *made_by), path) for path in samples]


def feature_tasks(samples: list[Path], models: Models, name: str) -> list[shards.Task]:
    """One task per samples shard: the features of its faces, as the method `name` reads them."""
    made_by = (
        shards.directory_fingerprint(models.recogniser_a),
        shards.directory_fingerprint(models.image_text),
        shards.directory_fingerprint(models.backbone),  # for a method that reads latents
        shards.code_version(
            "pipeline/encoders",
            "pipeline/method",
            "pipeline/backbone/load",
            "pipeline/backbone/references",
            str(method.source(name)),
        ),
        *_control_made_by(models, name),
    )
    return [shards.Task(shards.fingerprint("faces", path.name, *made_by), path) for path in samples]


def _control_made_by(models: Models, name: str) -> tuple[str, ...]:
    if not method.find(name)[0].control_channels:
        return ()
    return shards.file_fingerprint([Path(models.head)]), shards.code_version("pipeline/head")


def entry_path(key: str, folder: Path = FOLDER) -> Path:
    """Where the cache entry `key` lies."""
    return folder / key


def kept_rows(path: Path, columns: list[str]) -> pa.Table:
    """The rows of a samples shard that were not rejected; an entry's rows are these."""
    table = shards.read(path, [*columns, "reject"])
    return table.filter(pc.is_null(table["reject"])).select(columns)


def unfinished(tasks: list[shards.Task], folder: Path = FOLDER) -> list[shards.Task]:
    """The tasks whose entry does not exist yet."""
    return [task for task in tasks if not entry_path(task.key, folder).exists()]


def read(key: str, folder: Path = FOLDER) -> dict[str, NDArray[Any]]:
    """The arrays of an entry, memory-mapped."""
    return {path.stem: np.load(path, mmap_mode="r") for path in sorted(entry_path(key, folder).glob("*.npy"))}


class LatentWorker:
    """Computes latents and texts of samples shards.

    An entry holds `moments-<w>x<h>` (n, 2C, h, w), mean and deviation of the latents of the photos of a size in the
    order of the rows; `hidden`, `ids` and, for SDXL, `pooled` of the distinct captions; `caption` (rows,) their number.
    """

    def __init__(self, models: Models, folder: Path = FOLDER) -> None:
        self._backbone = load(models.backbone)
        self._folder = folder

    def __call__(self, task: shards.Task) -> int:
        table = kept_rows(task.inputs, ["image", "width", "height", "caption"])
        images = table["image"].combine_chunks().field("bytes")
        sizes = list(zip(table["width"].to_pylist(), table["height"].to_pylist(), strict=True))
        arrays = self._texts(table["caption"].to_pylist())
        for size in sorted(set(sizes)):
            rows = [row for row, found in enumerate(sizes) if found == size]
            arrays[f"moments-{size[0]}x{size[1]}"] = self._moments([images[row].as_py() for row in rows])
        write(task.key, arrays, self._folder)
        return table.num_rows

    def _moments(self, files: list[bytes]) -> NDArray[np.float32]:
        parts = []
        for chunk in shards.chunks(files, PICTURES_AT_ONCE):
            pixels = np.stack([to_unit(decode(file)) for file in chunk])
            parts.append(torch.cat(self._backbone.encode(torch.from_numpy(pixels).permute(0, 3, 1, 2)), dim=1).cpu())
        return torch.cat(parts).numpy()

    def _texts(self, captions: list[str]) -> dict[str, NDArray[Any]]:
        distinct = sorted(set(captions))
        number = {caption: index for index, caption in enumerate(distinct)}
        found = [self._backbone.encode_text(chunk) for chunk in shards.chunks(distinct, CAPTIONS_AT_ONCE)]
        arrays: dict[str, NDArray[Any]] = {"caption": np.array([number[caption] for caption in captions])}
        arrays["ids"] = torch.cat([text.ids for text in found]).cpu().numpy()
        arrays["hidden"] = torch.cat([text.hidden for text in found]).half().cpu().numpy()
        pooled = [text.pooled for text in found if text.pooled is not None]
        return arrays | ({"pooled": torch.cat(pooled).half().cpu().numpy()} if pooled else {})


class FeatureWorker:
    """Computes what a method reads of samples shards beside latents and texts.

    Features of all faces, in the order of the rows and their faces; and `control-<width>x<height>` (photos, H, W, C) of
    the photos of each size, in the order of the rows, where the method paints one.
    """

    def __init__(self, models: Models, name: str, folder: Path = FOLDER) -> None:
        self._frozen = FrozenEncoders(models)
        self._method, _ = method.find(name)
        self._folder = folder

    def __call__(self, task: shards.Task) -> int:
        rows = kept_rows(task.inputs, ["image", "width", "height", "faces"]).to_pylist()
        references = [reference for row in rows for reference in _references(row)]
        features = self._method.encode(self._frozen, references)
        arrays = {name: value.astype(np.float16) for name, value in features.items()}
        if self._method.control_channels:
            arrays |= self._control_images(rows)
        write(task.key, arrays, self._folder)
        return len(references)

    def _control_images(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, NDArray[Any]]:
        found: dict[str, list[Pixels]] = {}
        for row in rows:
            people = [in_photo(face) for face in row["faces"]]
            painted = self._method.render_control(self._frozen.head, people, (row["height"], row["width"]))
            found.setdefault(control_name((row["width"], row["height"])), []).append(painted)
        return {name: np.stack(control_images) for name, control_images in found.items()}


def control_name(size: tuple[int, int]) -> str:
    """The array of the control images of photos of a width and height."""
    return f"control-{size[0]}x{size[1]}"


def write(key: str, arrays: Arrays, folder: Path = FOLDER) -> None:
    """Write a cache entry: under a temporary name, then renamed.

    Raises:
        StorageError: no space or no permission.
    """
    temporary = folder / f".{key}{shards.TEMPORARY}-{os.getpid()}"
    if entry_path(key, folder).exists():  # another run made it meanwhile
        return
    try:
        temporary.mkdir(parents=True)
        for name, value in arrays.items():
            np.save(temporary / f"{name}.npy", value)
        temporary.rename(entry_path(key, folder))
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise storage_error(error) or error from error


def _references(row: Mapping[str, Any]) -> list[Reference]:
    photo = decode(row["image"]["bytes"])
    return [cut(photo, face) for face in row["faces"]]
