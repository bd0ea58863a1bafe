"""The training photos of data/samples in memory, and the order in which every method sees them.

A step's photos, references and drops follow from the seed, from how many people its phase shows, and from how many such
steps there were: they are the same for every method, for any number of ranks, and after a kill. A reference is never
from the target photo. All photos of a batch have one size.
"""

from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline import shards
from pipeline.backbone.batch import HALF_PIXEL, Batch, FaceLayout, Floats, Text, collate
from pipeline.errors import MissingInput
from pipeline.method import Method, Phase
from pipeline.samples.framing import framed
from pipeline.shards import training_shards
from pipeline.training import cache

COLUMNS = ["photo_id", "width", "height", "crop", "size", "scale", "faces"]


@dataclass(frozen=True)
class Face:
    """A person in a training photo."""

    identity: str
    photo: int  # index of its photo
    features: tuple[int, int]  # cache entry and row
    box: Floats  # (4,) fractions of what is shown
    landmarks: Floats  # (68, 2) fractions
    embedding: Floats  # (D,) recogniser A, unit length
    reference: bool  # may be a reference for other photos


@dataclass(frozen=True)
class Photo:
    """A training photo, as it is shown."""

    size: tuple[int, int]  # width and height in pixels
    origin: tuple[float, ...]  # height and width of the whole photo, then top and left of the crop at this size
    moments: tuple[int, int]  # cache entry, row among the entry's photos of this size
    caption: tuple[int, int]  # cache entry, row among its captions
    faces: tuple[int, ...]  # indices of its faces, from left to right


@dataclass(frozen=True)
class Example:
    """A batch to learn from: what is given, and the moments (B, 2C, h, w) of the latents to be found again."""

    batch: Batch
    moments: Tensor
    embeddings: Tensor  # (B, N, D) recogniser A, of the photos' own faces: to supervise, never to condition


