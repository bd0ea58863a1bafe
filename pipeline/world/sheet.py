"""Contact sheets of the world: `python -m pipeline.world.sheet out.png [seed]`; a row per person, then groups."""

from __future__ import annotations

import sys

import numpy as np
from PIL import Image

from pipeline.world.population import person
from pipeline.world.scene import group, portrait


def contact_sheet(seed: int = 0, people: int = 8, photos: int = 8, first: int = 0) -> np.ndarray:
    """An image uint8 (H, W, 3) with one row of portraits per person."""
    cast = [person(seed, first + index) for index in range(people)]
    return np.concatenate(
        [np.concatenate([portrait(someone, photo).image for photo in range(photos)], 1) for someone in cast]
    )


def group_sheet(seed: int = 0, rows: int = 6, columns: int = 4, first: int = 0) -> np.ndarray:
    """An image uint8 (H, W, 3) of group photographs of two, three, four people in turn."""
    cast = [person(seed, first + index) for index in range(12)]
    photos = [
        group([cast[(number + 5 * place) % 12] for place in range(2 + number % 3)], number).image
        for number in range(rows * columns)
    ]
    return np.concatenate([np.concatenate(photos[row * columns : (row + 1) * columns], 1) for row in range(rows)])


if __name__ == "__main__":
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    Image.fromarray(np.concatenate([contact_sheet(seed), group_sheet(seed)])).save(sys.argv[1])
