"""What a detector finds in a photo, and what a landmark model takes and gives."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.images import Pixels

Floats = NDArray[np.float32]
# Boxes (N, 4) in an RGB photo to landmarks (N, 68, 2), both in pixels.
Landmarker = Callable[[Pixels, Floats], Floats]


@dataclass(frozen=True)
class Detections:
    """The N faces of one photo, from left to right, in pixels of the photo."""

    boxes: Floats  # (N, 4) x1, y1, x2, y2
    keypoints: Floats  # (N, 5, 2)
    landmarks: Floats  # (N, 68, 2)
    scores: Floats  # (N,)
