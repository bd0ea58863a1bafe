"""A linear 3D morphable head in one `.npz` file.

    vertices = mean + identity . shape + expression . weights        (Blanz and Vetter 1999)

Axes: x to the right of the image, y up, z towards the viewer; so the person's left side has x > 0.
Shape coefficients are in standard deviations of the population; expression weights run from 0 to 1.
Albedo is stored as it would be displayed (gamma encoded RGB in [0, 1]).
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.errors import MissingInput

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

ARRAYS = {
    "mean": np.float32,
    "identity": np.float32,
    "expression": np.float32,
    "triangles": np.int32,
    "landmarks68": np.int32,
    "albedo_mean": np.float32,
    "albedo": np.float32,
    "regions": np.uint8,
}
NAMES = ("expression_names", "region_names")
TEXTS = ("name", "version", "licence", "unit")
HALVED = ("identity", "expression", "albedo")


@dataclass(frozen=True)
class Head:
    """A head model; V vertices, F triangles, K shape, E expression and A albedo coefficients.

    `regions` numbers each vertex into `region_names`: the face-part masks that papers take from a segmentation net.
    `landmarks68` are vertex numbers in iBUG order (0 to 16 the jaw from the image's left to its right).
    """

    mean: Floats  # (V, 3)
    identity: Floats  # (K, V, 3)
    expression: Floats  # (E, V, 3)
    triangles: Ints  # (F, 3), counter-clockwise seen from outside
    landmarks68: Ints  # (68,)
    albedo_mean: Floats  # (V, 3)
    albedo: Floats  # (A, V, 3)
    regions: NDArray[np.uint8]  # (V,)
    expression_names: tuple[str, ...]
    region_names: tuple[str, ...]
    name: str
    version: str
    licence: str
    unit: str

    def vertices(self, shape: ArrayLike, expression: ArrayLike) -> Floats:
        """Vertices (..., V, 3) in `unit` for shape (..., K) and expression (..., E)."""
        return self.mean + combine(shape, self.identity) + combine(expression, self.expression)

    def colours(self, coefficients: ArrayLike) -> Floats:
        """Albedo (..., V, 3) in [0, 1] for coefficients (..., A)."""
        return np.clip(self.albedo_mean + combine(coefficients, self.albedo), 0.0, 1.0)


def combine(coefficients: ArrayLike, basis: Floats) -> Floats:
    """Weighted sum (..., V, 3) of a basis (K, V, 3) with coefficients (..., K).

    Raises ValueError where the number of coefficients is not the basis's.
    """
    weights = np.asarray(coefficients, dtype=np.float32)
    if weights.shape[-1] != len(basis):
        raise ValueError(f"{weights.shape[-1]} coefficients given, the head's basis has {len(basis)}")
    if weights.ndim == 1:  # most weights of an expression are zero, and skipping them saves most of the time
        used = np.flatnonzero(weights)
        weights, basis = weights[used], basis[used]
    # Not `@`: BLAS has other kernels for other processors, and what is drawn would differ between machines.
    return np.einsum("...k,kvc->...vc", weights, basis)


def save_head(head: Head, path: str | Path | IO[bytes]) -> None:
    """Writes a head; bases as float16, which is finer than a hundredth of a millimetre here."""
    contents: dict[str, np.ndarray] = {}
    for field in fields(head):
        value = np.asarray(getattr(head, field.name))
        contents[field.name] = value.astype(np.float16) if field.name in HALVED else value
    np.savez_compressed(path, **contents)  # type: ignore[arg-type]


def load_head(path: str | Path) -> Head:
    """Reads a head without unpickling anything.

    Raises MissingInput where there is no file, ValueError naming the keys that are missing or whose sizes disagree.
    """
    if not Path(path).is_file():
        raise MissingInput(f"no head model {path}: check models.head in params.yaml")
    with np.load(path, allow_pickle=False) as file:
        missing = [key for key in (*ARRAYS, *NAMES, *TEXTS) if key not in file.files]
        if missing:
            advice = "make it one with `likeness convert head`"
            raise ValueError(f"{path} is no head of ours, it lacks {', '.join(missing)}; {advice}")
        arrays = {key: file[key].astype(kind) for key, kind in ARRAYS.items()}
        names = {key: tuple(str(name) for name in file[key]) for key in NAMES}
        texts = {key: str(file[key]) for key in TEXTS}
    head = Head(**arrays, **names, **texts)  # type: ignore[arg-type]
    check(head, str(path))
    return head


def check(head: Head, where: str) -> None:
    """Raises ValueError where the sizes of a head's arrays contradict each other."""
    count = len(head.mean)
    expected = {
        "mean": (count, 3),
        "identity": (len(head.identity), count, 3),
        "expression": (len(head.expression_names), count, 3),
        "triangles": (len(head.triangles), 3),
        "landmarks68": (68,),
        "albedo_mean": (count, 3),
        "albedo": (len(head.albedo), count, 3),
        "regions": (count,),
    }
    for key, size in expected.items():
        found = getattr(head, key).shape
        if found != size:
            raise ValueError(f"{where}: {key} has size {found}, expected {size}")
    numbers = np.concatenate([head.triangles.ravel(), head.landmarks68])
    if numbers.min() < 0 or numbers.max() >= count:
        raise ValueError(f"{where}: triangles or landmarks68 point outside the {count} vertices")
