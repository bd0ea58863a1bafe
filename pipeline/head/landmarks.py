"""The 68 landmarks of a face in iBUG order (Sagonas et al. 2013): their unit of length, and the error between two sets.

The jaw is 0 to 16, brows 17 to 26, nose 27 to 35, eyes 36 to 47, mouth 48 to 67.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.head.pose import TINY

Floats = NDArray[np.floating]

JAW = slice(0, 17)
OUTER_EYE_CORNERS = (36, 45)


def eye_distance(points: Floats) -> Floats:
    """Distance (...) between the outer corners of the eyes of points (..., 68, 2) or (..., 68, 3)."""
    left, right = OUTER_EYE_CORNERS
    return np.maximum(np.linalg.norm(points[..., right, :] - points[..., left, :], axis=-1), TINY)


def nme(found: Floats, truth: Floats, unit: Floats | float) -> Floats:
    """Normalised mean error (...): the mean distance of points (..., 68, 2) in units of a length (...), in pixels."""
    return np.asarray(np.linalg.norm(np.asarray(found) - truth, axis=-1).mean(axis=-1) / unit)
