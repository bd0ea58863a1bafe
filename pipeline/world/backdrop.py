"""What stands behind people: walls, weather, leaves, books. Drawn soft, as a lens would show it."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter, zoom

from pipeline.world.words import WALL_COLOURS

Array = np.ndarray


def backdrop(kind: str, wall: str, size: tuple[int, int], rng: np.random.Generator) -> Array:
    """A background (H, W, 3), gamma encoded in [0, 1]."""
    colour = np.array(WALL_COLOURS[wall])
    image = PAINTERS[kind](size, colour, rng)
    return np.clip(image, 0, 1).astype(np.float32)


def plane(size: tuple[int, int]) -> tuple[Array, Array]:
    """Coordinates in [0, 1] down (H, W) and across in units of the height (H, W)."""
    height, width = size
    down, across = np.mgrid[0:height, 0:width]
    return (down + 0.5) / height, (across + 0.5) / height


def cloud(size: tuple[int, int], cells: int, rng: np.random.Generator) -> Array:
    """Smooth noise (H, W), about in [0, 1], with so many cells per height."""
    height, width = size
    columns = max(2, round(cells * width / height))
    coarse = rng.random((cells + 1, columns + 1))
    grown = zoom(coarse, (height / cells, width / columns), order=1, mode="nearest", grid_mode=False)
    return grown[:height, :width] if grown.shape[0] >= height and grown.shape[1] >= width else np.resize(grown, size)


def paint_wall(size: tuple[int, int], colour: Array, rng: np.random.Generator) -> Array:
    """A plain wall, lighter towards one corner."""
    down, across = plane(size)
    slope = rng.uniform(-0.14, 0.14) * (across - across.mean()) + rng.uniform(-0.2, 0.0) * (down - 0.5)
    return colour * (1 + slope + 0.04 * (cloud(size, 5, rng) - 0.5))[..., None]


def paint_brick(size: tuple[int, int], colour: Array, rng: np.random.Generator) -> Array:
    """Rows of bricks with lighter joints."""
    down, across = plane(size)
    rows = rng.integers(8, 12)
    y, shift = down * rows, np.floor(down * rows) % 2 * 0.5
    x = across * rows / 2.1 + shift
    joint = (y % 1 < 0.12) | (x % 1 < 0.06)
    tone = 0.85 + 0.3 * rng.random((64, 128))[np.floor(y).astype(int) % 64, np.floor(x).astype(int) % 128]
    image = np.where(joint[..., None], 0.45 * colour + 0.4, colour * tone[..., None])
    return gaussian_filter(image, (0.6, 0.6, 0))


def paint_sky(size: tuple[int, int], colour: Array, rng: np.random.Generator) -> Array:
    """Blue with white clouds."""
    down, _ = plane(size)
    blue = np.array([0.32, 0.56, 0.88]) + down[..., None] * np.array([0.36, 0.25, 0.08])
    puffs = 0.6 * cloud(size, 4, rng) + 0.4 * cloud(size, 9, rng)
    share = np.clip((puffs - 0.52) * 4, 0, 1)[..., None]
    return gaussian_filter(blue * (1 - share) + 0.96 * share, (1.2, 1.2, 0))


def paint_sunset(size: tuple[int, int], colour: Array, rng: np.random.Generator) -> Array:
    """Violet to orange, with a low sun and dark land."""
    down, across = plane(size)
    stops = np.array([[0.28, 0.22, 0.45], [0.75, 0.38, 0.45], [0.98, 0.62, 0.30], [1.0, 0.82, 0.45]])
    image = np.stack([np.interp(down, [0, 0.4, 0.65, 0.85], stops[:, channel]) for channel in range(3)], -1)
    sun = np.hypot(down - rng.uniform(0.5, 0.7), across - rng.uniform(0, size[1] / size[0]))
    image += np.exp(-((sun / 0.16) ** 2))[..., None] * np.array([0.3, 0.25, 0.15])
    land = (down > 0.82 + 0.05 * cloud(size, 3, rng))[..., None]
    return gaussian_filter(np.where(land, np.array([0.2, 0.13, 0.18]), image), (1, 1, 0))


def paint_garden(size: tuple[int, int], colour: Array, rng: np.random.Generator) -> Array:
    """Leaves in patches of light, some flowers."""
    leaf = 0.5 * cloud(size, 8, rng) + 0.5 * cloud(size, 20, rng)
    image = np.array([0.13, 0.28, 0.10]) + leaf[..., None] * np.array([0.36, 0.48, 0.16])
    blossom = (cloud(size, 24, rng) > 0.84)[..., None]
    image = np.where(blossom, np.array(WALL_COLOURS[str(rng.choice(["pink", "yellow", "white", "red"]))]), image)
    return gaussian_filter(image, (1.0, 1.0, 0))


def paint_books(size: tuple[int, int], colour: Array, rng: np.random.Generator) -> Array:
    """Shelves of coloured backs of books."""
    height, width = size
    image = np.zeros((height, width, 3))
    shelf = int(rng.integers(28, 38))
    for top in range(0, height, shelf):
        x = 0
        while x < width:
            wide, tall = int(rng.integers(3, 8)), int(rng.integers(shelf - 12, shelf - 4))
            image[top : top + shelf, x : x + wide] = (0.10, 0.07, 0.05)
            image[top + shelf - 3 - tall : top + shelf - 3, x : x + wide] = rng.uniform(0.12, 0.75, 3) * rng.uniform(
                0.6, 1
            )
            x += wide
        image[top + shelf - 3 : top + shelf] = (0.45, 0.30, 0.18)
    return gaussian_filter(image, (0.9, 0.9, 0))


def paint_curtain(size: tuple[int, int], colour: Array, rng: np.random.Generator) -> Array:
    """Folds of cloth."""
    down, across = plane(size)
    fold = across * rng.uniform(5, 9) + 0.25 * np.sin(down * 2 + rng.uniform(0, 6)) + 0.4 * np.sin(across * 7)
    return colour * (0.82 + 0.24 * np.sin(2 * np.pi * fold))[..., None]


def paint_lights(size: tuple[int, int], colour: Array, rng: np.random.Generator) -> Array:
    """Night with discs of light out of focus."""
    down, across = plane(size)
    image = np.array([0.05, 0.06, 0.14]) + (1 - down)[..., None] * np.array([0.03, 0.03, 0.09])
    for _ in range(int(rng.integers(14, 22) * size[1] / size[0])):
        far = np.hypot(down - rng.uniform(0, 1), across - rng.uniform(0, size[1] / size[0]))
        radius, tone = (
            rng.uniform(0.03, 0.075),
            np.array([[1, 0.75, 0.35], [1, 0.4, 0.3], [0.5, 0.75, 1], [1, 0.95, 0.8]])[rng.integers(4)],
        )
        image = image + (np.clip((radius - far) * 60, 0, 1) * rng.uniform(0.35, 0.8))[..., None] * tone
    return image


def paint_beach(size: tuple[int, int], colour: Array, rng: np.random.Generator) -> Array:
    """Sky, sea, sand."""
    down, _ = plane(size)
    line = rng.uniform(0.3, 0.5)
    sky = np.array([0.55, 0.76, 0.94]) + down[..., None] * np.array([0.35, 0.2, 0.05])
    sea = np.array([0.12, 0.48, 0.62]) + 0.12 * cloud(size, 16, rng)[..., None] + (down - line)[..., None] * 0.35
    sand = np.array([0.90, 0.80, 0.60]) - 0.06 * cloud(size, 12, rng)[..., None]
    image = np.where((down < line)[..., None], sky, np.where((down < line + 0.3)[..., None], sea, sand))
    return gaussian_filter(image, (1.0, 1.0, 0))


def paint_snow(size: tuple[int, int], colour: Array, rng: np.random.Generator) -> Array:
    """White hills under a pale sky, with flakes."""
    down, across = plane(size)
    hills = 0.42 + 0.1 * np.sin(across * rng.uniform(3, 5) + rng.uniform(0, 6))
    pale = np.array([0.68, 0.76, 0.86]) + down[..., None] * 0.15
    snow = np.array([0.92, 0.95, 0.99]) - 0.12 * (down - hills)[..., None] * np.array([1.4, 1, 0.5])
    image = np.where((down < hills)[..., None], pale, snow)
    trees = (down > hills - 0.16 * cloud(size, 26, rng) ** 2) & (down < hills)
    image = np.where(trees[..., None], np.array([0.30, 0.38, 0.42]), image)
    flakes = gaussian_filter((rng.random(size) > 0.99).astype(float), 0.8)[..., None] * 2.0
    return gaussian_filter(image, (1.0, 1.0, 0)) + flakes


PAINTERS = {
    "wall": paint_wall,
    "brick": paint_brick,
    "sky": paint_sky,
    "sunset": paint_sunset,
    "garden": paint_garden,
    "books": paint_books,
    "curtain": paint_curtain,
    "lights": paint_lights,
    "beach": paint_beach,
    "snow": paint_snow,
}
