"""GNM, FLAME and the Basel Face Model from small files of their layout, and pickles that would do something else."""

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from pipeline.head.importers import bfm, read
from pipeline.head.model import check

RNG = np.random.default_rng(4)
# A face in iBUG order, x to the right of the image, y up, z forward, in metres.
TURN = np.linspace(-1.5, 1.5, 17)
FACE = np.concatenate([
    np.stack([np.sin(TURN), -np.cos(TURN), 0 * TURN], 1) * 0.08,
    np.stack([np.linspace(-0.06, 0.06, 10), np.full(10, 0.05), np.full(10, 0.05)], 1),
    np.stack([np.zeros(4), np.linspace(0.03, 0.0, 4), np.linspace(0.06, 0.1, 4)], 1),
    np.stack([np.linspace(-0.01, 0.01, 5), np.full(5, -0.01), np.full(5, 0.08)], 1),
    np.stack([np.linspace(-0.05, 0.05, 12), np.full(12, 0.03), np.full(12, 0.04)], 1),
    np.stack([np.linspace(-0.03, 0.03, 20), np.full(20, -0.04), np.full(20, 0.06)], 1),
])  # fmt: skip
TRIANGLES = np.array([[27, 48, 54], [27, 36, 48], [0, 8, 16]])
SHAPE, EXPRESSION = RNG.normal(0, 0.001, (3, 68, 3)), RNG.normal(0, 0.001, (2, 68, 3))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    np.savetxt(tmp_path / "marks.txt", np.arange(68)[:, None], fmt="%d")
    return tmp_path / "marks.txt"


def flame() -> dict[str, np.ndarray]:
    modes = np.zeros((400, 68, 3))
    modes[:3], modes[300:302] = SHAPE, EXPRESSION
    return {"v_template": FACE, "shapedirs": np.moveaxis(modes, 0, 2), "f": TRIANGLES.astype(np.uint32)}


def test_flame_from_both_files_is_the_same_head_in_centimetres(tmp_path: Path, table: Path) -> None:
    np.savez(tmp_path / "flame2023.npz", **flame())
    (tmp_path / "flame2023.pkl").write_bytes(pickle.dumps(flame(), protocol=2))
    for name in ("flame2023.npz", "flame2023.pkl"):
        head = read(tmp_path / name, table)
        check(head, name)
        np.testing.assert_allclose(head.mean[head.landmarks68], FACE * 100, atol=1e-4)
        weights = np.zeros(len(head.expression))
        weights[2] = 0.5  # mode 1, one standard deviation
        shape = np.eye(len(head.identity))[1]
        expected = (FACE + SHAPE[1] + EXPRESSION[1]) * 100
        np.testing.assert_allclose(head.vertices(shape, weights)[head.landmarks68], expected, atol=1e-4)
        assert head.licence == "LicenseRef-FLAME-non-commercial"


def test_gnm_with_points_between_vertices_and_its_jaw_out_of_order(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "gnm_head.npz", template_vertex_positions=FACE, vertex_identity_basis=SHAPE,
        expression_basis=EXPRESSION, triangles=TRIANGLES, identity_names=["head_0", "head_1", "teeth_0"],
        expression_names=["lower_face_region_0", "tongue_0"], version="3.0",
    )  # fmt: skip
    order = [0, 1, 6, 5, 4, 3, 2, *range(7, 68)]
    rows = [f"{number} 0.5 {number} 0.25 {number} 0.25" for number in order]
    (tmp_path / "head_sparse_68.txt").write_text("\n".join(rows))
    head = read(tmp_path / "gnm_head.npz", tmp_path / "head_sparse_68.txt")
    check(head, "gnm")
    np.testing.assert_allclose(head.mean[head.landmarks68], FACE * 100, atol=1e-4)
    assert (len(head.identity), len(head.expression), head.licence) == (2, 2, "Apache-2.0")


def test_the_basel_face_models_have_their_units(tmp_path: Path, table: Path) -> None:
    flat = SHAPE.reshape(3, -1).T
    values = {"shapeMU": FACE.reshape(-1, 1) * 1e6, "shapePC": flat, "shapeEV": np.full((3, 1), 1e6)}
    values |= {"texMU": np.full((204, 1), 127.5), "tl": TRIANGLES + 1}
    scipy.io.savemat(tmp_path / "01_MorphableModel.mat", values)
    old = read(tmp_path / "01_MorphableModel.mat", table)
    model = {"pcaBasis": flat, "pcaVariance": np.full(3, 1e6)}
    parts = {"shape": {"mean": FACE.ravel() * 1000}, "expression": {"mean": np.zeros(204)}}
    arrays = {f"{kind}/model/{key}": value for kind, own in parts.items() for key, value in (model | own).items()}
    arrays |= {"color/model/mean": np.full(204, 0.5), "shape/representer/cells": TRIANGLES.T}
    for head in (old, bfm.import_2017(arrays, table)):
        check(head, "bfm")
        np.testing.assert_allclose(head.mean[head.landmarks68], FACE * 100, atol=1e-4)
        np.testing.assert_allclose(head.identity[:, :68], SHAPE * 100, atol=1e-4)
        assert head.albedo_mean[0, 0] == 0.5
        assert "BFM" in head.licence


class Bomb:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple:
        return Path.touch, (self.mark,)


def test_a_hostile_pickle_is_refused_and_does_nothing(tmp_path: Path) -> None:
    (tmp_path / "bad.pkl").write_bytes(pickle.dumps(flame() | {"f": Bomb(tmp_path / "went-off")}, protocol=2))
    with pytest.raises(ValueError, match="which is no array: it may run code"):
        read(tmp_path / "bad.pkl")
    assert not (tmp_path / "went-off").exists()


def test_what_is_missing_is_said(tmp_path: Path, table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(tmp_path / "flame.npz", **flame())
    with pytest.raises(ValueError, match="FLAME has no 68 landmarks: give --landmarks"):
        read(tmp_path / "flame.npz")
    np.savetxt(table, np.arange(67)[:, None])
    with pytest.raises(ValueError, match="has 67 landmarks, expected 68"):
        read(tmp_path / "flame.npz", table)
    np.savetxt(table, np.arange(68)[::-1, None])
    with pytest.raises(ValueError, match="no face that looks at the viewer"):
        read(tmp_path / "flame.npz", table)
    (tmp_path / "bfm.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ValueError, match="pip install h5py"):
        read(tmp_path / "bfm.h5", table)
    (tmp_path / "text.npz").write_text("text")
    with pytest.raises(ValueError, match=r"neither a .npz"):
        read(tmp_path / "text.npz")
