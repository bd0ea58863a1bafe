"""What of a photograph is shown, and at which size: pure geometry, for selection and training.

Sizes are aspect buckets around the backbone's own area (NovelAI's aspect ratio bucketing, as in SDXL, arXiv 2307.01952,
section 2.3): a batch holds photographs of one size. A rectangle is x1, y1, x2, y2 in pixels, counted from the edge of
the photograph.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, log, sqrt
from typing import Any, NamedTuple

import numpy as np

Size = tuple[int, int]  # width and height in pixels

MOST_SIZES = 12  # of a run, the double canvas among them
WIDEST = 2.0  # width over height of the widest size, and height over width of the highest
MOST_ENLARGED = 1.25
# Room around a face's box, in shares of its sides: for hair above, for hair and ears beside, for shoulders below.
BESIDE, ABOVE, BELOW = 0.4, 0.6, 0.6
AREAS = 8  # without bystanders, the largest that are looked at
NEAR = 1e-6  # pixels: what rounding may do
CENTRE = 0.5  # the middle of the first pixel, counted from its edge


class Rect(NamedTuple):
    """A rectangle in pixels."""

    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def width(self) -> float:
        """From left to right."""
        return self.x2 - self.x1

    @property
    def height(self) -> float:
        """From top to bottom."""
        return self.y2 - self.y1

    def holds(self, other: "Rect") -> bool:
        """Whether another lies within."""
        return self.x1 <= other.x1 and self.y1 <= other.y1 and self.x2 >= other.x2 and self.y2 >= other.y2

    def touches(self, other: "Rect") -> bool:
        """Whether the two share a place."""
        across, down = (self.x1 < other.x2 and other.x1 < self.x2), (self.y1 < other.y2 and other.y1 < self.y2)
        return across and down


@dataclass(frozen=True)
class Frame:
    """What of a photograph is shown, and how large."""

    crop: Rect  # of the photograph, as wide to high as `size`
    size: Size
    scale: float  # pixels of the sample per pixel of the photograph


@dataclass(frozen=True)
class Framing:
    """The sizes of a run, and what a crop must keep to."""

    sizes: tuple[Size, ...]
    canvas: Size  # taken by photographs that have it already, and by no others
    min_face: float  # pixels, shorter side of a face's box in the sample
    most_enlarged: float = MOST_ENLARGED

    def frame(self, photo: Size, faces: Sequence[Rect], bystanders: Sequence[Rect] = ()) -> Frame | str:
        """The crop with all `faces` and none of the `bystanders`, of the size whose aspect is nearest to the photo's.

        The largest such crop, but no larger than faces allow, with people in its middle. A reason where there is
        none: bystander (one stands too near), small_faces, small_photo (it would be enlarged too much) or no_size
        (everybody together is too wide or too high for any size).
        """
        found = self._fit(photo, faces, bystanders)
        if found:
            return found
        for reason, rules, others in (
            ("bystander", self, ()),
            ("small_faces", replace(self, min_face=0.0), ()),
            ("small_photo", replace(self, min_face=0.0, most_enlarged=inf), ()),
        ):
            if rules._fit(photo, faces, others):
                return reason
        return "no_size"

    def among(self, sizes: Sequence[Size]) -> "Framing":
        """The same with fewer sizes."""
        return replace(self, sizes=tuple(size for size in self.sizes if size in sizes))

    def _fit(self, photo: Size, faces: Sequence[Rect], bystanders: Sequence[Rect]) -> Frame | None:
        needed = room(photo, faces)
        smallest = min(min(face.width, face.height) for face in faces)
        for area in clear_areas(photo, needed, bystanders):
            for size in self._nearest(area, photo):
                crop = self._crop(area, needed, size, smallest)
                if crop:
                    return Frame(crop, size, size[0] / crop.width)
        return None

    def _nearest(self, area: Rect, photo: Size) -> list[Size]:
        """The sizes, that nearest to the area's aspect first."""
        if photo == self.canvas and (area.width, area.height) == photo:
            return [photo, *self.sizes]
        aspect = log(area.width / area.height)
        return sorted(self.sizes, key=lambda size: abs(log(size[0] / size[1]) - aspect))

    def _crop(self, area: Rect, needed: Rect, size: Size, smallest: float) -> Rect | None:
        aspect = size[0] / size[1]
        width = min(area.width, area.height * aspect)
        if self.min_face:
            width = min(width, size[0] * max(smallest, 1e-6) / self.min_face)
        height = width / aspect
        if size[0] > self.most_enlarged * width + NEAR or min(width - needed.width, height - needed.height) < -NEAR:
            return None
        left = _start(width, area.x1, area.x2, needed.x1, needed.x2)
        top = _start(height, area.y1, area.y2, needed.y1, needed.y2)
        return Rect(left, top, min(left + width, area.x2), min(top + height, area.y2))


