"""From a user's photos of a person to aligned references: found, fitted and cut out as the stages do it."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.backbone.batch import Floats, Reference
from pipeline.backbone.frozen import FrozenEncoders
from pipeline.backbone.references import cut
from pipeline.encoders.recogniser import align
from pipeline.errors import MissingInput
from pipeline.faces.find import Finder
from pipeline.head.fit import basis_of, fit
from pipeline.head.head_pose import HeadPose
from pipeline.images import BLACK, WHITE, BadImage, Pixels, decode
from pipeline.settings import Settings


@dataclass(frozen=True)
class Face:
    """A person's face in a photo; pixels of the photo."""

    photo: Pixels  # (H, W, 3)
    keypoints: Floats  # (5, 2)
    landmarks: Floats  # (68, 2)


class Album:
    """Turns photos of a person into references.

    Raises:
        MissingInput: the detector, the landmark model or the recogniser is not there.
    """

    def __init__(self, params: Settings, frozen: FrozenEncoders) -> None:
        self._finder = Finder(params.faces, params.models.recogniser_a)
        self._recogniser, self._basis, self._shapes = frozen.recogniser, basis_of(frozen.head), params.shapes

    def references(self, photos: Sequence[Path | str]) -> list[Reference]:
        """References of one person, in the order of the photos. Of several faces in a photo the largest is taken.

        Raises:
            MissingInput: a photo is not there, is no image, or shows no face.
        """
        faces = [self._face(Path(photo)) for photo in photos]
        points = np.stack([face.landmarks for face in faces]).astype(np.float64)
        one = np.zeros(len(faces), np.int64)
        poses = HeadPose.from_fit(fit(points, one, self._basis, self._shapes), points, one, self._basis)
        embeddings = self._recogniser.embed(np.stack([align(face.photo, face.keypoints) for face in faces]))
        parts = zip(faces, embeddings, poses, strict=True)
        return [cut(face.photo, face.keypoints, embedding, pose) for face, embedding, pose in parts]

    def _face(self, path: Path) -> Face:
        photo = read(path)
        found = self._finder(photo)
        if not len(found.boxes):
            raise MissingInput(f"no face found in {path}: give a photo in which the face is upright, sharp and larger")
        if len(found.boxes) > 1:
            print(f"{path} shows {len(found.boxes)} faces: the largest is taken", file=sys.stderr)
        largest = int(np.prod(found.boxes[:, 2:] - found.boxes[:, :2], axis=1).argmax())
        return Face(photo, found.keypoints[largest], found.landmarks[largest])


def read(path: Path, background: tuple[int, int, int] = WHITE) -> Pixels:
    """A photo (H, W, 3), as pipeline.images takes pictures in: upright, opaque, of 8 bits.

    Raises:
        MissingInput: it is not there, or not an image that may be decoded.
    """
    try:
        return decode(path.read_bytes(), background=background)
    except (OSError, BadImage) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise MissingInput(f"cannot read {path}: {reason}") from error


def read_mask(path: Path) -> Floats:
    """How much each pixel (H, W) is a person's, in [0, 1]: the mean of its colours, as far as it is opaque.

    Raises:
        MissingInput: it is not there, or not an image that may be decoded.
    """
    # On black, a colour is as dark as it is transparent.
    return (read(path, BLACK).mean(-1) / 255).astype(np.float32)
