"""Hair and hats: a shell that grows out of the head's own grid, hanging freely below the ears."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from pipeline.world.anatomy.grid import angles, make_grid, open_triangles, ring_triangles, rows, smooth
from pipeline.world.attire import Look
from pipeline.world.mesh import CLOTH, HAIR, Piece, ball, piece
from pipeline.world.words import CLOTH_COLOURS, HAIR_COLOURS

LOWEST = 2.4  # rows of the head's grid above this carry hair; below it hangs
HANGING = 12


@dataclass(frozen=True)
class Style:
    """Lengths in centimetres: thickness on top and at the sides; the hairline at the parting and its fall
    towards the temples; where hair ends."""

    top: float = 0.9
    side: float = 0.6
    hairline: float = 9.0
    sweep: float = 0.4
    end: float = 1.0
    opening: float = 74.0  # degrees of azimuth that hanging hair leaves free for the face
    flare: float = 0.0
    wave: float = 0.0
    curl: float = 0.0
    parted: float = 0.0
    softness: float = 0.7
    rounded: float = 0.0


STYLES = {
    "cropped": Style(0.3, 0.24, 9.7, 0.7, 2.0, softness=1.0),
    "short": Style(1.3, 0.5, 9.7, 1.0, softness=0.6),
    "swept": Style(1.9, 0.6, 9.8, 2.3, parted=0.8),
    "fringe": Style(1.15, 0.85, 6.5, 0.1, -1.0, softness=1.0),
    "curly": Style(2.1, 1.7, 8.7, 0.9, -4.0, 70, 0.02, curl=0.6, rounded=0.5, softness=1.3),
    "afro": Style(4.2, 3.8, 9.2, 1.2, -2.5, 76, -0.02, curl=0.35, rounded=0.9, softness=1.0),
    "bob": Style(1.2, 1.2, 9.6, 2.6, -7.0, 64, 0.05, parted=0.5, rounded=0.25),
    "long": Style(1.0, 1.0, 10.3, 3.4, -15.0, 66, 0.12, parted=0.2),
    "wavy": Style(1.4, 1.5, 10.0, 3.4, -14.0, 64, 0.22, wave=0.5, parted=0.5),
    "bun": Style(0.5, 0.35, 9.8, 0.9, softness=0.6),
    "pigtails": Style(0.6, 0.45, 10.2, 1.6, softness=0.6),
    "cap": Style(0.55, 0.55, 8.6),
    "beanie": Style(0.6, 0.6, 8.6),
}


@cache
def scalp() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertex numbers (R, C) of the head's grid above the ears, its row coordinates (R,) and azimuths (C,)."""
    grid = make_grid()
    heights = rows()
    kept = heights > LOWEST
    return grid.number[kept], heights[kept], angles()


