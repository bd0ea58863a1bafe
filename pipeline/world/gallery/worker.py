"""Draws the gallery's photographs with their truth, and lays out the site that shows them, shard by shard.

data/world/site (records.SITE) is what the hosts answer, data/world/truth (records.TRUTH) what is
true of every drawn photograph. The site's files live in these rows: no loose images.
"""

import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa

from pipeline import images, records, shards
from pipeline.settings import WorldSettings
from pipeline.world import population, scene
from pipeline.world.gallery import oddities, pages, plan
from pipeline.world.gallery.oddities import HTML, JPEG, Row, row
from pipeline.world.gallery.plan import Shot

PNG = "Content-Type: image/png"


def tasks(world: WorldSettings) -> list[shards.Task]:
    """The shards of photographs to draw; their inputs are the shots and the number of the chunk."""
    made_by = (code(), world.seed)
    pieces = shards.chunks(plan.shots(world), world.photos_per_shard)
    return [
        shards.Task(shards.fingerprint(made_by, number, piece), (number, tuple(piece)))
        for number, piece in enumerate(pieces)
    ]


@cache
def code() -> str:
    """What decides how a photograph looks: the drawing code and the head, but not the model pack's."""
    return shards.code_version("pipeline/world", "pipeline/head") + shards.file_fingerprint([population.MODEL])


class Photographer:
    """Draws one shard: the photographs of its shots, their mishaps and the album pages that show them."""

    def __init__(self, world: WorldSettings, folder: Path) -> None:
        self._seed, self._folder = world.seed, folder

    def __call__(self, task: shards.Task) -> int:
        """Write the shard; the truth last, so that its existence says that both files are there."""
        number, taken = task.inputs
        site, truth, figures = [], [], []
        for shot in taken:
            photo = self._take(shot)
            data = develop(shot, photo)
            truth.append(truth_row(shot, photo, data, self._seed))
            rows, shown = exhibit(shot, photo, data)
            site += rows
            figures.append([pages.figure(url, photo.caption, shot.number % 7 == 5) for url in shown])
        site += albums(number, figures)
        for prefix, rows, schema in (("site", site, records.SITE), ("truth", truth, records.TRUTH)):
            path = shards.path_of(self._folder, prefix, task.key)
            shards.write(path, pa.Table.from_pylist(rows, schema), schema)
        return len(truth)

    def _take(self, shot: Shot) -> scene.Photo:
        people = [person(self._seed, index) for index in shot.people]
        return scene.portrait(people[0], shot.seed) if len(people) == 1 else scene.group(people, shot.seed)


@cache
def person(seed: int, index: int) -> population.Person:
    """A person of the demo's population, drawn up once."""
    return population.person(seed, index)


def develop(shot: Shot, photo: scene.Photo) -> bytes:
    """The photograph's file: PNG for some, JPEG of changing quality for most."""
    if plan.address(shot).endswith(".png"):
        return images.encode_png(photo.image)
    return images.encode_jpeg(photo.image, quality=88 + shot.seed % 8)


def truth_row(shot: Shot, photo: scene.Photo, data: bytes, seed: int) -> Row:
    """What is true of a photograph (records.TRUTH)."""
    height, width = photo.image.shape[:2]
    light = np.concatenate([photo.light.direction, photo.light.key, photo.light.sky, photo.light.ground])
    return {
        "url": plan.address(shot),
        "offered": shot.offered,
        "sha256": hashlib.sha256(data).hexdigest(),
        "caption": photo.caption,
        "width": width,
        "height": height,
        "background": photo.background,
        "faces": [_face(face, seed) | {"light": light.tolist()} for face in photo.faces],
    }


def _face(face: scene.FaceTruth, seed: int) -> dict[str, Any]:
    camera = face.camera
    return {
        "person": face.person,
        "box": face.box.tolist(),
        "landmarks": face.landmarks.ravel().tolist(),
        "shape": person(seed, face.person).shape.tolist(),
        "expression": face.expression.tolist(),
        "yaw": camera.yaw,
        "pitch": camera.pitch,
        "roll": camera.roll,
        "scale": camera.scale,
        "translation": [camera.tx, camera.ty],
    }


