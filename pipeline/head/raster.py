"""A z-buffer rasteriser in numba.

Pixel (row, column) has its centre at x = column, y = row. Larger depth is nearer to the viewer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]
FAR = np.float32(-1e30)


@dataclass(frozen=True)
class Buffers:
    """What each pixel shows: a triangle (-1 for none), where in it, and how near it is."""

    triangle: Ints  # (H, W)
    barycentric: Floats  # (H, W, 3)
    depth: Floats  # (H, W)


def empty(size: tuple[int, int]) -> Buffers:
    """Buffers (H, W) in which nothing is drawn."""
    return Buffers(np.full(size, -1, np.int32), np.zeros((*size, 3), np.float32), np.full(size, FAR))


def rasterise(
    points: Floats,
    depth: Floats,
    triangles: Ints,
    size: tuple[int, int],
    cover: Floats | None = None,
    threads: Floats | None = None,
) -> Buffers:
    """Draws triangles (F, 3) over points (V, 2) with depth (V,) into buffers of `size` (H, W).

    `cover` (V,) leaves pixels out where it falls below a threshold between 0.2 and 0.8; `threads` (V,) numbers the
    threads along which that threshold changes (the ends of hair). Nothing is left out without them.
    """
    buffers = empty(size)
    if cover is None:
        cover = np.ones(len(points), np.float32)
    if threads is None:
        threads = np.zeros(len(points), np.float32)
    _fill(points, depth, triangles, cover, threads, buffers.triangle, buffers.barycentric, buffers.depth)
    return buffers


@njit(cache=True, inline="always")
def thread_noise(position: float) -> float:
    """Smooth noise in [0, 1] along a line."""
    low = np.floor(position)
    part = position - low
    first = np.sin(low * 127.1) * 43758.547
    second = np.sin((low + 1.0) * 127.1) * 43758.547
    first -= np.floor(first)
    second -= np.floor(second)
    return first + (second - first) * part * part * (3.0 - 2.0 * part)


@njit(cache=True)
def _fill(points, depth, triangles, cover, threads, triangle_buffer, barycentric, nearest):  # type: ignore[no-untyped-def]
    height, width = triangle_buffer.shape
    for number in range(len(triangles)):
        a, b, c = triangles[number]
        ax, ay, bx, by, cx, cy = points[a, 0], points[a, 1], points[b, 0], points[b, 1], points[c, 0], points[c, 1]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area > -1e-9 and area < 1e-9:
            continue
        left, right = max(int(np.ceil(min(ax, bx, cx))), 0), min(int(np.floor(max(ax, bx, cx))), width - 1)
        top, bottom = max(int(np.ceil(min(ay, by, cy))), 0), min(int(np.floor(max(ay, by, cy))), height - 1)
        partial = cover[a] < 0.999 or cover[b] < 0.999 or cover[c] < 0.999
        inverse = 1.0 / area
        for row in range(top, bottom + 1):
            for column in range(left, right + 1):
                u = ((bx - column) * (cy - row) - (by - row) * (cx - column)) * inverse
                v = ((cx - column) * (ay - row) - (cy - row) * (ax - column)) * inverse
                w = 1.0 - u - v
                if u < 0.0 or v < 0.0 or w < 0.0:
                    continue
                near = u * depth[a] + v * depth[b] + w * depth[c]
                if near <= nearest[row, column]:
                    continue
                if partial:
                    thread = u * threads[a] + v * threads[b] + w * threads[c]
                    if u * cover[a] + v * cover[b] + w * cover[c] < 0.2 + 0.6 * thread_noise(thread):
                        continue
                nearest[row, column] = near
                triangle_buffer[row, column] = number
                barycentric[row, column, 0] = u
                barycentric[row, column, 1] = v
                barycentric[row, column, 2] = w


@njit(cache=True)
def vertex_normals(vertices: Floats, triangles: Ints) -> Floats:
    """Unit normals (V, 3) of vertices (V, 3): the mean over the triangles at each, weighted by area."""
    normals = np.zeros_like(vertices)
    for number in range(len(triangles)):
        a, b, c = triangles[number]
        ux, uy, uz = vertices[b, 0] - vertices[a, 0], vertices[b, 1] - vertices[a, 1], vertices[b, 2] - vertices[a, 2]
        vx, vy, vz = vertices[c, 0] - vertices[a, 0], vertices[c, 1] - vertices[a, 1], vertices[c, 2] - vertices[a, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for corner in (a, b, c):
            normals[corner, 0] += nx
            normals[corner, 1] += ny
            normals[corner, 2] += nz
    for vertex in range(len(vertices)):
        length = np.sqrt(normals[vertex, 0] ** 2 + normals[vertex, 1] ** 2 + normals[vertex, 2] ** 2) + 1e-12
        normals[vertex] /= length
    return normals


def interpolate(values: Floats, triangles: Ints, buffers: Buffers) -> Floats:
    """Per-vertex values (V, C) at every pixel (H, W, C); zero where nothing is drawn."""
    shown = buffers.triangle >= 0
    result = np.zeros((*buffers.triangle.shape, values.shape[1]), np.float32)
    corners = values[triangles[buffers.triangle[shown]]]  # (pixels, 3 corners, C)
    result[shown] = np.einsum("pk,pkc->pc", buffers.barycentric[shown], corners)
    return result
