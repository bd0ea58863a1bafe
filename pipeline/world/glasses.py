"""Glasses on a face: rims before the eyes, a bridge over the nose, temples to the ears."""

from __future__ import annotations

import numpy as np

from pipeline.world.attire import Look
from pipeline.world.mesh import FRAME, Piece, piece, tube
from pipeline.world.words import FRAME_COLOURS

# half width and half height in centimetres, and how square the rim is (2 is an ellipse)
RIMS = {"round": (2.3, 2.2, 2.0), "square": (2.5, 1.75, 4.5), "wide": (2.95, 2.45, 2.8), "tinted": (2.7, 2.15, 3.0)}
THICK = 0.2


def wear_glasses(look: Look, head: np.ndarray, landmarks: np.ndarray) -> tuple[list[Piece], list[Piece]]:
    """Frames and lenses of a look's glasses on a head's vertices (V, 3) with its 68 landmarks' numbers."""
    if look.glasses == "none":
        return [], []
    marks, colour = head[landmarks], np.array(FRAME_COLOURS[look.frame_colour])
    front = marks[27, 2] + 0.35
    frames, lenses = [], []
    for side, eye in ((-1, marks[36:42]), (1, marks[42:48])):
        line = rim(look.glasses, eye, front)
        ear = marks[0 if side < 0 else 16]
        frames += [
            piece(*tube(line, THICK, closed=True), colour, FRAME),
            temple(look.glasses, eye, ear, side, front, colour),
        ]
        lenses.append(lens(line, colour))
    inner = frames[0].points[:, 0].max() - 0.2, frames[2].points[:, 0].min() + 0.2
    return [*frames, bridge(inner, marks[36:48, 1].mean(), front, colour)], lenses


def centre_of(kind: str, eye: np.ndarray) -> tuple[np.ndarray, float]:
    """Centre (2,) of the rim around an eye's six landmarks (6, 3), and its half width: rims never meet."""
    centre = np.array([eye[:, 0].mean(), 0.5 * (eye[0, 1] + eye[3, 1]) - 0.25])
    return centre, min(RIMS[kind][0], abs(centre[0]) - 0.45)


def bent(x: np.ndarray, front: float) -> np.ndarray:
    """Depth of the frame at x: it bends around the face."""
    return front - 0.035 * x**2


def rim(kind: str, eye: np.ndarray, front: float) -> np.ndarray:
    """Line (28, 3) around an eye: a superellipse."""
    centre, half = centre_of(kind, eye)
    _, height, power = RIMS[kind]
    turn = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    shape = np.abs(np.cos(turn)) ** power + np.abs(np.sin(turn)) ** power
    x = centre[0] + half * np.cos(turn) / shape ** (1 / power)
    y = centre[1] + height * np.sin(turn) / shape ** (1 / power)
    return np.stack([x, y, bent(x, front)], -1)


def temple(kind: str, eye: np.ndarray, ear: np.ndarray, side: int, front: float, colour: np.ndarray) -> Piece:
    """The arm from a rim's outer edge to the ear, bowed outwards around the head."""
    centre, half = centre_of(kind, eye)
    reach = abs(centre[0]) + half
    outer = np.array([centre[0] + side * half, centre[1] + 0.6 * RIMS[kind][1], bent(reach, front)])
    hold = np.array([side * (abs(ear[0]) + 0.35), outer[1] - 0.2, 0.5])
    share = np.linspace(0, 1, 6)[:, None]
    line = outer + share * (hold - outer) + np.array([side * 0.5, 0, 0]) * np.sin(np.pi * share)
    return piece(*tube(line, THICK, closed=False), colour, FRAME)


def bridge(inner: tuple[float, float], height: float, front: float, colour: np.ndarray) -> Piece:
    """The arch between the rims' inner edges (x of both)."""
    x = np.linspace(*inner, 7)
    arch = 0.35 * np.cos(np.linspace(-1.5, 1.5, 7))
    line = np.stack([x, height + 0.35 + arch, np.full(7, front + 0.1)], -1)
    return piece(*tube(line, THICK, closed=False), colour, FRAME)


def lens(line: np.ndarray, colour: np.ndarray) -> Piece:
    """A fan inside a rim (n, 3)."""
    count = len(line)
    points = np.concatenate([line, line.mean(0, keepdims=True)])
    triangles = np.stack([np.arange(count), np.roll(np.arange(count), -1), np.full(count, count)], -1)
    return piece(points, triangles, colour, FRAME)
