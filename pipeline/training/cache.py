"""What frozen parts say about the training photos, computed once: latents, texts, and a method's reference features.

A cache entry is a folder of .npy files, one entry per samples shard, named by what made it, written under a temporary
name and renamed. Entries are memory-mapped, so that all ranks of a machine share one copy. Latents and texts are the
same for all methods; features are a method's own, but an array that several methods ask for, such as the image
encoder's tokens of all faces, is one file, which their entries link to.
"""

import contextlib
import hashlib
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from pipeline import shards
from pipeline.errors import storage_error
from pipeline.images import Pixels

FOLDER = Path(".work/training")
ARRAYS = "arrays"  # in the folder: each distinct array once, by the digest of its bytes
ABANDONED = 6 * 3600  # seconds after which a half-written entry is a killed writer's
CODEC = "zstd"
Arrays = Mapping[str, NDArray[Any]]


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


def packed(images: Sequence[Pixels], size: tuple[int, int]) -> dict[str, NDArray[Any]]:
    """The arrays of the control images (H, W, C) of the photos of a width and height, compressed one by one.

    Most of a control image is empty and the rest is smooth, so that what a pixel differs from its left one by takes a
    twentieth: raw, those of all methods are more than half of the cache at 512 pixels.
    """
    steps = [np.diff(image.transpose(2, 0, 1), axis=2, prepend=np.uint8(0)) for image in images]  # modulo 256
    files = [pa.compress(np.ascontiguousarray(each), codec=CODEC, asbytes=True) for each in steps]
    name = _control_name(size)
    return {name: np.frombuffer(b"".join(files), np.uint8), f"{name}-ends": np.cumsum([len(file) for file in files])}


def control_image(entry: Arrays, size: tuple[int, int], channels: int, row: int) -> Pixels:
    """Control image number `row` (H, W, channels) of the photos of a width and height."""
    name, (width, height) = _control_name(size), size
    ends = entry[f"{name}-ends"]
    file = entry[name][ends[row - 1] if row else 0 : ends[row]].tobytes()
    data = pa.decompress(file, height * width * channels, codec=CODEC, asbytes=True)
    steps = np.frombuffer(data, np.uint8).reshape(channels, height, width)
    return np.cumsum(steps, axis=2, dtype=np.uint8).transpose(1, 2, 0)


def _control_name(size: tuple[int, int]) -> str:
    return f"control-{size[0]}x{size[1]}"


def write(key: str, arrays: Arrays, folder: Path = FOLDER) -> None:
    """Write a cache entry: under a temporary name, then renamed.

    Raises:
        StorageError: no space or no permission.
    """
    temporary = folder / f".{key}{shards.TEMPORARY}-{os.getpid()}"
    if entry_path(key, folder).exists():  # another run made it meanwhile
        return
    _remove_leftovers(folder)
    try:
        temporary.mkdir(parents=True)
        for name, value in arrays.items():
            _save(temporary / f"{name}.npy", value, folder / ARRAYS)
        temporary.rename(entry_path(key, folder))
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise storage_error(error) or error from error


def _save(path: Path, value: NDArray[Any], arrays: Path) -> None:
    """Write an array, or link to the file of an entry that holds the same one."""
    values = np.ascontiguousarray(value)
    digest = hashlib.sha256(f"{values.dtype.str} {values.shape}".encode())
    digest.update(values.data.cast("B") if values.size else b"")
    known = arrays / f"{digest.hexdigest()[:32]}.npy"
    with contextlib.suppress(OSError):  # there is none yet, or this file system has no links
        os.link(known, path)
        return
    np.save(path, values)
    arrays.mkdir(exist_ok=True)
    with contextlib.suppress(OSError):  # an entry without links is as good, only larger
        os.link(path, known)


def _remove_leftovers(folder: Path) -> None:
    # Another run may be writing here now; nobody writes an entry, which is computed by then, for hours.
    for path in folder.glob(f".*{shards.TEMPORARY}-*"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > ABANDONED:
                shutil.rmtree(path)
    for path in (folder / ARRAYS).glob("*.npy"):
        with contextlib.suppress(OSError):
            if path.stat().st_nlink == 1:  # of an entry that somebody deleted
                path.unlink()
