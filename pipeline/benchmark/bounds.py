"""The bounds: what no method can be worse or better than, drawn like a method and scored like one.

| name               | what it shows                                                                    |
|--------------------|----------------------------------------------------------------------------------|
| `no_id`            | the backbone with prompt and seed alone: the floor of every identity metric       |
| `pasted_reference` | each person's first reference pasted where the layout wants the face: pure copying |
| `other_photo`      | another real photo of each person, neither a reference nor scored against         |
| `vae_roundtrip`    | that photo through the backbone's autoencoder: the ceiling of any method          |

The fifth, `shuffled_id` (a method's images scored against a cast with nobody in common), needs no image of its own:
the evaluate stage makes it by scoring every method twice.

`other_photo` of one person is the photo itself. Of several people it is a canvas: a real group photo of just this cast
hardly ever exists, and faces must have the size that methods are asked for, so each person's photo is scaled to the
layout's face and shown in that person's column. Nothing else is drawn over it: one detectable face per person.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline import images
from pipeline.benchmark.cases import Case, Shot, layout_of
from pipeline.head.head_pose import HeadPose
from pipeline.images import Pixels

CANVAS = 128  # grey level of what no photo covers


@dataclass(frozen=True)
class Source:
    """A photo, and the boxes of its faces by face id."""

    pixels: Pixels  # (H, W, 3)
    boxes: Mapping[str, tuple[float, ...]]  # x1, y1, x2, y2


@dataclass(frozen=True)
class Materials:
    """What bounds are made from; the caller owns the models and the shards."""

    photo: Callable[[str], Source]  # photo id -> the photo as crawled
    plain: Callable[[Case], Pixels]  # the backbone with the case's prompt, seed and size, and no identity
    autoencode: Callable[[Pixels], Pixels]  # pixels through the backbone's autoencoder


Bound = Callable[[Case, str, Materials], Pixels]


def no_id(case: Case, protocol: str, materials: Materials) -> Pixels:
    """The backbone alone; the same under both protocols, for it can use no layout."""
    return materials.plain(case)


def pasted_reference(case: Case, protocol: str, materials: Materials) -> Pixels:
    """Every person's best reference, pasted into the layout's box on a plain canvas."""
    return paste(case, layout_of(case, protocol), [person.references[0] for person in case.people], materials.photo)


def other_photo(case: Case, protocol: str, materials: Materials) -> Pixels:
    """Another photo of every person: the photo itself for one, pasted into the layout's boxes for several."""
    shots = [person.other for person in case.people]
    if len(shots) > 1:
        return paste(case, layout_of(case, protocol), shots, materials.photo)
    source = materials.photo(shots[0].photo_id)
    if len(source.boxes) > 1:  # a group photo: only this person's part of it
        return paste(case, layout_of(case, protocol), shots, materials.photo)
    return fit(source.pixels, case.width, case.height)


def vae_roundtrip(case: Case, protocol: str, materials: Materials) -> Pixels:
    """What the autoencoder makes of `other_photo`."""
    return materials.autoencode(other_photo(case, protocol, materials))


BOUNDS: dict[str, Bound] = {
    "no_id": no_id,
    "pasted_reference": pasted_reference,
    "other_photo": other_photo,
    "vae_roundtrip": vae_roundtrip,
}


def paste(case: Case, layout: Sequence[HeadPose], shots: Sequence[Shot], photo: Callable[[str], Source]) -> Pixels:
    """A canvas (H, W, 3) with each shot's part of its photo, scaled and shifted to bring its box to the layout's."""
    canvas = np.full((case.height, case.width, 3), CANVAS, np.uint8)
    boxes = [np.asarray(pose.box, np.float64) for pose in layout]
    edges = columns([box.tolist() for box in boxes], case.width)
    for wanted, shot, left, right in zip(boxes, shots, edges[:-1], edges[1:], strict=True):
        source = photo(shot.photo_id)
        cut, box = part_of(source, shot.face_id)
        factor = _size(wanted) / _size(box)
        scaled = images.resize(cut, *(max(1, round(side * factor)) for side in (cut.shape[1], cut.shape[0])))
        corner = np.round(_centre(wanted) - _centre(box) * factor).astype(np.int64)
        _lay(canvas[:, left:right], scaled, corner - (left, 0))
    return canvas


def part_of(source: Source, face_id: str) -> tuple[Pixels, NDArray[np.float64]]:
    """The columns of a photo that belong to one of its faces, and the face's box (4,) in them."""
    ordered = sorted(source.boxes, key=lambda name: source.boxes[name][0] + source.boxes[name][2])
    edges = columns([source.boxes[name] for name in ordered], source.pixels.shape[1])
    number = ordered.index(face_id)
    left, right = edges[number], edges[number + 1]
    return source.pixels[:, left:right], np.array(source.boxes[face_id], np.float64) - (left, 0, left, 0)


def columns(boxes: Sequence[Sequence[float]], width: int) -> list[int]:
    """Edges (N + 1) of the columns that N boxes, given from left to right, have to themselves."""
    between = [round((first[2] + second[0]) / 2) for first, second in pairwise(boxes)]
    edges = np.clip([0, *between, width], 0, width)
    return [int(edge) for edge in np.maximum.accumulate(edges)]


def fit(pixels: Pixels, width: int, height: int) -> Pixels:
    """A photo as large as a canvas of this size holds it, in the middle."""
    factor = min(width / pixels.shape[1], height / pixels.shape[0])
    scaled = images.resize(pixels, *(max(1, round(side * factor)) for side in (pixels.shape[1], pixels.shape[0])))
    canvas = np.full((height, width, 3), CANVAS, np.uint8)
    _lay(canvas, scaled, np.array([(width - scaled.shape[1]) // 2, (height - scaled.shape[0]) // 2]))
    return canvas


def _lay(canvas: Pixels, image: Pixels, corner: NDArray[np.int64]) -> None:
    """Copy an image onto a canvas with its upper left corner at x, y; what falls outside is cut off."""
    x, y = (int(value) for value in corner)
    height, width = canvas.shape[:2]
    rows = slice(max(y, 0), min(y + image.shape[0], height))
    across = slice(max(x, 0), min(x + image.shape[1], width))
    if rows.start < rows.stop and across.start < across.stop:
        canvas[rows, across] = image[rows.start - y : rows.stop - y, across.start - x : across.stop - x]


def _size(box: NDArray[np.float64]) -> float:
    return float(np.sqrt(max((box[2] - box[0]) * (box[3] - box[1]), 1.0)))


def _centre(box: NDArray[np.float64]) -> NDArray[np.float64]:
    return (box[:2] + box[2:]) / 2
