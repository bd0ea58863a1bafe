"""Pictures of the page: small JPEG files named by their content, and faces cut from photographs."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import shards
from pipeline.images import Pixels, decode, encode_jpeg, resize

MOST_HEIGHT = 256
FACE_SIDE = 96
ROOM = 1.7  # side of a cut face, in sides of its box


@dataclass(frozen=True)
class Picture:
    """A file of the page, with the size of the original in pixels."""

    path: str  # relative to the page
    width: int
    height: int


class Album:
    """Writes pictures once, however often they are shown."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "pictures").mkdir(parents=True, exist_ok=True)

    def add(self, pixels: Pixels) -> Picture:
        """Keep an RGB picture (H, W, 3), made smaller where it is higher than MOST_HEIGHT."""
        height, width = pixels.shape[:2]
        if height > MOST_HEIGHT:
            pixels = resize(pixels, round(width * MOST_HEIGHT / height), MOST_HEIGHT)
        data = encode_jpeg(pixels, quality=88)
        name = f"pictures/{hashlib.sha256(data).hexdigest()[:16]}.jpg"
        if not (self._folder / name).exists():
            (self._folder / name).write_bytes(data)
        return Picture(name, width, height)


def cut_face(photo: Pixels, box: Sequence[float]) -> Pixels:
    """The face of a photo, a square with some room around its box; it stays inside the photo."""
    height, width = photo.shape[:2]
    side = min(round(ROOM * max(box[2] - box[0], box[3] - box[1])), width, height)
    left = min(max(round((box[0] + box[2] - side) / 2), 0), width - side)
    top = min(max(round((box[1] + box[3] - side) / 2), 0), height - side)
    return resize(photo[top : top + side, left : left + side], FACE_SIDE, FACE_SIDE)


def faces_of(samples: Path, wanted: set[str]) -> dict[str, Pixels]:
    """Cut faces by face id, from the test photos of data/samples."""
    found: dict[str, Pixels] = {}
    for path in shards.paths(samples, "test"):
        for row in shards.read(path, ["image", "faces"]).to_pylist():
            mine = [face for face in row["faces"] or [] if face["face_id"] in wanted]
            if mine:
                photo = decode(row["image"]["bytes"])
                found |= {face["face_id"]: cut_face(photo, face["box"]) for face in mine}
    return found


def generated(images: Path, names: Sequence[str], wanted: set[tuple[str, str]]) -> Mapping[tuple[str, str, str], Any]:
    """Bytes of generated images by (name, protocol, case id), None where there is no image."""
    found = {}
    for name in names:
        for path in shards.paths(images / name, "images"):
            for row in shards.read(path, ["case_id", "protocol", "image", "reject"]).to_pylist():
                if (row["protocol"], row["case_id"]) in wanted:
                    data = row["image"]["bytes"] if row["image"] else None
                    found[name, row["protocol"], row["case_id"]] = data if data and row["reject"] is None else None
    return found
