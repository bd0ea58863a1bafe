"""Light on surfaces: soft shadows from a depth map, wrapped diffuse light, highlights, hair, all per pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

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
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(direction, right), direction]).astype(np.float32)


def shadow_map(points: Array, triangles: Array, cover: Array, threads: Array, direction: Array) -> tuple[Array, Array]:
    """Depths (MAP, MAP) seen from the light and each vertex's place (n, 3) in that map."""
    turned = points @ light_frame(direction).T
    scale = np.float32(MAP / (2 * REACH))
    place = np.stack([MAP / 2 + scale * turned[:, 0], MAP / 2 - scale * (turned[:, 1] - 1.0), turned[:, 2]], -1).astype(np.float32)
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


@njit(cache=True)
def shade(triangle_buffer, barycentric, triangles, normals, colours, materials, threads, places, shadow, direction, key, sky, ground, out):  # type: ignore[no-untyped-def]
    """Writes gamma encoded colour and coverage (H, W, 4) of every covered pixel."""
    height, width = triangle_buffer.shape
    half = np.array([direction[0], direction[1], direction[2] + 1.0])
    half /= np.sqrt((half * half).sum())
    for row in range(height):
        for column in range(width):
            number = triangle_buffer[row, column]
            if number < 0:
                continue
            a, b, c = triangles[number]
            u, v, w = barycentric[row, column]
            nx = u * normals[a, 0] + v * normals[b, 0] + w * normals[c, 0]
            ny = u * normals[a, 1] + v * normals[b, 1] + w * normals[c, 1]
            nz = u * normals[a, 2] + v * normals[b, 2] + w * normals[c, 2]
            length = np.sqrt(nx * nx + ny * ny + nz * nz) + 1e-9
            if nz < 0.0:
                length = -length
            nx, ny, nz = nx / length, ny / length, nz / length
            facing = nx * direction[0] + ny * direction[1] + nz * direction[2]
            px = u * places[a, 0] + v * places[b, 0] + w * places[c, 0]
            py = u * places[a, 1] + v * places[b, 1] + w * places[c, 1]
            pz = u * places[a, 2] + v * places[b, 2] + w * places[c, 2]
            reach = 0.12 + 0.88 * lit(shadow, px, py, pz, 0.6 + 1.5 * (1.0 - max(facing, 0.0)))
            material = materials[a]
            wrap = 0.25
            gloss, power, streak = 0.05, 12.0, 1.0
            shine = max(nx * half[0] + ny * half[1] + nz * half[2], 0.0)
            if material == EYE:
                gloss, power, wrap = 0.9, 90.0, 0.45
                reach = 0.35 + 0.65 * reach
            elif material == HAIR:
                thread = u * threads[a] + v * threads[b] + w * threads[c]
                strand = 0.5 * thread_noise(thread * 2.3) + 0.5 * thread_noise(thread * 7.1 + 3.0)
                streak = 0.58 + 0.75 * strand
                along = half[1] - ny * (nx * half[0] + ny * half[1] + nz * half[2])
                shine = np.sqrt(max(1.0 - along * along * 2.2, 0.0)) * max(nz, 0.0)
                gloss, power, wrap = 0.16 * strand, 22.0, 0.35
            elif material == CLOTH:
                thread = u * threads[a] + v * threads[b] + w * threads[c]
                streak = 1.0 - 0.35 * thread_noise(thread * 3.0) * (1.0 if thread != 0.0 else 0.0)
                gloss = 0.0
            elif material == FRAME:
                gloss, power = 0.5, 40.0
            elif material == MOUTH:
                gloss = 0.02
                reach = 0.3 + 0.7 * reach
            diffuse = max((facing + wrap) / (1.0 + wrap), 0.0) * reach
            open_sky = 0.5 + 0.5 * ny
            edge = (1.0 - nz) * (1.0 - nz)
            light = gloss * shine**power * (0.25 + 0.75 * reach) * (1.0 if facing > -0.2 else 0.0)
            for channel in range(3):
                colour = u * colours[a, channel] + v * colours[b, channel] + w * colours[c, channel]
                ambient = ground[channel] + (sky[channel] - ground[channel]) * open_sky
                warm = 1.0
                if material == SKIN:  # light that leaves the skin beyond the shadow's edge is red
                    soft = diffuse * (1.0 - diffuse)
                    warm = 1.0 + (0.35 * soft if channel == 0 else -0.1 * soft)
                value = colour * colour * streak * (ambient + key[channel] * diffuse * warm) + key[channel] * light + 0.05 * edge * ambient
                value = 1.16 * value / (1.0 + 0.24 * value)  # a film's soft shoulder: fair skin keeps its shading
                out[row, column, channel] = np.sqrt(min(max(value, 0.0), 1.0))
            out[row, column, 3] = 1.0