class TrainingSet:
    """The photos of a split, with what the cache knows of them."""

    def __init__(self, folder: Path, photo_keys: Sequence[str], face_keys: Sequence[str], root: Path) -> None:
        """Read the training shards of `folder` and map the cache entries of each, in the order of the shards' names."""
        self._seen = [cache.read(key, root) for key in photo_keys]
        self._features = [cache.read(key, root) for key in face_keys]
        self.photos: list[Photo] = []
        self.faces: list[Face] = []
        allowed = set(shards.read_all(folder, "references", ["face_id"])["face_id"].to_pylist())
        found = [
            row
            for number, path in enumerate(training_shards(folder))
            for row in self._located(number, cache.kept_rows(path, COLUMNS).to_pylist())
        ]
        # by id: what is trained must not follow from the names of shards, which change with any line of code
        for row in sorted(found, key=lambda row: row["photo_id"]):
            self._add(row, allowed)
        self._pool: dict[str, list[int]] = {}
        for index, face in enumerate(self.faces):
            if face.reference:
                self._pool.setdefault(face.identity, []).append(index)

    def _located(self, number: int, rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """The rows of shard `number`, each with where the cache has its moments, its caption and its first face."""
        seen: Counter[tuple[int, ...]] = Counter()
        captions, face_row = self._seen[number]["caption"], 0
        for row, values in enumerate(rows):
            size = tuple(values["size"])
            entry = {"moments": (number, seen[size]), "caption": (number, int(captions[row]))}
            yield {**values, "size": size, **entry, "features": (number, face_row)}
            seen[size] += 1
            face_row += len(values["faces"])

    def _add(self, row: Mapping[str, Any], allowed: Container[str]) -> None:
        first, (number, face_row) = len(self.faces), row["features"]
        for index, face in enumerate(row["faces"]):
            shown, entry = framed(face, row["crop"], row["size"]), (number, face_row + index)
            self.faces.append(_face(shown, len(self.photos), row["size"], entry, face["face_id"] in allowed))
        faces = tuple(range(first, len(self.faces)))
        self.photos.append(Photo(row["size"], _origin(row), row["moments"], row["caption"], faces))

    def eligible(self, people: tuple[int, int]) -> list[int]:
        """Photos with so many people (fewest, most), each of whom has a reference in another photo.

        Raises:
            MissingInput: there is none.
        """
        found = [
            index
            for index, photo in enumerate(self.photos)
            if people[0] <= len(photo.faces) <= people[1] and all(self.others(face) for face in photo.faces)
        ]
        if not found:
            raise MissingInput(
                f"no training photo of {people[0]} to {people[1]} people who each have a reference in another photo: "
                "crawl more, or look at the rejects of data/samples"
            )
        return found

    def others(self, face: int) -> list[int]:
        """The faces of the same person that may be its references: never from its own photo."""
        target = self.faces[face]
        return [other for other in self._pool.get(target.identity, []) if self.faces[other].photo != target.photo]

    def example(
        self, photos: Sequence[int], phase: Phase, method: Method, empty: Text, seeds: Sequence[Sequence[int]]
    ) -> Example:
        """The batch of these photos; `seeds` has one list of whole numbers per photo."""
        rngs = [np.random.default_rng(seed) for seed in seeds]
        chosen = [
            [self._choose(face, phase.references, rng) for face in self.photos[photo].faces]
            for photo, rng in zip(photos, rngs, strict=True)
        ]
        names = tuple(method.null_features)
        features = [[[self._features_of(face, names) for face in each] for each in row] for row in chosen]
        people = collate(features, method.null_features)
        no_text, no_faces = _drops(phase, rngs)
        moments = torch.from_numpy(np.stack([self._moments(photo) for photo in photos]))
        batch = Batch(
            text=self._text(photos).where(no_text, empty),
            people=people.where(no_faces, method.null_features),
            size=(moments.shape[2], moments.shape[3]),
            layout=self._layouts(photos, people.given.shape[1]),
            control_image=self._control_image(photos, method.control_channels) if method.control_channels else None,
        )
        return Example(batch, moments, self._embeddings(photos, people.given.shape[1]))

    def _embeddings(self, photos: Sequence[int], slots: int) -> Tensor:
        width = len(self.faces[0].embedding)
        found = np.zeros((len(photos), slots, width), np.float32)
        for b, photo in enumerate(photos):
            for n, face in enumerate(self.photos[photo].faces):
                found[b, n] = self.faces[face].embedding
        return torch.from_numpy(found)

    def _choose(self, face: int, count: int, rng: np.random.Generator) -> list[int]:
        pool = self.others(face)
        return [pool[index] for index in rng.permutation(len(pool))[:count]]

    def _features_of(self, face: int, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        entry, row = self.faces[face].features
        return {name: self._features[entry][name][row] for name in names}

    def _moments(self, index: int) -> Floats:
        photo = self.photos[index]
        return self._seen[photo.moments[0]][f"moments-{photo.size[0]}x{photo.size[1]}"][photo.moments[1]]

    def _control_image(self, photos: Sequence[int], channels: int) -> Tensor:
        """(B, channels, H, W) in [0, 1]."""
        found = [
            cache.control_image(self._features[entry], size, channels, row)
            for size, (entry, row) in self._places_in(photos)
        ]
        return torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2).float() / 255

    def _places_in(self, photos: Sequence[int]) -> list[tuple[tuple[int, int], tuple[int, int]]]:
        return [(self.photos[photo].size, self.photos[photo].moments) for photo in photos]

    def _text(self, photos: Sequence[int]) -> Text:
        places = [self.photos[photo].caption for photo in photos]
        parts = [[self._seen[entry][name][row] for entry, row in places] for name in ("ids", "hidden")]
        ids, hidden = (torch.from_numpy(np.stack(part)) for part in parts)
        pooled = [self._seen[entry]["pooled"][row] for entry, row in places if "pooled" in self._seen[entry]]
        shown = [(*self.photos[photo].origin, *self.photos[photo].size[::-1]) for photo in photos]
        return Text(
            ids, hidden.float(), torch.from_numpy(np.stack(pooled)).float() if pooled else None, torch.tensor(shown)
        )

    def _layouts(self, photos: Sequence[int], slots: int) -> FaceLayout:
        boxes, landmarks = np.zeros((len(photos), slots, 4)), np.zeros((len(photos), slots, 68, 2))
        for b, photo in enumerate(photos):
            for n, face in enumerate(self.photos[photo].faces):
                boxes[b, n], landmarks[b, n] = self.faces[face].box, self.faces[face].landmarks
        return FaceLayout(torch.from_numpy(boxes).float(), torch.from_numpy(landmarks).float())


def _face(row: dict[str, Any], photo: int, size: tuple[int, int], entry: tuple[int, int], reference: bool) -> Face:
    extent = np.array(size, np.float32)
    box = np.asarray(row["box"], np.float32).reshape(2, 2) / extent
    landmarks = (np.asarray(row["landmarks"], np.float32).reshape(-1, 2) + HALF_PIXEL) / extent
    embedding = np.asarray(row["embedding"], np.float32)
    return Face(row["identity_id"], photo, entry, box.reshape(4), landmarks, embedding, reference)


def _origin(row: Mapping[str, Any]) -> tuple[float, ...]:
    return row["height"], row["width"], round(row["crop"][1] * row["scale"]), round(row["crop"][0] * row["scale"])


def _drops(phase: Phase, rngs: Sequence[np.random.Generator]) -> tuple[Tensor, Tensor]:
    """Which photos lose their text and which their faces, (B,) bool each."""
    uniform = torch.tensor([rng.random() for rng in rngs])
    text, faces, both = phase.dropout.text, phase.dropout.faces, phase.dropout.both
    neither = uniform < both
    return neither | ((uniform >= both) & (uniform < both + text)), neither | (uniform >= 1 - faces)
