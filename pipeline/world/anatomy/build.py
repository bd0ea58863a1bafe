"""Builds the world's head model: `python -m pipeline.world.anatomy.build [path]`.

Shape modes are central differences of the sculptor over one standard deviation of a named parameter,
expression modes are differences from rest to full weight: so the stored model is linear and the names mean something.
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import numpy as np

from pipeline.head.model import Head, save_head
from pipeline.world.anatomy import complexion
from pipeline.world.anatomy.deform import jaw_weight, proportions, swing_jaw
from pipeline.world.anatomy.face_parts import Part, cavity, ear, eyeball, teeth
from pipeline.world.anatomy.grid import (
    EYE_ROW,
    LOWER_LIP,
    MOUTH_CORNER,
    MOUTH_ROW,
    UPPER_LIP,
    Floats,
    Grid,
    Ints,
    make_grid,
)
from pipeline.world.anatomy.sculpt import EYE_X, SIDES, Parameters, parameters, relief, slide

MODEL = Path(__file__).parents[2] / "pack" / "models" / "head.npz"

SHAPE_NAMES = (
    "head_width",
    "face_length",
    "jaw_width",
    "chin_width",
    "chin_length",
    "chin_forward",
    "forehead_height",
    "forehead_width",
    "forehead_slope",
    "cheekbones",
    "cheek_fullness",
    "cheek_width",
    "jaw_square",
    "nose_length",
    "nose_width",
    "nose_bridge",
    "nose_tip",
    "nose_tip_up",
    "nose_bulb",
    "nose_hump",
    "nose_bridge_width",
    "eye_spacing",
    "eye_width",
    "eye_size",
    "eye_openness",
    "eye_tilt",
    "eye_height",
    "eye_depth",
    "eye_skew",
    "brow_height",
    "brow_tilt",
    "brow_arch",
    "brow_ridge",
    "mouth_width",
    "mouth_height",
    "mouth_bow",
    "mouth_forward",
    "upper_lip",
    "lower_lip",
    "lip_bow",
    "chin_cleft",
    "cheekbone_height",
    "forehead_bulge",
    "midface",
    "ear_size",
    "ear_stand",
    "neck_width",
    "head_depth",
)
PAIRED = (
    "browDown",
    "browOuterUp",
    "eyeBlink",
    "eyeWide",
    "eyeSquint",
    "eyeLookUp",
    "eyeLookDown",
    "eyeLookIn",
    "eyeLookOut",
    "cheekSquint",
    "noseSneer",
    "mouthSmile",
    "mouthFrown",
    "mouthStretch",
    "mouthUpperUp",
    "mouthLowerDown",
)
SINGLE = ("browInnerUp", "jawOpen", "jawLeft", "jawRight", "mouthPucker", "mouthFunnel", "cheekPuff")
EXPRESSION_NAMES = tuple(name + side for name in PAIRED for side in ("Left", "Right")) + SINGLE
REGION_NAMES = (
    "skin",
    "left_brow",
    "right_brow",
    "left_eye",
    "right_eye",
    "nose",
    "upper_lip",
    "lower_lip",
    "mouth",
    "left_ear",
    "right_ear",
    "neck",
)


def organs(p: Parameters) -> list[Part]:
    """Right eye, left eye, right ear, left ear, teeth, cavity."""
    return (
        [eyeball(p, name, side) for name, side in SIDES] + [ear(p, side) for _, side in SIDES] + [teeth(p), cavity(p)]
    )


def sculpture(grid: Grid, values: Parameters) -> Floats:
    """All points (V, 3) of the head for named parameters."""
    p = parameters(values)
    x, y = slide(grid, p)
    skin = np.stack([x, y, relief(grid, p, x, y)], -1)
    parts = organs(p)
    points = np.concatenate([skin, *(part.points for part in parts)])
    weight = np.concatenate([jaw_weight(grid), *(part.jaw for part in parts)])
    return proportions(swing_jaw(points, weight, p), p)


def all_triangles(grid: Grid) -> Ints:
    """Triangles (F, 3) of skin and organs."""
    pieces, first = [grid.triangles], len(grid.points)
    for part in organs(parameters({})):
        pieces.append(part.triangles + first)
        first += len(part.points)
    return np.concatenate(pieces).astype(np.int32)


def shape_modes(grid: Grid) -> Floats:
    """Shape basis (K, V, 3), per standard deviation."""
    return np.stack([(sculpture(grid, {name: 1.0}) - sculpture(grid, {name: -1.0})) / 2 for name in SHAPE_NAMES])


def expression_modes(grid: Grid, mean: Floats) -> Floats:
    """Expression basis (E, V, 3), from rest to full weight."""
    return np.stack([sculpture(grid, {name: 1.0}) - mean for name in EXPRESSION_NAMES])


def colours(grid: Grid, mean: Floats) -> tuple[Floats, Floats, tuple[str, ...]]:
    """Mean albedo (V, 3), its basis (A, V, 3) and the modes' names."""
    parts, count = organs(parameters({})), len(grid.points)
    skin = mean[:count]
    ears = [np.tile(complexion.SKIN, (len(part.points), 1)) for part in parts[2:4]]
    pieces = [complexion.mean_skin(grid, skin[:, 0], skin[:, 1]), complexion.mean_eye(), complexion.mean_eye(), *ears]
    pieces += [complexion.mean_teeth(4, 13), complexion.mean_cavity(parts[5].jaw)]
    modes: dict[str, Floats] = {}
    for name, change in complexion.skin_modes(grid, skin).items():
        modes[name] = np.zeros_like(mean)
        modes[name][:count] = change
        if name.startswith("skin_"):  # ears have the skin's tone
            first = count + 2 * len(parts[0].points)
            modes[name][first : first + 2 * len(parts[2].points)] = change[0]
    for name, change in complexion.eye_modes().items():
        modes[name] = np.zeros_like(mean)
        modes[name][count : count + 2 * len(change)] = np.tile(change, (2, 1))
    return np.concatenate(pieces), np.stack(list(modes.values())), tuple(modes)