def sizes_around(side: int, multiple: int) -> tuple[Size, ...]:
    """At most MOST_SIZES - 1 widths and heights around an area of `side` squared, from high to wide.

    Both sides are multiples of `multiple`, and the square is among them.
    """
    steps = (MOST_SIZES - 2) // 2
    found = {(side, side)}
    for step in range(1, steps + 1):
        stretch = sqrt(WIDEST ** (step / steps))
        long, short = (max(1, int(value / multiple + 0.5)) * multiple for value in (side * stretch, side / stretch))
        found |= {(long, short), (short, long)}
    return tuple(sorted(found, key=lambda size: (size[0] / size[1], size)))


def framing(side: int, multiple: int, min_face: float) -> Framing:
    """The sizes for a backbone: those around its own area, and its canvas of two."""
    return Framing(sizes_around(side, multiple), (2 * side, side), min_face)


def room(photo: Size, faces: Sequence[Rect]) -> Rect:
    """What a crop must hold: the faces with hair and shoulders, as far as the photograph shows them."""
    return Rect(
        max(0.0, min(face.x1 - BESIDE * face.width for face in faces)),
        max(0.0, min(face.y1 - ABOVE * face.height for face in faces)),
        min(float(photo[0]), max(face.x2 + BESIDE * face.width for face in faces)),
        min(float(photo[1]), max(face.y2 + BELOW * face.height for face in faces)),
    )


def clear_areas(photo: Size, needed: Rect, bystanders: Sequence[Rect]) -> list[Rect]:
    """The parts of a photograph that hold `needed` and no bystander, the largest first; none where there is none."""
    areas = [Rect(0.0, 0.0, float(photo[0]), float(photo[1]))]
    for other in bystanders:
        found = {part for area in areas for part in _beside(area, other) if part.holds(needed)}
        areas = sorted(found, key=lambda area: (-area.width * area.height, area))[:AREAS]
    return areas


def _beside(area: Rect, other: Rect) -> Iterator[Rect]:
    if not area.touches(other):
        yield area
        return
    yield area._replace(x2=other.x1)
    yield area._replace(x1=other.x2)
    yield area._replace(y2=other.y1)
    yield area._replace(y1=other.y2)


def _start(length: float, low: float, high: float, first: float, last: float) -> float:
    """Where a window begins that has what is needed in its middle, as far as the area allows."""
    return max(low, min((first + last - length) / 2, high - length))


def scale_of(crop: Sequence[float], size: Sequence[int]) -> float:
    """Pixels of a sample per pixel of its photograph."""
    return float(size[0] / (crop[2] - crop[0]))


def framed(face: Mapping[str, Any], crop: Sequence[float], size: Sequence[int]) -> dict[str, Any]:
    """A row of records.face_struct in pixels of its sample: box, points and the head's place and scale.

    Boxes count from the edge of the first pixel, points from its middle.
    """
    if not crop[0] and not crop[1] and (crop[2], crop[3]) == tuple(size):
        return dict(face)
    scale, start = scale_of(crop, size), np.array(crop[:2], np.float64)

    def moved(name: str, middle: float) -> list[float]:
        points = np.asarray(face[name], np.float64).reshape(-1, 2)
        return np.ravel((points + middle - start) * scale - middle).tolist()

    points = {name: moved(name, CENTRE) for name in ("keypoints", "landmarks", "translation")}
    return {**face, **points, "box": moved("box", 0.0), "scale": face["scale"] * scale}
