"""Photographs of the drawn people: portraits and groups, with the truth about every face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from pipeline.head.camera import Camera, project, rotation, turned
from pipeline.head.raster import Buffers, rasterise, vertex_normals
from pipeline.world.anatomy.build import REGION_NAMES
from pipeline.world.anatomy.grid import make_grid
from pipeline.world.attire import Look, draw_look, expression_weights, pick
from pipeline.world.backdrop import backdrop
from pipeline.world.captions import group_caption, portrait_caption
from pipeline.world.glasses import wear_glasses
from pipeline.world.hair import grow
from pipeline.world.mesh import EYE, MOUTH, SKIN, Piece, merge, piece
from pipeline.world.population import Person, world_head
from pipeline.world.shade import Light, shade, shadow_map
from pipeline.world.wardrobe import dress
from pipeline.world.words import BACKGROUNDS, LIGHTS, WALL_COLOURS

PORTRAIT, GROUP = (128, 128), (128, 256)  # height, width
FINE = 2  # pixels are drawn finer by this and averaged
NECK = np.array([0.0, -10.5, -1.2], np.float32)  # where the head's frame meets the torso's
TINT = np.float32(0.42)  # how much a tinted lens hides
FACE_CM = 14.0  # from the brows to the chin of the average head
Array = np.ndarray


@dataclass(frozen=True)
class FaceTruth:
    """What is true of one face of a photograph. Pixels have their centres at whole numbers."""

    person: int
    box: NDArray[np.float32]  # (4,) x1, y1, x2, y2 around the face from brows to chin, ear to ear
    landmarks: NDArray[np.float32]  # (68, 2)
    expression: NDArray[np.float32]  # (E,) weights
    camera: Camera
    look: Look


@dataclass(frozen=True)
class Photo:
    """A photograph: uint8 RGB (H, W, 3), its caption, its faces from left to right."""

    image: NDArray[np.uint8]
    caption: str
    faces: tuple[FaceTruth, ...]
    light: Light
    background: str


def portrait(person: Person, seed: int) -> Photo:
    """A photograph (128, 128) of one person; the same for the same person and seed."""
    rng = np.random.default_rng([seed, person.index, 0x901])
    look, light = draw_look(rng), draw_light(rng)
    background, wall = (
        pick(rng, BACKGROUNDS, [0.3, 0.08, 0.08, 0.08, 0.1, 0.09, 0.09, 0.06, 0.06, 0.06]),
        pick(rng, WALL_COLOURS),
    )
    height = rng.uniform(51, 69)
    centre = np.array([63.5 + rng.normal(0, 4.5), 66 + rng.normal(0, 3.5)])
    canvas = backdrop(background, wall, PORTRAIT, rng)
    canvas, face = add_person(canvas, person, look, light, height, centre, rng, yaw_limit=36)
    caption = portrait_caption(look, light, background, wall, face.camera.yaw, rng)
    return Photo(develop(canvas, rng), caption, (face,), light, background)


def group(people: Sequence[Person], seed: int) -> Photo:
    """A photograph (128, 256) of two to four people, who stand from left to right in the given order.

    Raises ValueError for another number of people.
    """
    if not 2 <= len(people) <= 4:
        raise ValueError(f"a group has 2 to 4 people, {len(people)} were given")
    rng = np.random.default_rng([seed, *(person.index for person in people), 0x6409])
    looks, light = [draw_look(rng) for _ in people], draw_light(rng)
    background, wall = (
        pick(rng, BACKGROUNDS, [0.3, 0.08, 0.08, 0.08, 0.1, 0.09, 0.09, 0.06, 0.06, 0.06]),
        pick(rng, WALL_COLOURS),
    )
    low, high = {2: (48, 57), 3: (39, 46), 4: (32, 38)}[len(people)]
    step = {2: 84, 3: 70, 4: 57}[len(people)]
    canvas = backdrop(background, wall, GROUP, rng)
    faces: dict[int, FaceTruth] = {}
    for place in rng.permutation(len(people)):
        across = 127.5 + step * (place - (len(people) - 1) / 2) + rng.normal(0, 3)
        centre = np.array([across, 68 + (4 - len(people)) * 1.5 + rng.normal(0, 5)])
        canvas, faces[int(place)] = add_person(
            canvas, people[place], looks[place], light, rng.uniform(low, high), centre, rng, yaw_limit=28
        )
    caption = group_caption(looks, background, wall, rng)
    return Photo(develop(canvas, rng), caption, tuple(faces[place] for place in range(len(people))), light, background)


def draw_light(rng: np.random.Generator) -> Light:
    """A light of a kind that words.py names."""
    kind = pick(rng, LIGHTS, [0.32, 0.14, 0.15, 0.14, 0.1, 0.15])
    side = rng.choice((-1, 1)) * rng.uniform(22, 68) if kind not in ("dim", "bright") else rng.normal(0, 25)
    up = rng.uniform(5, 45)
    a, e = np.deg2rad(side), np.deg2rad(up)
    direction = np.array([np.sin(a) * np.cos(e), np.sin(e), np.cos(a) * np.cos(e)], np.float32)
    key, sky = {
        "soft": (0.85, 0.42),
        "hard": (1.2, 0.27),
        "warm": (1.0, 0.34),
        "cool": (0.95, 0.34),
        "dim": (0.56, 0.28),
        "bright": (1.0, 0.58),
    }[kind]
    tone = {"warm": (1.18, 0.92, 0.66), "cool": (0.8, 0.97, 1.25)}.get(kind, (1.0, 1.0, 1.0))
    key_colour = 1.08 * key * rng.uniform(0.88, 1.12) * np.array(tone) * rng.uniform(0.95, 1.05, 3)
    sky_colour = sky * rng.uniform(0.85, 1.15) * np.array([0.97, 1.0, 1.05]) * (0.5 + 0.5 * np.array(tone))
    return Light(
        kind,
        direction,
        key_colour.astype(np.float32),
        sky_colour.astype(np.float32),
        (0.55 * sky_colour * np.array([1.08, 1.0, 0.9]) * 1.25).astype(np.float32),
    )


@cache
def face_vertices() -> NDArray[np.int64]:
    """The skin's vertices between brows and chin, ear and ear, which a face's box surrounds."""
    grid = make_grid()
    return np.flatnonzero((np.abs(grid.angle) < 83) & (grid.row < 7.0) & (grid.row > -7.9))


@cache
def head_materials() -> NDArray[np.int64]:
    """Material (V,) of each vertex of the head."""
    regions = world_head().regions
    material = np.full(len(regions), SKIN, np.int64)
    for name, value in (("left_eye", EYE), ("right_eye", EYE), ("mouth", MOUTH)):
        material[regions == REGION_NAMES.index(name)] = value
    return material


@cache
def neck_vertices() -> NDArray[np.int64]:
    """The vertices whose mean colour the body below the neck has."""
    return np.flatnonzero(world_head().regions == REGION_NAMES.index("neck"))


def draw_camera(vertices: Array, height: float, centre: Array, rng: np.random.Generator, yaw_limit: float) -> Camera:
    """A camera that shows a head's face `height` pixels high with its box around `centre`."""
    yaw = float(np.clip(rng.normal(0, 17), -yaw_limit, yaw_limit))
    pitch, roll = float(np.clip(rng.normal(0, 7), -15, 15)), float(np.clip(rng.normal(0, 5.5), -12, 12))
    scale = height / FACE_CM
    points, _ = project(vertices[face_vertices()], Camera(yaw, pitch, roll, scale, 0, 0))
    middle = (points.min(0) + points.max(0)) / 2
    return Camera(yaw, pitch, roll, scale, float(centre[0] - middle[0]), float(centre[1] - middle[1]))