def regions(grid: Grid, mean: Floats) -> np.ndarray:
    """Region number (V,) of every vertex."""
    number = {name: index for index, name in enumerate(REGION_NAMES)}
    x, y, _ = mean[: len(grid.points)].T
    result = np.full(len(x), number["skin"], np.uint8)
    front = np.abs(grid.angle) < 66
    result[(y < -8.9) | ((np.abs(grid.angle) > 100) & (y < -3))] = number["neck"]
    brows = front & (complexion.brow(x, y) > 0.4)
    result[brows & (x > 0)], result[brows & (x < 0)] = number["left_brow"], number["right_brow"]
    result[front & (y < 4.0) & (y > -1.35) & (np.abs(x) < np.interp(y, [-1.3, 0.5, 4.0], [1.9, 1.5, 0.75]))] = number[
        "nose"
    ]
    lip = complexion.lip_mask(grid) > 0.5
    result[lip & (grid.mouth_side >= 0)], result[lip & (grid.mouth_side < 0)] = number["upper_lip"], number["lower_lip"]
    names = ["right_eye", "left_eye", "right_ear", "left_ear", "mouth", "mouth"]
    parts = [
        np.full(len(part.points), number[name], np.uint8)
        for name, part in zip(names, organs(parameters({})), strict=True)
    ]
    return np.concatenate([result, *parts])


def landmarks(grid: Grid, mean: Floats) -> Ints:
    """The 68 vertex numbers in iBUG order; the image's left is the person's right."""
    return np.array(
        [*jaw_line(grid, mean), *brow_line(grid, mean), *nose_line(grid, mean), *eye_line(grid), *mouth_line(grid)],
        np.int32,
    )


def nearest(grid: Grid, mean: Floats, x: float, y: float) -> int:
    """The vertex of the skin's front nearest to (x, y)."""
    skin = mean[: len(grid.points)]
    distance = np.hypot(skin[:, 0] - x, skin[:, 1] - y) + np.where(np.abs(grid.angle) > 89, 1e3, 0)
    return int(np.argmin(distance))


def jaw_line(grid: Grid, mean: Floats) -> list[int]:
    """Points 0 to 16 from the right ear over the chin to the left ear."""
    rows_, angle = grid.row[grid.number[:, 0]], grid.angle[grid.number[0]]
    line = [(84, 2.6), (84, 0.7), (82, -1.1), (79, -2.7), (72, -4.4), (58, -5.9), (41, -6.9), (22, -7.5), (0, -7.8)]
    right = [int(grid.number[np.argmin(np.abs(rows_ - row)), np.argmin(np.abs(angle + turn))]) for turn, row in line]
    left = [
        int(grid.number[np.argmin(np.abs(rows_ - row)), np.argmin(np.abs(angle - turn))]) for turn, row in line[:-1]
    ]
    return right + left[::-1]


