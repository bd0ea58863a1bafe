"""What generators are conditioned on: maps of a posed head, pixel by pixel.

All maps come from the buffers of `rasterise` (see `draw_head`) and hold a fixed value where nothing is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.head.camera import Camera, project, turned
from pipeline.head.model import Head
from pipeline.head.raster import Buffers, Floats, Ints, interpolate, rasterise, vertex_normals

NOTHING = -1


def draw_head(vertices: Floats, triangles: Ints, camera: Camera, size: tuple[int, int]) -> Buffers:
    """Buffers of `size` (H, W) of a head's vertices (V, 3) under a camera."""
    points, depth = project(vertices, camera)
    return rasterise(points, depth, triangles, size)


def normal_map(vertices: Floats, triangles: Ints, camera: Camera, buffers: Buffers) -> Floats:
    """Unit normals (H, W, 3) in viewer axes (x right, y up, z to the viewer); zero where nothing is drawn."""
    facing = turned(vertex_normals(vertices, triangles), camera.rotation())
    normals = interpolate(facing, triangles, buffers)
    return normals / np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), np.float32(1e-6))


def pncc_map(head: Head, buffers: Buffers) -> Floats:
    """Projected normalised coordinate code (H, W, 3) in [0, 1]: which point of the average head a pixel shows.

    Zhu et al. 2016, "Face alignment across large poses", section 3.2.1. Zero where nothing is drawn.
    """
    low, high = head.mean.min(0), head.mean.max(0)
    return interpolate((head.mean - low) / (high - low), head.triangles, buffers)


def region_map(head: Head, buffers: Buffers) -> Ints:
    """Number of the face part (H, W) in `head.region_names`, that of the nearest vertex; NOTHING elsewhere."""
    shown = buffers.triangle >= 0
    corners = head.triangles[buffers.triangle[shown]]
    nearest = np.take_along_axis(corners, buffers.barycentric[shown].argmax(1)[:, None], 1)[:, 0]
    result = np.full(buffers.triangle.shape, NOTHING, np.int32)
    result[shown] = head.regions[nearest]
    return result


def instance_map(people: Sequence[Buffers], cameras: Sequence[Camera]) -> NDArray[np.int32]:
    """Number (H, W) of the person that each pixel shows, NOTHING elsewhere; people and cameras in one order.

    A weak perspective camera has no distance; who is drawn larger is taken to be nearer and painted over others.
    Raises ValueError without people or where people and cameras differ in number.
    """
    if not people or len(people) != len(cameras):
        raise ValueError(
            f"{len(people)} drawn people and {len(cameras)} cameras: expected as many of both, at least one"
        )
    result = np.full(people[0].triangle.shape, NOTHING, np.int32)
    for number in sorted(range(len(people)), key=lambda person: cameras[person].scale):
        result[people[number].triangle >= 0] = number
    return result
