"""Basel Face Model of 2009 (01_MorphableModel.mat, micrometres) and of 2017 and 2019 (.h5, millimetres).

Both are for research alone. The model of 2009 has no expressions, unless the file holds those of others (expPC, expEV).
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pipeline.head.importers import common
from pipeline.head.model import Head

KEYS = ("shapeMU", "shapePC", "shapeEV", "texMU", "tl")
LICENCE = "LicenseRef-BFM-non-commercial"
PARTS = ("mean", "pcaBasis", "pcaVariance")
H5_KEYS = (*(f"{kind}/model/{part}" for kind in ("shape", "expression") for part in PARTS), "color/model/mean")
CELLS = "shape/representer/cells"


def import_2009(arrays: Mapping[str, np.ndarray], landmarks: Path | None) -> Head:
    """A head of the first modes; shapeEV are standard deviations."""
    common.need(arrays, KEYS, "Basel Face Model")
    mean = arrays["shapeMU"].reshape(-1, 3) / 1e4
    identity = _modes(arrays["shapePC"] * arrays["shapeEV"].ravel(), common.SHAPES) / 1e4
    expression = np.zeros((0, *mean.shape))
    if "expPC" in arrays and "expEV" in arrays:
        expression = _modes(arrays["expPC"] * arrays["expEV"].ravel(), common.EXPRESSIONS) / 1e4
    triangles = arrays["tl"].astype(np.int64) - 1
    return _head(mean, identity, expression, triangles, arrays["texMU"] / 255.0, landmarks, "2009")


def import_2017(arrays: Mapping[str, np.ndarray], landmarks: Path | None) -> Head:
    """A head of the first modes of shape and expression, about the sum of both means."""
    common.need(arrays, (*H5_KEYS, CELLS), "Basel Face Model")
    mean = (arrays["shape/model/mean"] + arrays["expression/model/mean"]).reshape(-1, 3) / 10
    kept = {"shape": common.SHAPES, "expression": common.EXPRESSIONS}
    scaled = {
        kind: _modes(arrays[f"{kind}/model/pcaBasis"] * np.sqrt(arrays[f"{kind}/model/pcaVariance"]), most) / 10
        for kind, most in kept.items()
    }
    cells = arrays[CELLS].astype(np.int64)
    triangles = cells.T if cells.shape[0] == 3 else cells
    colour = arrays["color/model/mean"]
    return _head(mean, scaled["shape"], scaled["expression"], triangles, colour, landmarks, "2017")


def read_hdf5(path: Path) -> dict[str, np.ndarray]:
    """The arrays that a head is made of, by their path in the file.

    Raises:
        ValueError: h5py is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise ValueError("a .h5 file is read by h5py: pip install h5py") from error
    with h5py.File(path, "r") as file:
        return {key: np.asarray(file[key]) for key in (*H5_KEYS, CELLS) if key in file}


def _modes(columns: np.ndarray, most: int) -> np.ndarray:
    """Modes (K, V, 3) of columns (3V, K)."""
    return columns.T[:most].reshape(min(most, columns.shape[1]), -1, 3)


def _head(
    mean: np.ndarray,
    identity: np.ndarray,
    modes: np.ndarray,
    triangles: np.ndarray,
    colour: np.ndarray,
    landmarks: Path | None,
    version: str,
) -> Head:
    expression, names = common.signed(modes)
    table = common.read_table(landmarks, triangles, len(mean), "the Basel Face Model")
    about = {"name": "Basel Face Model", "version": version, "licence": LICENCE}
    shown = np.clip(colour.reshape(-1, 3), 0, 1)
    return common.assemble(mean, identity, expression, names, triangles, table, about, shown)
