"""People with known shape, photographed by the landmark vertices of the world's head alone."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.head.camera import Camera, project
from pipeline.head.model import Head, load_head

HEAD = Path("pipeline/pack/models/head.npz")


@dataclass(frozen=True)
class Crowd:
    """N faces, sorted by person, and their truth."""

    points: NDArray[np.float64]  # (N, 68, 2)
    person: NDArray[np.int64]  # (N,)
    shape: NDArray[np.float32]  # (N, K)
    expression: NDArray[np.float32]  # (N, E)
    angles: NDArray[np.float64]  # (N, 3) yaw, pitch, roll


@pytest.fixture(scope="session")
def head() -> Head:
    return load_head(HEAD)


def draw_crowd(head: Head, people: int, photos: int, seed: int) -> Crowd:
    """People with normal shapes; faces of 60 pixels turned by up to some 40 degrees, a few expressions at a time."""
    rng = np.random.default_rng(seed)
    shapes = np.clip(rng.normal(size=(people, len(head.identity))), -2.2, 2.2).astype(np.float32)
    rows = []
    for person in range(people):
        for _ in range(photos):
            weights = np.where(rng.random(len(head.expression)) < 0.15, rng.random(len(head.expression)), 0.0)
            angles = rng.normal(0, (17, 7, 6)).clip(-40, 40)
            camera = Camera(*angles, scale=60 / 14, tx=64 + rng.normal(0, 5), ty=64 + rng.normal(0, 5))
            vertices = head.vertices(shapes[person], weights.astype(np.float32))[head.landmarks68]
            rows.append((project(vertices, camera)[0], person, shapes[person], weights, angles))
    points, person_of, shape, expression, angles_of = (np.array(column) for column in zip(*rows, strict=True))
    return Crowd(points.astype(np.float64), person_of, shape, expression.astype(np.float32), angles_of)


@pytest.fixture(scope="session")
def crowd(head: Head) -> Crowd:
    return draw_crowd(head, people=20, photos=6, seed=0)