def add_person(
    canvas: Array,
    person: Person,
    look: Look,
    light: Light,
    height: float,
    centre: Array,
    rng: np.random.Generator,
    yaw_limit: float,
) -> tuple[Array, FaceTruth]:
    """The canvas (H, W, 3) with one more person in front, and the truth about the face."""
    head = world_head()
    expression = expression_weights(rng, look, head.expression_names)
    rest = head.vertices(person.shape, np.zeros_like(expression))
    camera = draw_camera(rest, height, centre, rng, yaw_limit)
    vertices = head.vertices(person.shape, expression)
    colours = head.colours(person.albedo)
    drawn = draw(vertices, colours, look, camera, light, canvas.shape[:2])
    alpha = drawn[..., 3:]
    points, _ = project(vertices, camera)
    face = points[face_vertices()]
    box = np.concatenate([face.min(0), face.max(0)]).astype(np.float32)
    truth = FaceTruth(person.index, box, points[head.landmarks68].astype(np.float32), expression, camera, look)
    return canvas * (1 - alpha) + drawn[..., :3], truth


def draw(vertices: Array, colours: Array, look: Look, camera: Camera, light: Light, size: tuple[int, int]) -> Array:
    """Premultiplied colour and coverage (H, W, 4) of a person with head vertices and colours (V, 3)."""
    head = world_head()
    frames, lenses = wear_glasses(look, vertices, head.landmarks68)
    tone = colours[neck_vertices()].mean(0)
    above = [piece(vertices, head.triangles, colours, head_materials()), *grow(vertices, look, tone), *frames]
    turn = camera.rotation()
    chest = rotation(camera.yaw * 0.4, camera.pitch * 0.2, camera.roll * 0.15)  # a body turns less than its head
    parts = [part.moved(turned(part.points, turn)) for part in above]
    parts += [part.moved(turned(part.points - NECK, chest) + turned(NECK, turn)) for part in dress(look, tone)]
    tinted = [part.moved(turned(part.points, turn)) for part in lenses if look.glasses == "tinted"]
    return expose(merge(parts), tinted, camera, light, size)