def shell(head: np.ndarray, style: Style, part: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Points (R, C, 3), cover, heights and azimuths (R, C) of the hair of a style on a head's vertices (V, 3)."""
    number, heights, azimuth = scalp()
    base = head[number]
    height, angle = np.meshgrid(heights, azimuth, indexing="ij")
    outward = base - np.array([0.0, 3.6, -0.6])
    outward /= np.linalg.norm(outward, axis=-1, keepdims=True)
    margin = height - hairline(angle, style, part)
    cover = 0.5 + 0.55 * margin / style.softness
    thick = style.side + (style.top - style.side) * smooth(height, 4.0, 11.5)
    thick = (
        thick
        * (0.18 + 0.82 * smooth(margin, -0.3, 1.6))
        * (1 + 0.55 * style.parted * part * np.sin(np.deg2rad(angle)) * smooth(height, 5.0, 10.0))
    )
    thick = thick + style.curl * np.sin(angle * 0.23 + 2 * np.sin(height * 1.9)) * np.cos(
        height * 2.3 + angle * 0.05
    ) * smooth(margin, 0, 1.5)
    return base + outward * thick[..., None], cover, height, angle


def hairline(angle: np.ndarray, style: Style, part: int) -> np.ndarray:
    """Height (…) of the lower edge of the hair: over the forehead, along the temples, to sideburns and nape."""
    a = np.abs(angle)
    front = style.hairline - style.sweep * smooth(np.abs(angle - 30 * style.parted * part), 2, 46)
    temple = front + (3.0 - front) * smooth(a, 46, 72)
    return temple + (style.end - 4.0 - temple) * smooth(a, 78, 100)


def hang(points: np.ndarray, cover: np.ndarray, angle: np.ndarray, style: Style) -> tuple[np.ndarray, np.ndarray]:
    """Points and cover of the rows that hang from the lowest row of the shell."""
    edge = points[-1]
    share = np.linspace(0, 1, HANGING + 1)[1:, None]
    end = np.minimum(style.end, edge[:, 1] - 0.5)
    y = edge[:, 1] + share * (end - edge[:, 1])
    drop = edge[:, 1] - y
    behind = smooth(edge[:, 2], 2.0, -5.0)
    wave = style.wave * np.sin(drop * 1.1 + 1.2 * np.sign(angle[0]))
    inward = np.where(style.end > -5, 0.24 * drop * behind, 0.0)
    x = edge[:, 0] * (1 + style.flare * share**1.3 - 0.03 * inward) + np.sign(edge[:, 0]) * wave
    z = edge[:, 2] * (1 - 0.25 * share * behind) + inward * 0.9 + 0.5 * wave * behind
    face = smooth(np.abs(angle[0]), style.opening - 5, style.opening + 4)
    ends = 1.35 - (0.85 + 0.4 * (style.curl > 0)) * share**5
    x, z = x * (1 - 0.3 * style.rounded * share**2), z - style.rounded * (1.2 * share**2) * np.sign(z)
    if style.end > -0.5:  # short hair stops at the nape and leaves the ears free
        face = face * smooth(np.abs(angle[0]), 96, 112)
    return np.stack([x, y, np.broadcast_to(z, y.shape)], -1), np.minimum(face, 1) * ends


def grow(head: np.ndarray, look: Look, skin: np.ndarray) -> list[Piece]:
    """The pieces of a look's hair and hat on a head's vertices (V, 3); `skin` (3,) shows at thin roots."""
    if look.hair == "bald":
        return []
    style, colour = STYLES[look.hair], np.array(HAIR_COLOURS[look.hair_colour])
    points, cover, _, angle = shell(head, style, look.part)
    hanging, hanging_cover = hang(points, cover, angle, style)
    everything = np.concatenate([points, hanging])
    covers = np.concatenate([cover, hanging_cover])
    columns = everything.shape[1]
    threads = np.broadcast_to(angle[0] * 0.55, covers.shape) + 0.8 * style.wave * np.sin(everything[..., 1])
    threads = threads + (0.7 * style.parted * look.part * everything[..., 1] if style.parted else 0)
    threads = threads + 1.8 * style.curl * np.sin(2.4 * everything[..., 1] + 0.13 * angle[0])
    roots = 0.55 * smooth(covers, 1.1, 0.4) * (style.top < 1.5) * (style.hairline > 8.5)
    colours = colour + (skin - colour) * roots[..., None]
    hair = piece(everything, ring_triangles(len(everything), columns), colours, HAIR, covers, threads)
    return [hair, *extras(head, look, colour)]


def extras(head: np.ndarray, look: Look, colour: np.ndarray) -> list[Piece]:
    """A bun, pigtails or a hat."""
    number, _, azimuth = scalp()
    crown = head[number[0]].mean(0)
    if look.hair == "bun":
        points, triangles = ball(crown + np.array([0, 1.6, -1.2]), np.array([2.7, 2.3, 2.7]))
        return [piece(points, triangles, colour, HAIR, threads=points[:, 1] * 2 + points[:, 0])]
    if look.hair == "pigtails":
        return [tail(head[number[-8, int(np.argmin(np.abs(azimuth - side * 95)))]], side, colour) for side in (-1, 1)]
    if look.hair in ("cap", "beanie"):
        return hat(head, look)
    return []


def tail(root: np.ndarray, side: int, colour: np.ndarray) -> Piece:
    """A pigtail that hangs from a point (3,) over the ear."""
    points, triangles = ball(np.zeros(3), np.array([1.75, 5.2, 1.75]), 14, 14)
    low = smooth(points[:, 1], 5.2, -5.2)
    narrowed = points * (1 - 0.35 * low[:, None] * np.array([1, 0, 1]))
    points = narrowed + np.stack([side * (0.9 + 0.9 * low), -3.6 + 0 * low, -0.4 + 0 * low], -1)
    return piece(points + root, triangles, colour, HAIR, threads=np.arctan2(points[:, 0], points[:, 2]) * 8)


def hat(head: np.ndarray, look: Look) -> list[Piece]:
    """A cap with a brim, or a beanie with a rolled edge."""
    colour = np.array(CLOTH_COLOURS[look.hat_colour])
    knitted = look.hair == "beanie"
    style = Style(1.4, 1.1, 7.3) if knitted else Style(1.0, 0.9, 7.7)
    points, _, height, angle = shell(head, style, 1)
    edge = style.hairline - 1.6 * smooth(np.abs(angle), 30, 110)
    cover = 0.5 + 3 * (height - edge)
    outward = points - np.array([0.0, 3.6, -0.6])
    outward /= np.linalg.norm(outward, axis=-1, keepdims=True)
    lift = 0.6 * (height > edge - 0.2) * (0.7 if knitted else 0.45)
    if knitted:
        lift = lift + 0.3 * smooth(height - edge, 2.0, 1.5)
    points = points + outward * lift[..., None]
    threads = angle * 0.4 if knitted else np.zeros_like(angle)
    shade = np.where((knitted & (height - edge < 1.75))[..., None], 0.86, 1.0) * colour
    crown = piece(points, ring_triangles(*height.shape), shade, CLOTH, cover, threads)
    return [crown] if knitted else [crown, brim(points, height, angle, colour)]


def brim(points: np.ndarray, height: np.ndarray, angle: np.ndarray, colour: np.ndarray) -> Piece:
    """The brim of a cap, from its front edge forwards."""
    row = int(np.argmin(np.abs(height[:, 0] - 7.75)))
    front = np.flatnonzero(np.abs(angle[0]) < 62)
    edge = points[row, front]
    share = np.linspace(-0.06, 1, 6)[:, None, None]
    reach = 5.6 * np.cos(np.deg2rad(angle[0, front] * 1.45))[None, :, None] ** 0.7
    droop = np.array([0, 0.12, 0]) * (edge[:, :1] ** 2) * share * 0.35
    out = edge + share * reach * np.array([0.0, -0.2, 0.98]) - droop
    return piece(out, open_triangles(*out.shape[:2]), colour * 0.9, CLOTH)
