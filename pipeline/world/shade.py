"""Light on surfaces: soft shadows from a depth map, wrapped diffuse light, highlights, hair, all per pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from pipeline.head.camera import turned
from pipeline.head.raster import rasterise, thread_noise
from pipeline.world.mesh import CLOTH, EYE, FRAME, HAIR, MOUTH, SKIN

Array = np.ndarray
MAP, REACH = 96, 18.0  # pixels of the shadow map, and half its side in centimetres


@dataclass(frozen=True)
class Light:
    """One strong light and a sky: `direction` (3,) from the scene, right, up, to the viewer; linear colours (3,)."""

    kind: str
    direction: Array
    key: Array
    sky: Array
    ground: Array


def light_frame(direction: Array) -> Array:
    """Rotation (3, 3) whose third row is the light's direction."""
    right = np.cross(np.array([0.0, 1.0, 0.0]), direction)
    right /= np.hypot(right[0], right[2])  # it is level: y is 0
    return np.stack([right, np.cross(direction, right), direction]).astype(np.float32)


def shadow_map(points: Array, triangles: Array, cover: Array, threads: Array, direction: Array) -> tuple[Array, Array]:
    """Depths (MAP, MAP) seen from the light and each vertex's place (n, 3) in that map."""
    right, up, near = turned(points, light_frame(direction)).T
    scale = np.float32(MAP / (2 * REACH))
    place = np.stack([MAP / 2 + scale * right, MAP / 2 - scale * (up - 1.0), near], -1).astype(np.float32)
    depth = rasterise(place[:, :2], place[:, 2], triangles, (MAP, MAP), cover, threads).depth
    return depth, place


@njit(cache=True)
def lit(depth: Array, x: float, y: float, z: float, slack: float) -> float:
    """Share of the light that reaches a place of the shadow map: 25 looks around it.

    `slack` is the depth in centimetres that a surface needs before it shades another: more where light grazes.
    """
    column, row = int(np.floor(x + 0.5)), int(np.floor(y + 0.5))
    if column < 3 or row < 3 or column >= MAP - 3 or row >= MAP - 3:
        return 1.0
    total = 0.0
    for j in range(-2, 3):
        for i in range(-2, 3):
            above = depth[row + j, column + i] - z - slack
            total += 1.0 - min(max(above * 1.6, 0.0), 1.0)
    return total / 25.0


@njit(cache=True, inline="always")
def unit(x: float, y: float, z: float) -> tuple[float, float, float]:
    """A normal of length 1 that faces the viewer: thin sheets are lit from both sides."""
    length = np.sqrt(x * x + y * y + z * z) + 1e-9
    if z < 0.0:
        length = -length
    return x / length, y / length, z / length


@njit(cache=True, inline="always")
def finish(material: int, thread: float, shine: float, along: float, nz: float) -> tuple[float, float, float, float]:
    """How a material shines and how its strands or ribs vary its colour: gloss, shine, wrap, streak."""
    if material == EYE:
        return 0.9, shine**90.0, 0.45, 1.0
    if material == HAIR:  # strands shine across their direction (Kajiya and Kay 1989)
        strand = 0.5 * thread_noise(thread * 2.3) + 0.5 * thread_noise(thread * 7.1 + 3.0)
        across = np.sqrt(max(1.0 - along * along * 2.2, 0.0)) * max(nz, 0.0)
        return 0.16 * strand, across**22.0, 0.35, 0.58 + 0.75 * strand
    if material == CLOTH:
        ribs = thread_noise(thread * 3.0) * (1.0 if thread != 0.0 else 0.0)
        return 0.0, 0.0, 0.25, 1.0 - 0.35 * ribs
    if material == FRAME:
        return 0.5, shine**40.0, 0.25, 1.0
    if material == MOUTH:
        return 0.02, shine**12.0, 0.25, 1.0
    return 0.05, shine**12.0, 0.25, 1.0


@njit(cache=True, inline="always")
def in_light(material: int, share: float) -> float:
    """Share of light at a place whose share by the shadow map is given: eyes and teeth catch light around corners."""
    share = 0.12 + 0.88 * share
    if material == EYE:
        return 0.35 + 0.65 * share
    if material == MOUTH:
        return 0.3 + 0.7 * share
    return share


@njit(cache=True, inline="always")
def develop(value: float) -> float:
    """Gamma encoded brightness with a film's soft shoulder, so that fair skin keeps its shading."""
    value = 1.16 * value / (1.0 + 0.24 * value)
    return np.sqrt(min(max(value, 0.0), 1.0))


@njit(cache=True, inline="always")
def mix(values: Array, corners: Array, weights: Array, channel: int) -> float:
    """A per-vertex value (n, C) inside a triangle."""
    first = weights[0] * values[corners[0], channel] + weights[1] * values[corners[1], channel]
    return first + weights[2] * values[corners[2], channel]


@njit(cache=True)
def shade(shown, barycentric, triangles, normals, colours, materials, threads, places, shadow, light, out):  # type: ignore[no-untyped-def]
    """Writes gamma encoded colour and coverage (H, W, 4) of every pixel that shows a triangle.

    `light` (4, 3) has the rows direction, key, sky, ground of a Light; `threads` is (n, 1).
    """
    direction, key, sky, ground = light[0], light[1], light[2], light[3]
    half = np.array([direction[0], direction[1], direction[2] + 1.0])
    half /= np.sqrt((half * half).sum())
    for row in range(shown.shape[0]):
        for column in range(shown.shape[1]):
            if shown[row, column] < 0:
                continue
            at, w = triangles[shown[row, column]], barycentric[row, column]
            nx, ny, nz = unit(mix(normals, at, w, 0), mix(normals, at, w, 1), mix(normals, at, w, 2))
            facing = nx * direction[0] + ny * direction[1] + nz * direction[2]
            slack = 0.6 + 1.5 * (1.0 - max(facing, 0.0))
            material = materials[at[0]]
            reach = lit(shadow, mix(places, at, w, 0), mix(places, at, w, 1), mix(places, at, w, 2), slack)
            reach = in_light(material, reach)
            towards = nx * half[0] + ny * half[1] + nz * half[2]
            along = half[1] - ny * towards
            gloss, shine, wrap, streak = finish(material, mix(threads, at, w, 0), max(towards, 0.0), along, nz)
            diffuse = max((facing + wrap) / (1.0 + wrap), 0.0) * reach
            edge = (1.0 - nz) * (1.0 - nz)
            highlight = gloss * shine * (0.25 + 0.75 * reach) * (1.0 if facing > -0.2 else 0.0)
            for channel in range(3):
                colour = mix(colours, at, w, channel)
                ambient = ground[channel] + (sky[channel] - ground[channel]) * (0.5 + 0.5 * ny)
                warm = 1.0
                if material == SKIN:  # light that leaves the skin beyond the shadow's edge is red
                    warm += diffuse * (1.0 - diffuse) * (0.35 if channel == 0 else -0.1)
                value = colour * colour * streak * (ambient + key[channel] * diffuse * warm)
                value += key[channel] * highlight + 0.05 * edge * ambient
                out[row, column, channel] = develop(value)
            out[row, column, 3] = 1.0
