"""A head that fits in a screenful: a tetrahedron-like fan with one mode of each kind."""

import numpy as np
import pytest

from pipeline.head.model import Head


@pytest.fixture
def tiny_head() -> Head:
    mean = np.array([[-1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, -1, 0]], np.float32)
    widen, open_ = np.zeros((2, 5, 3), np.float32)
    widen[:2, 0] = [-0.5, 0.5]
    open_[4, 1] = -0.25
    return Head(
        mean=mean,
        identity=widen[None],
        expression=open_[None],
        triangles=np.array([[0, 3, 2], [3, 1, 2], [0, 4, 3], [4, 1, 3]], np.int32),
        landmarks68=np.arange(68, dtype=np.int32) % 5,
        albedo_mean=np.full((5, 3), 0.5, np.float32),
        albedo=np.full((1, 5, 3), 0.4, np.float32),
        regions=np.array([0, 0, 1, 1, 0], np.uint8),
        expression_names=("jawOpen",),
        region_names=("skin", "nose"),
        name="tiny",
        version="1",
        licence="Apache-2.0",
        unit="cm",
    )
