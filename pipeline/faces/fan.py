"""68 landmarks from face-alignment, with weight files that lie on this machine; nothing is ever downloaded.

Bulat and Tzimiropoulos, "How far are we from solving the 2D & 3D Face Alignment problem?", ICCV 2017.
"""

import re
from pathlib import Path
from typing import Any

import face_alignment
import numpy as np
import torch
from face_alignment.models import FAN

from pipeline.errors import MissingInput
from pipeline.faces.types import Floats
from pipeline.images import Pixels

PUBLISHED = "2DFAN4-11f355bf06.pth.tar"
NAME = re.compile(r"2DFAN(\d)\b.*\.pth\.tar")


class FanLandmarker:
    """Landmarks by a face alignment network; `folder` holds 2DFAN<number of hourglasses>-<anything>.pth.tar.

    Raises:
        MissingInput: there is no such file; the message names the published one.
    """

    def __init__(self, folder: Path | str) -> None:
        path, hourglasses = _weights(Path(folder))
        self._aligner = _LocalAligner(path, hourglasses)

    def __call__(self, photo: Pixels, boxes: Floats) -> Floats:
        """Landmarks (N, 68, 2) in an RGB photo (H, W, 3) with boxes (N, 4), in pixels."""
        if not len(boxes):
            return np.empty((0, 68, 2), np.float32)
        found = self._aligner.get_landmarks_from_image(photo, detected_faces=boxes.tolist())
        return np.stack(found).astype(np.float32)


class _LocalAligner(face_alignment.FaceAlignment):
    """face-alignment with a weight file of our choice; boxes come from our detector (its 'folder' needs no weights)."""

    def __init__(self, path: Path, hourglasses: int) -> None:
        self._path = path
        super().__init__(
            face_alignment.LandmarksType.TWO_D, hourglasses, device="cpu", face_detector="folder", compile=False
        )

    def _load_native(self, name: str, hourglasses: int, device: str, dtype: torch.dtype) -> Any:
        # The library has no argument for a weight file and would look in a cache, then on the web.
        network = FAN(hourglasses)
        network.load_state_dict(torch.load(self._path, map_location=device, weights_only=True))
        return network.to(device, dtype=dtype).eval()


def _weights(folder: Path) -> tuple[Path, int]:
    for path in sorted(folder.glob("2DFAN*")):
        if match := NAME.fullmatch(path.name):
            return path, int(match[1])
    raise MissingInput(
        f"no landmark weights in {folder} (faces.landmark_weights): put {PUBLISHED} there, "
        "or set faces.landmarks: recogniser"
    )
