"""Draws the gallery's photographs with their truth, and lays out the site that shows them, shard by shard.

data/world/site (records.SITE) is what the hosts answer, data/world/truth (records.TRUTH) what is
true of every drawn photograph. The site's files live in these rows: no loose images.
"""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline import images, records, shards
from pipeline.settings import WorldSettings
from pipeline.world import population, scene
from pipeline.world.gallery import oddities, pages, plan
from pipeline.world.gallery.exhibit import albums, exhibit
from pipeline.world.gallery.oddities import Row
from pipeline.world.gallery.plan import Shot
from pipeline.world.gallery.tasks import Chunk, Front


class Photographer:
    """Draws one shard: the photographs of its shots, their mishaps and the album pages that show them; or the front."""

    def __init__(self, world: WorldSettings, folder: Path) -> None:
        self._seed, self._folder = world.seed, folder

    def __call__(self, task: shards.Task) -> int:
        """Write the shard; the truth last, so that its existence says that both files are there."""
        site, truth = self._drawn(task.inputs) if isinstance(task.inputs, Chunk) else (_front(task.inputs), [])
        for kind, rows, schema in (("site", site, records.SITE), ("truth", truth, records.TRUTH)):
            path = shards.path_of(self._folder, kind, task.key)
            shards.write(path, pa.Table.from_pylist(rows, schema), schema)
        return len(truth)

    def _drawn(self, chunk: Chunk) -> tuple[list[Row], list[Row]]:
        """Rows of the site and of the truth."""
        site, truth, figures = [], [], []
        for shot in chunk.shots:
            photo = self._take(shot)
            data = develop(shot, photo)
            truth.append(truth_row(shot, photo, data, self._seed))
            rows, shown = exhibit(shot, photo, data)
            site += rows
            figures.append([pages.figure(url, photo.caption, shot.number % 7 == 5) for url in shown])
        return [*site, *albums(chunk.number, figures)], truth

    def _take(self, shot: Shot) -> scene.Photo:
        people = [person(self._seed, index) for index in shot.people]
        return scene.portrait(people[0], shot.seed) if len(people) == 1 else scene.group(people, shot.seed)


def _front(front: Front) -> list[Row]:
    return [*oddities.front(front.album_pages), *oddities.oddities()] if front.album_pages else []


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