def brow_line(grid: Grid, mean: Floats) -> list[int]:
    """Points 17 to 26 along the upper edges of the brows."""
    places = [(5.55, 5.45), (4.6, 5.98), (3.5, 6.05), (2.4, 5.85), (1.4, 5.45)]
    return [nearest(grid, mean, -x, y) for x, y in places] + [nearest(grid, mean, x, y) for x, y in places[::-1]]


def nose_line(grid: Grid, mean: Floats) -> list[int]:
    """Points 27 to 35: down the bridge, then along the base."""
    places = [
        (0, 3.5),
        (0, 2.3),
        (0, 1.1),
        (0, -0.2),
        (-1.35, -0.95),
        (-0.7, -1.2),
        (0, -1.32),
        (0.7, -1.2),
        (1.35, -0.95),
    ]
    return [nearest(grid, mean, x, y) for x, y in places]


def slit(grid: Grid, row: float, inner: float, outer: float) -> tuple[list[int], list[int]]:
    """Upper and lower vertices of a slit from its image-left to its image-right end; the ends are in both."""
    rows_ = grid.row[grid.number[:, 0]]
    line = grid.number[int(np.argmin(np.abs(rows_ - row)))]
    front = line[np.abs(grid.angle[line]) < 66]
    cut = [int(vertex) for vertex in front if int(vertex) in grid.lower and inner < grid.points[vertex, 0] < outer]
    ends = [int(front[list(front).index(cut[0]) - 1]), int(front[list(front).index(cut[-1]) + 1])]
    return [ends[0], *cut, ends[1]], [ends[0], *(grid.lower[vertex] for vertex in cut), ends[1]]


def eye_line(grid: Grid) -> list[int]:
    """Points 36 to 47: each eye's corner, upper lid, other corner, lower lid backwards."""
    result: list[int] = []
    for side in (-1, 1):
        upper, lower = slit(grid, EYE_ROW, *sorted((side * 0.5, side * 2 * EYE_X)))
        third = round((len(upper) - 1) / 3)
        result += [upper[0], upper[third], upper[-1 - third], upper[-1], lower[-1 - third], lower[third]]
    return result


def mouth_line(grid: Grid) -> list[int]:
    """Points 48 to 67: the lips' outline, then the line where they part."""
    upper, lower = slit(grid, MOUTH_ROW, -3.0, 3.0)
    at = [
        int(np.argmin(np.abs(grid.points[upper, 0] - share * MOUTH_CORNER)))
        for share in (-0.68, -0.24, 0.0, 0.24, 0.68)
    ]
    rows_ = grid.row[grid.number[:, 0]]
    edges = [
        grid.number[int(np.argmin(np.abs(rows_ - value)))] for value in (MOUTH_ROW + UPPER_LIP, MOUTH_ROW - LOWER_LIP)
    ]
    column = {int(vertex): place for place, vertex in enumerate(grid.number[int(np.argmin(np.abs(rows_ - MOUTH_ROW)))])}
    above = [int(edges[0][column[upper[place]]]) for place in at]
    under = [int(edges[1][column[upper[place]]]) for place in at]
    inner = [upper[0], upper[at[0]], upper[at[2]], upper[at[4]], upper[-1], lower[at[4]], lower[at[2]], lower[at[0]]]
    return [upper[0], *above, upper[-1], *under[::-1], *inner]


def build() -> Head:
    """The whole model."""
    grid = make_grid()
    mean = sculpture(grid, {})
    albedo_mean, albedo, _ = colours(grid, mean)
    return Head(
        mean=mean.astype(np.float32),
        identity=shape_modes(grid).astype(np.float32),
        expression=expression_modes(grid, mean).astype(np.float32),
        triangles=all_triangles(grid),
        landmarks68=landmarks(grid, mean),
        albedo_mean=np.clip(albedo_mean, 0, 1).astype(np.float32),
        albedo=albedo.astype(np.float32),
        regions=regions(grid, mean),
        expression_names=EXPRESSION_NAMES,
        region_names=REGION_NAMES,
        name="likeness-world",
        version="1",
        licence="Apache-2.0",
        unit="cm",
    )


@cache
def albedo_names() -> tuple[str, ...]:
    """Names of the albedo modes, in order."""
    grid = make_grid()
    return colours(grid, sculpture(grid, {}))[2]


if __name__ == "__main__":
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else MODEL
    path.parent.mkdir(parents=True, exist_ok=True)
    save_head(build(), path)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
