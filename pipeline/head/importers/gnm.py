"""GNM Head (Google 2026; Apache-2.0): gnm_head.npz of version 3, metres; landmarks: its head_sparse_68.txt."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pipeline.head.importers import common
from pipeline.head.model import Head

KEYS = (
    "template_vertex_positions", "vertex_identity_basis", "expression_basis", "triangles", "identity_names",
    "expression_names", "version",
)  # fmt: skip
FACE = ("left_eye", "right_eye", "lower_face", "mouth")  # regions of expressions; not tongue and pupils
EACH = 20  # modes of each region


def import_gnm(arrays: Mapping[str, np.ndarray], landmarks: Path | None) -> Head:
    """A head of the first modes of `head_...`, and the first expressions of each region of the face."""
    common.need(arrays, KEYS, "GNM")
    mean = arrays["template_vertex_positions"] * 100.0
    heads = [n for n, name in enumerate(arrays["identity_names"]) if str(name).startswith("head")][: common.SHAPES]
    modes = arrays["expression_basis"][_face(arrays["expression_names"])] * 100.0
    expression, names = common.signed(modes)
    table = common.read_table(landmarks, arrays["triangles"], len(mean), "GNM")
    about = {"name": "GNM Head", "version": str(arrays["version"]), "licence": "Apache-2.0"}
    identity = arrays["vertex_identity_basis"][heads] * 100.0
    return common.assemble(mean, identity, expression, names, arrays["triangles"], _sorted_jaw(mean, table), about)


def _face(names: np.ndarray) -> list[int]:
    kept: dict[str, list[int]] = {}
    for number, name in enumerate(map(str, names)):
        if name.startswith(FACE):
            kept.setdefault(name.rpartition("_")[0], []).append(number)
    return [number for found in kept.values() for number in found[:EACH]]


def _sorted_jaw(mean: np.ndarray, table: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The table with the jaw from the image's left to its right: GNM's own has points 2 to 6 the other way round."""
    where, weights = table
    points = np.einsum("pcd,pc->pd", mean[where], weights)
    x, y = (points[:17, :2] - points[27, :2]).T
    order = np.concatenate([np.argsort(np.arctan2(x, -y)), np.arange(17, 68)])
    return where[order], weights[order]