def exhibit(shot: Shot, photo: scene.Photo, data: bytes) -> tuple[list[Row], list[str]]:
    """The site's rows for a photograph and its mishaps, and the URLs by which the album shows them."""
    url = plan.address(shot)
    media = PNG if url.endswith(".png") else JPEG
    rows = [_at(url, data, media, *plan.headers(shot), refusals=plan.refusals(shot))]
    shown = [url]
    if "moved" in shot.mishaps:
        shown = [f"{pages.GALLERY}/go/{shot.number}.jpg"]
        rows.append(_at(shown[0], b"", f"Location: {url}", status=301))
    for name, body in copies(shot, photo, data):
        shown.append(f"http://mirror.world.test/{name}/{shot.number}.jpg")
        rows.append(_at(shown[-1], body, JPEG))
    return rows, shown


def copies(shot: Shot, photo: scene.Photo, data: bytes) -> Iterator[tuple[str, bytes]]:
    """The copies of a photograph elsewhere, whole and broken, by the kind of mishap."""
    for name in sorted(shot.mishaps):
        match name:
            case "copied":
                yield name, data
            case "recoded":
                yield name, images.encode_jpeg(photo.image, quality=72)
            case "resized":
                yield name, _smaller(photo, 0.85)
            case "tiny":
                yield name, _smaller(photo, 0.4)
            case "truncated":
                yield name, data[: len(data) // 2]
            case "garbled":
                yield name, bytes(np.random.default_rng(shot.seed).integers(0, 256, 2000, np.uint8))
            case "markup":
                yield name, pages.page("Please log in", ["<p>This picture is for members.</p>"])


def _smaller(photo: scene.Photo, share: float) -> bytes:
    height, width = photo.image.shape[:2]
    return images.encode_jpeg(images.resize(photo.image, round(width * share), round(height * share)))


def _at(url: str, body: bytes, *headers: str, **rest: int) -> Row:
    parts = urlsplit(url)
    return row(parts.netloc.partition(".")[0], parts.path, body, *headers, **rest)


def albums(chunk: int, figures: Sequence[Sequence[str]]) -> Iterator[Row]:
    """The album pages of a shard, its photographs in an order that does not tell who is on them."""
    order = np.random.default_rng([chunk, 0xA1B]).permutation(len(figures)).tolist()
    count = plan.pages(len(figures))
    for number, some in enumerate(shards.chunks(order, plan.FIGURES_PER_PAGE)):
        body = [text for index in some for text in figures[index]]
        yield row("gallery", pages.album_path(chunk, number), pages.album(chunk, number, count, body), HTML)


def write_front(folder: Path, todo: Sequence[shards.Task]) -> shards.Task:
    """Write the shard of pages, redirects and traps that need no drawing; a world without people has an empty one."""
    counts = [plan.pages(len(task.inputs[1])) for task in todo]
    rows = [*oddities.front(counts), *oddities.oddities()] if todo else []
    task = shards.Task(shards.fingerprint("front", code(), counts), None)
    for prefix, some, schema in (("site", rows, records.SITE), ("truth", [], records.TRUTH)):
        path = shards.path_of(folder, prefix, task.key)
        if not path.exists():
            shards.write(path, pa.Table.from_pylist(some, schema), schema)
    return task


def metrics(folder: Path) -> dict[str, Any]:
    """Counts of what was drawn, read from the truth."""
    truth = shards.read_all(folder, "truth", ["offered", "faces"])
    offered = truth["offered"].to_pylist()
    people = [[face["person"] for face in faces] for faces in truth["faces"].to_pylist()]
    return {
        "photos": len(offered),
        "groups": sum(len(shown) > 1 for shown in people),
        "people": len({person for shown in people for person in shown}),
        "faces": sum(map(len, people)),
        "offered": {name: offered.count(name) for name in sorted(set(offered))},
    }
