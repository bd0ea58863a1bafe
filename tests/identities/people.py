"""Made-up faces: unit vectors around a centre per person."""

import numpy as np

from pipeline.settings import IdentitiesSettings

SETTINGS = IdentitiesSettings(neighbours=40, min_faces=2, min_cohesion=0.3)


def faces(
    sizes: list[int], spread: float = 0.6, offset: float = 0.0, dimension: int = 64, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Vectors (N, D) of unit length and persons (N,).

    Args:
        sizes: photos of each person.
        spread: length of the noise beside a centre of length 1; 0.6 gives cosines near 0.73.
        offset: length of a direction that all share, which lifts the cosines of strangers.
    """
    draw = np.random.default_rng(seed)
    centres = unit(draw.normal(size=(len(sizes), dimension)))
    who = np.repeat(np.arange(len(sizes)), sizes)
    noise = spread * unit(draw.normal(size=(len(who), dimension)))
    return unit(centres[who] + noise + offset * unit(draw.normal(size=dimension))), who


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def photos(count: int) -> np.ndarray:
    """A photo of its own for each face."""
    return np.array([f"photo{number:05d}" for number in range(count)])
