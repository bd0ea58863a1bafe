"""The light on a fitted face: grey level as spherical harmonics of the surface normal.

Nine real harmonics of order 0 to 2 hold 98 % of what a distant light does to a matt surface (Ramamoorthi and Hanrahan
2001, section 3.3); albedo is taken as one grey, so a dark skin and a dim light look alike.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.head.camera import Camera, project
from pipeline.head.model import Head
from pipeline.head.raster import vertex_normals

TERMS = 9
SAMPLES = 800  # vertices looked at: more change nothing
FACING = 0.2  # cosine to the viewer below which a vertex is too oblique to be read off the photo
RIDGE = 1e-2  # of the mean harmonic's square: keeps the terms of unlit directions small


class LightFitter:
    """Reads the light off photos with one head."""

    def __init__(self, head: Head) -> None:
        self._head = head
        self._vertices = _skin(head)

    def __call__(self, pixels: NDArray[np.uint8], shape: NDArray, expression: NDArray, camera: Camera) -> NDArray:
        """Nine coefficients of the grey level in [0, 1].

        Args:
            pixels: (H, W, 3) RGB.

        A face that the photo shows too little of has no light: all NaN.
        """
        vertices = self._head.vertices(shape, expression)
        normals = vertex_normals(vertices, self._head.triangles)[self._vertices] @ camera.rotation().T
        points, _ = project(vertices[self._vertices], camera)
        columns, rows = np.round(points).astype(np.int64).T
        height, width = pixels.shape[:2]
        seen = (normals[:, 2] > FACING) & (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
        if seen.sum() < 4 * TERMS:
            return np.full(TERMS, np.nan)
        grey = pixels[rows[seen], columns[seen]].mean(axis=1) / 255.0
        return solve(harmonics(normals[seen]), grey)


def harmonics(normals: NDArray) -> NDArray:
    """Real spherical harmonics (n, 9) of order 0, 1 and 2 of unit normals (n, 3)."""
    x, y, z = normals.astype(np.float64).T
    return np.stack(
        [
            np.full_like(x, 0.282095),
            0.488603 * y,
            0.488603 * z,
            0.488603 * x,
            1.092548 * x * y,
            1.092548 * y * z,
            0.315392 * (3 * z**2 - 1),
            1.092548 * x * z,
            0.546274 * (x**2 - y**2),
        ],
        axis=1,
    )


def solve(basis: NDArray, grey: NDArray) -> NDArray:
    """Ridge regression (9,) of grey levels (n,) on harmonics (n, 9); the constant term is not held back."""
    normal = basis.T @ basis
    ridge = np.full(TERMS, RIDGE * np.trace(normal) / TERMS)
    ridge[0] = 0.0
    return np.linalg.solve(normal + np.diag(ridge), basis.T @ grey)


def _skin(head: Head) -> NDArray[np.int64]:
    wanted = [number for number, name in enumerate(head.region_names) if name in ("skin", "nose")]
    vertices = np.flatnonzero(np.isin(head.regions, wanted))
    if not len(vertices):  # a head without named regions: all of it
        vertices = np.arange(len(head.mean))
    return vertices[:: max(1, len(vertices) // SAMPLES)]