def expose(mesh: Piece, lenses: Sequence[Piece], camera: Camera, light: Light, size: tuple[int, int]) -> Array:
    """Rasterises and shades a mesh in viewer axes: premultiplied colour and coverage (H, W, 4)."""
    points, triangles, threads = mesh.points, mesh.triangles, mesh.threads
    fine = (size[0] * FINE, size[1] * FINE)
    buffers = rasterise(fine_pixels(points, camera), points[:, 2], triangles, fine, mesh.cover, threads)
    shadow, places = shadow_map(points, triangles, mesh.cover, threads, light.direction)
    lamp = np.stack([light.direction, light.key, light.sky, light.ground])
    surface = (vertex_normals(points, triangles), mesh.colours, mesh.materials, threads[:, None], places)
    out = np.zeros((*fine, 4), np.float32)
    shade(buffers.triangle, buffers.barycentric, triangles, *surface, shadow, lamp, out)
    for lens in lenses:
        tint(out, buffers, lens, camera)
    return out.reshape(size[0], FINE, size[1], FINE, 4).mean((1, 3))


def fine_pixels(points: Array, camera: Camera) -> Array:
    """Places (n, 2) of turned points (n, 3) among the finer pixels that are drawn."""
    flat = points[:, :2] * np.array([1, -1], np.float32) * np.float32(camera.scale) + np.array(
        [camera.tx, camera.ty], np.float32
    )
    return (flat + np.float32(0.5)) * np.float32(FINE) - np.float32(0.5)


def tint(out: Array, buffers: Buffers, lens: Piece, camera: Camera) -> None:
    """Lays a tinted lens over what is drawn behind it."""
    glass = rasterise(fine_pixels(lens.points, camera), lens.points[:, 2], lens.triangles, buffers.triangle.shape)
    seen = (glass.triangle >= 0) & (glass.depth > buffers.depth)
    colour = np.append(0.25 + 0.45 * lens.colours[0], 1.0).astype(np.float32)
    out[seen] = out[seen] * (1 - TINT) + colour * TINT


def develop(canvas: Array, rng: np.random.Generator) -> NDArray[np.uint8]:
    """What a camera adds: a little blur, darker corners, grain. Gives uint8 (H, W, 3)."""
    height, width = canvas.shape[:2]
    blur = rng.uniform(0.2, 0.6)
    image = gaussian_filter(canvas, (blur, blur, 0), truncate=2.5)
    down, across = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    image = image * (1 - rng.uniform(0.03, 0.13) * (down**2 + across**2))[..., None]
    image = image + rng.normal(0, rng.uniform(0.004, 0.014), canvas.shape)
    return np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)
