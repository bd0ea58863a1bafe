"""Draws the photographs that the model pack is trained and measured on, with their truth.

Reads `params.yaml` (section `draw`), writes `data/pack/drawn/<population>/<kind>/`, kind `portraits` or `groups`:

- `images.npy`: uint8 (photos, 128, 128 or 256, 3), RGB, to be memory-mapped;
- `photos/<chunk>-<key>.parquet`: one row per photograph (SCHEMA), a file per finished chunk.

Photographs of one person follow each other: portrait `i` shows person `i // portraits`. Run alone and resume with
`python -m pipeline.pack.dataset [population ...]`; a finished chunk is never drawn again. The chunks' key holds a
fingerprint of some probe pictures, so that a changed world draws everything anew.
"""

import argparse
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from tqdm import tqdm

from pipeline import shards
from pipeline.errors import MissingInput
from pipeline.pack import settings
from pipeline.world import population, scene

FOLDER = settings.WORK / "drawn"
PHOTOS = "photos"
HEIGHT = 128
WIDTHS = {"portraits": 128, "groups": 256}
GROUP_SIZES = (2, 3, 4)
LANDMARKS = 68

SCHEMA = pa.schema(
    [
        ("photo", pa.int32()),  # row of images.npy
        ("caption", pa.string()),  # what the photograph shows besides identity
        ("person", pa.list_(pa.int32())),  # index of each person within the population, left to right
        ("box", pa.list_(pa.list_(pa.float32(), 4))),  # x0, y0, x1, y1 in pixels, per face
        ("landmarks", pa.list_(pa.list_(pa.float32(), 2 * LANDMARKS))),  # x, y, x, y, ... in pixels, per face
    ]
)


@dataclass(frozen=True)
class Population:
    """How much is drawn of the people of one seed."""

    seed: int
    people: int
    portraits: int  # of each person
    groups: int  # of 2, 3 and 4 people in turn

    def count(self, kind: str) -> int:
        """Photographs of a kind."""
        return self.people * self.portraits if kind == "portraits" else self.groups


@dataclass(frozen=True)
class Chunk:
    """Consecutive photographs that one process draws in one go."""

    population: Population
    kind: str
    folder: Path
    start: int
    stop: int
    world: str  # fingerprint of the probe pictures

    @property
    def path(self) -> Path:
        """The Parquet file whose existence says that the chunk is finished."""
        key = f"{self.start:06d}-{shards.fingerprint(self.population, self.stop, self.world)}"
        return shards.path_of(self.folder, PHOTOS, key)


@dataclass(frozen=True)
class Drawn:
    """One kind of photograph of one population; F faces in N photographs, in the order of the photographs."""

    images: NDArray[np.uint8]  # (N, 128, W, 3), memory-mapped
    captions: list[str]  # N
    photo: NDArray[np.int64]  # (F,) row of `images`
    person: NDArray[np.int64]  # (F,) index within the population
    box: NDArray[np.float32]  # (F, 4) x0, y0, x1, y1
    landmarks: NDArray[np.float32]  # (F, 68, 2)

    def faces_of(self, photo: int) -> NDArray[np.int64]:
        """Indices of the faces in a photograph."""
        return np.arange(np.searchsorted(self.photo, photo), np.searchsorted(self.photo, photo, side="right"))


def load(name: str, kind: str, folder: Path = FOLDER) -> Drawn:
    """The drawn photographs of a population (`p1`, `p2`, `p3` or `p9`) and a kind (`portraits` or `groups`).

    Raises:
        MissingInput: they are not drawn yet, or not all of them.
    """
    where = folder / name / kind
    table = shards.read_all(where, PHOTOS)
    images = np.load(where / "images.npy", mmap_mode="r")
    if not np.array_equal(table["photo"].to_numpy(), np.arange(len(images))):
        raise MissingInput(f"{where} holds {len(table)} of {len(images)} photographs: run pipeline.pack.dataset")
    counts = pa.compute.list_value_length(table["person"]).to_numpy()
    return Drawn(
        images=images,
        captions=table["caption"].to_pylist(),
        photo=np.repeat(np.arange(len(counts)), counts),
        person=_flat(table["person"]).astype(np.int64),
        box=_flat(table["box"], 4),
        landmarks=_flat(table["landmarks"], 2 * LANDMARKS).reshape(-1, LANDMARKS, 2),
    )


def version(*names: str, folder: Path = FOLDER) -> str:
    """A fingerprint of what is drawn of some populations: a training on other pictures is another training."""
    return shards.fingerprint(*[[path.name for path in sorted((folder / name).rglob("*.parquet"))] for name in names])


def _flat(column: pa.ChunkedArray, width: int = 0) -> NDArray[Any]:
    values = column.combine_chunks().flatten()
    return values.flatten().to_numpy().reshape(-1, width) if width else values.to_numpy()


