"""What imported heads have in common: 68 landmarks from a table, parts of the face, and signed modes as expressions."""

from pathlib import Path

import numpy as np

from pipeline.head.importers.ict import flat_colour
from pipeline.head.model import Head

SHAPES, EXPRESSIONS = 100, 50  # modes that are kept, the first ones: they hold nearly all of the variance
SPREAD = 2.0  # standard deviations that an expression of weight 1 stands for
NEAR = 0.15  # outer eye distances within which a vertex belongs to the part of its nearest landmark
PARTS = {
    "skin": (), "left_brow": range(22, 27), "right_brow": range(17, 22), "left_eye": range(42, 48),
    "right_eye": range(36, 42), "nose": range(27, 36), "mouth": range(48, 68),
}  # fmt: skip


def need(arrays: object, keys: tuple[str, ...], what: str) -> None:
    """Raise a ValueError that names the keys which are missing."""
    if missing := [key for key in keys if key not in arrays]:  # type: ignore[operator]
        raise ValueError(f"no {what} file, it lacks {', '.join(missing)}")


def read_table(path: Path | None, triangles: np.ndarray, count: int, what: str) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (68, 3) and weights (68, 3) of the landmarks of a table.

    A text has a line per landmark, in iBUG order: a vertex number, or `vertex weight` three times, as GNM's
    head_sparse_68.txt. A .npz has `lmk_face_idx` (68,), numbers of triangles, and `lmk_b_coords` (68, 3).

    Raises:
        ValueError: there is none, or it is not of such a form.
    """
    if path is None:
        raise ValueError(f"{what} has no 68 landmarks: give --landmarks FILE, a table of them in iBUG order")
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as file:
            need(file.files, ("lmk_face_idx", "lmk_b_coords"), "landmark")
            numbers, weights = file["lmk_face_idx"].ravel().astype(np.int64), file["lmk_b_coords"].reshape(-1, 3)
        if numbers.size and not 0 <= numbers.min() <= numbers.max() < len(triangles):
            raise ValueError(f"{path} names triangles outside the {len(triangles)} of {what}")
        vertices = triangles[numbers]
    else:
        rows = np.loadtxt(path, ndmin=2)
        if rows.shape[1] not in (1, 6):
            raise ValueError(f"{path} must have 1 or 6 numbers a line, found {rows.shape[1]}")
        vertices = rows[:, ::2].astype(np.int64)
        weights = rows[:, 1::2] if rows.shape[1] == 6 else np.ones((len(rows), 1))
    if len(vertices) != 68 or len(weights) != 68:
        raise ValueError(f"{path} has {len(vertices)} landmarks, expected 68")
    if not 0 <= vertices.min() <= vertices.max() < count:
        raise ValueError(f"{path} names vertices outside the {count} of {what}")
    if not np.allclose(weights.sum(1), 1, atol=0.01):
        raise ValueError(f"{path}: the weights of a landmark must add up to 1")
    return vertices, weights


def signed(modes: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Expressions (2E, V, 3) of weights 0 to 1, and their names, for modes (E, V, 3) of one standard deviation."""
    names = tuple(f"mode{number:03d}{sign}" for number in range(len(modes)) for sign in "+-")
    return np.stack([modes, -modes], axis=1).reshape(-1, *modes.shape[1:]) * SPREAD, names


def assemble(
    mean: np.ndarray,
    identity: np.ndarray,
    expression: np.ndarray,
    names: tuple[str, ...],
    triangles: np.ndarray,
    table: tuple[np.ndarray, np.ndarray],
    about: dict[str, str],
    colour: np.ndarray | None = None,
) -> Head:
    """A head in centimetres; every landmark becomes a vertex of its own, which no triangle has, and moves exactly so.

    Raises:
        ValueError: the landmarks are not where those of a face are.
    """
    where, weights = table
    extended = [_with_points(each, where, weights) for each in (mean, identity, expression)]
    marks = extended[0][len(mean) :]
    _check_face(marks)
    shown = flat_colour(len(mean)) if colour is None else colour
    return Head(
        mean=extended[0].astype(np.float32),
        identity=extended[1].astype(np.float32),
        expression=extended[2].astype(np.float32),
        triangles=_outwards(extended[0], triangles).astype(np.int32),
        landmarks68=np.arange(len(mean), len(mean) + 68, dtype=np.int32),
        albedo_mean=_with_points(shown, where, weights).astype(np.float32),
        albedo=np.zeros((0, *extended[0].shape), np.float32),
        regions=_regions(extended[0], marks),
        expression_names=names,
        region_names=tuple(PARTS),
        unit="cm",
        **about,
    )


def _with_points(values: np.ndarray, where: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Values (..., V, 3) of vertices, and behind them those of points between vertices."""
    points = np.einsum("...pcd,pc->...pd", values[..., where, :], weights)
    return np.concatenate([values, points], axis=-2)


def _check_face(marks: np.ndarray) -> None:
    upright = marks[8, 1] < marks[30, 1] < marks[27, 1]
    if not (upright and marks[36, 0] < marks[45, 0] and marks[30, 2] > marks[[36, 45], 2].mean()):
        raise ValueError(
            "the 68 landmarks are no face that looks at the viewer (x to the right of the image, y up, z forward): "
            "they must be in iBUG order, jaw 0 to 16 from the image's left, nose 27 to 35, eyes 36 to 47"
        )


def _outwards(mean: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Triangles turned so that those of the front half are counter-clockwise to the viewer."""
    a, b, c = (mean[triangles[:, corner]] for corner in range(3))
    area = np.cross(b - a, c - a)[:, 2]
    front = (a + b + c)[:, 2] / 3 > mean[:, 2].mean()
    return triangles[:, ::-1] if area[front].sum() < 0 else triangles


def _regions(mean: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """Number (V,) of the part of the face of each vertex: that of the nearest landmark, skin where none is near."""
    part = np.zeros(68, np.uint8)
    for number, spots in enumerate(PARTS.values()):
        part[list(spots)] = number
    inner = marks[17:]
    apart = np.linalg.norm(mean[:, None] - inner[None], axis=-1)
    near = apart.min(1) < NEAR * np.linalg.norm(marks[45] - marks[36])
    return np.where(near, part[17:][apart.argmin(1)], 0).astype(np.uint8)
