"""FLAME (Li et al. 2017, files of 2020 and 2023): a pickle or a .npz of the same keys, in metres.

The file does not state its licence, and there are two: FLAME 2023 Open is CC-BY-4.0, the others are for research only.
Its jaw turns about a joint, which a linear head has not: the turn becomes the expression `jawOpen`.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pipeline.head.importers import common
from pipeline.head.model import Head

KEYS = ("v_template", "shapedirs", "f")
SHAPE_MODES = 300  # of shapedirs; expressions follow
JAW, OPEN = 2, 0.4  # joint, radians
LICENCE = "LicenseRef-FLAME-non-commercial"


def import_flame(arrays: Mapping[str, np.ndarray], landmarks: Path | None) -> Head:
    """A head of the first modes of shape and expression, in centimetres."""
    common.need(arrays, KEYS, "FLAME")
    mean, modes = arrays["v_template"] * 100.0, np.moveaxis(arrays["shapedirs"], 2, 0) * 100.0
    if modes.shape[1:] != mean.shape or len(modes) <= SHAPE_MODES:
        raise ValueError(f"shapedirs has size {arrays['shapedirs'].shape}, expected {(*mean.shape, SHAPE_MODES + 100)}")
    expression, names = common.signed(modes[SHAPE_MODES:][: common.EXPRESSIONS])
    if "J_regressor" in arrays and "weights" in arrays:
        expression = np.concatenate([expression, _jaw(mean, arrays)[None]])
        names = (*names, "jawOpen")
    triangles = arrays["f"].astype(np.int64)
    table = common.read_table(landmarks, triangles, len(mean), "FLAME")
    about = {"name": "FLAME", "version": "2023", "licence": LICENCE}
    return common.assemble(mean, modes[: common.SHAPES], expression, names, triangles, table, about)


def _jaw(mean: np.ndarray, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """How far (V, 3) each vertex moves when the jaw opens."""
    joint = arrays["J_regressor"][JAW] @ mean
    cos, sin = np.cos(OPEN), np.sin(OPEN)
    turn = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    apart = mean - joint
    return arrays["weights"][:, JAW, None] * (apart @ turn.T - apart)
