"""A tiny data/ folder for tests of stages that come after identities: noise for photos, exact landmarks for faces."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from pipeline import images, records, shards
from pipeline.head.camera import Camera, project
from pipeline.head.model import Head, load_head

HEAD = Path("pipeline/pack/models/head.npz")
EMBEDDING = 8


@dataclass(frozen=True)
class Photo:
    """A photo to make: its people from left to right and its caption; `extra` faces have no identity."""

    people: tuple[str, ...]
    caption: str = "a photo of a person in a garden"
    extra: int = 0
    seed: int = 0

    @property
    def photo_id(self) -> str:
        """As the crawl would name it, but of what it shows."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return (128, 128) if len(self.people) + self.extra < 2 else (256, 128)


def write(folder: Path, photos: list[Photo], per_shard: int = 50) -> Path:
    """Write crawl, faces and identities of `photos` below `folder`."""
    head = load_head(HEAD)
    for number, piece in enumerate(shards.chunks(photos, per_shard)):
        table = pa.Table.from_pylist([_photo_row(photo) for photo in piece], schema=records.PHOTOS)
        shards.write(folder / "crawl" / f"photos/{number:04d}.parquet", table, records.PHOTOS)
        rows = [row for photo in piece for row in _face_rows(photo, head)]
        wanted = records.faces(EMBEDDING)
        table = pa.Table.from_pylist([{name: row.get(name) for name in wanted.names} for row in rows], schema=wanted)
        shards.write(folder / "faces" / f"faces/{number:04d}.parquet", table, wanted)
        table = pa.Table.from_pylist([_identity_row(row) for row in rows], schema=records.IDENTITIES)
        shards.write(folder / "identities" / f"faces/{number:04d}.parquet", table, records.IDENTITIES)
    return folder


def _photo_row(photo: Photo) -> dict:
    width, height = photo.size
    pixels = np.random.default_rng(_seed(photo)).integers(0, 256, (height, width, 3)).astype(np.uint8)
    return {
        "photo_id": photo.photo_id,
        "image": {"bytes": images.encode_jpeg(pixels), "path": f"{photo.photo_id}.jpg"},
        "width": width,
        "height": height,
        "url": f"http://gallery.world.test/{photo.photo_id}.jpg",
        "page_url": "http://gallery.world.test/",
        "caption": photo.caption,
        "phash": 0,
        "collection_mode": "consented",
        "legal_basis": "drawn",
        "licence": "Apache-2.0",
    }


def _face_rows(photo: Photo, head: Head) -> list[dict]:
    rng = np.random.default_rng(_seed(photo))
    names = [*photo.people, *([""] * photo.extra)]
    width, height = photo.size
    return [
        _face_row(photo, number, name, (width * (number + 0.5) / len(names), height / 2), head, rng)
        for number, name in enumerate(names)
    ]


def _face_row(
    photo: Photo, number: int, name: str, centre: tuple[float, float], head: Head, rng: np.random.Generator
) -> dict:
    person = np.random.default_rng(int(hashlib.sha256(name.encode()).hexdigest()[:8], 16))
    shape = person.normal(size=len(head.identity)).astype(np.float32).clip(-2, 2)
    embedding = person.normal(size=EMBEDDING) + 0.1 * rng.normal(size=EMBEDDING)
    yaw, pitch = rng.normal(0, (15, 6))
    camera = Camera(yaw, pitch, 0.0, 3.5, *centre)
    points, _ = project(head.vertices(shape, np.zeros(len(head.expression)))[head.landmarks68], camera)
    low, high = points.min(axis=0), points.max(axis=0)
    return {
        "face_id": f"{photo.photo_id}-{number}",
        "photo_id": photo.photo_id,
        "index": number,
        "width": photo.size[0],
        "height": photo.size[1],
        "box": [*low, *high],
        "keypoints": [0.0] * 10,
        "landmarks": points.ravel().tolist(),
        "score": 0.9,
        "embedding": (embedding / np.linalg.norm(embedding)).tolist(),
        "sharpness": 1.0,
        "yaw": yaw,
        "quality": float(rng.uniform(0.5, 1.0)),
        "reject": None,
        "name": name,
    }


def _identity_row(face: dict) -> dict:
    return {
        "face_id": face["face_id"],
        "photo_id": face["photo_id"],
        "identity_id": hashlib.sha256(face["name"].encode()).hexdigest()[:16] if face["name"] else None,
        "similarity": 0.8,
        "reject": None if face["name"] else "alone",
    }


def _seed(photo: Photo) -> int:
    return int(photo.photo_id[:8], 16)