def draw(populations: dict[str, Population], photos_per_chunk: int, processes: int, folder: Path = FOLDER) -> None:
    """Draw whatever is missing of the populations, in `processes` processes of one thread each."""
    world = probe()
    wanted = [
        chunk
        for name, one in populations.items()
        for kind in WIDTHS
        for chunk in _chunks(one, kind, folder / name / kind, photos_per_chunk, world)
    ]
    for where in {chunk.folder for chunk in wanted}:
        _clear_stale(where, {chunk.path for chunk in wanted})
    todo = [chunk for chunk in wanted if not chunk.path.exists()]
    for chunk in todo:
        _allocate(chunk)
    total = sum(chunk.stop - chunk.start for chunk in todo)
    with (
        ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool,
        tqdm(total=total, unit="photo", desc="draw", mininterval=2) as bar,
    ):
        for done in as_completed([pool.submit(draw_chunk, chunk) for chunk in todo]):
            bar.update(done.result())


def _chunks(one: Population, kind: str, folder: Path, size: int, world: str) -> Iterator[Chunk]:
    count = one.count(kind)
    return (Chunk(one, kind, folder, start, min(start + size, count), world) for start in range(0, count, size))


def _clear_stale(where: Path, wanted: set[Path]) -> None:
    for path in shards.finished(where, PHOTOS):
        if path not in wanted:
            path.unlink()


def _allocate(chunk: Chunk) -> None:
    size = (chunk.population.count(chunk.kind), HEIGHT, WIDTHS[chunk.kind], 3)
    path = chunk.folder / "images.npy"
    if path.exists() and np.load(path, mmap_mode="r").shape == size:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    # A training may have the old file mapped: it keeps what it has, where cutting the file short would kill it.
    path.unlink(missing_ok=True)
    np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=size).flush()


def draw_chunk(chunk: Chunk) -> int:
    """Draw one chunk into its place, then write its truth. Returns the number of photographs."""
    images = np.lib.format.open_memmap(chunk.folder / "images.npy", mode="r+")
    rows = []
    for index in range(chunk.start, chunk.stop):
        photo, members = _photo(chunk.population, chunk.kind, index)
        images[index] = photo.image
        rows.append(_row(index, photo, members))
    images.flush()
    shards.write(chunk.path, pa.Table.from_pylist(rows, SCHEMA), SCHEMA)
    return len(rows)


def _photo(one: Population, kind: str, index: int) -> tuple[scene.Photo, list[int]]:
    members = [index // one.portraits] if kind == "portraits" else group_members(one, index)
    people = [_person(one.seed, member) for member in members]
    # Photographs of two populations, or of two kinds, share no seed, or they would share camera, light and clothes.
    seed = (2 * one.seed + (kind == "groups")) * 1_000_000 + index
    return (scene.portrait(people[0], seed) if kind == "portraits" else scene.group(people, seed)), members


def group_members(one: Population, index: int) -> list[int]:
    """The people of group photograph `index`: 2, 3 and 4 of them in turn, all different."""
    rng = np.random.default_rng([one.seed, index])
    return [int(member) for member in rng.choice(one.people, GROUP_SIZES[index % len(GROUP_SIZES)], replace=False)]


@lru_cache(maxsize=4096)
def _person(seed: int, index: int) -> Any:
    return population.person(seed, index)


def _row(index: int, photo: scene.Photo, members: list[int]) -> dict[str, Any]:
    by_person = [face.person for face in photo.faces]
    if sorted(by_person) != sorted(members):
        raise ValueError(f"photo {index} was asked to show people {members} but its truth lists {by_person}")
    return {
        "photo": index,
        "caption": photo.caption,
        "person": by_person,
        "box": [np.asarray(face.box, np.float32) for face in photo.faces],
        "landmarks": [np.asarray(face.landmarks, np.float32).ravel() for face in photo.faces],
    }


def probe() -> str:
    """A fingerprint of what the world draws now: a few pictures, captions included."""
    people = [population.person(0, index) for index in range(3)]
    photos = [scene.portrait(person, seed) for person in people for seed in (0, 1)] + [scene.group(people, 0)]
    return shards.fingerprint(*[(photo.image.tobytes().hex(), photo.caption) for photo in photos])


def main() -> None:
    """Draw all populations of params.yaml, or those named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("population", nargs="*", help="names in params.yaml; all by default")
    names = parser.parse_args().population
    params = settings.section("draw")
    populations = {
        name: settings.fill(Population, values, f"draw.populations.{name}")
        for name, values in params["populations"].items()
        if not names or name in names
    }
    draw(populations, params["photos_per_chunk"], params["processes"])


if __name__ == "__main__":
    main()
