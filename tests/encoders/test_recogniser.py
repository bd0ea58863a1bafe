"""Recognisers: alignment, embeddings, inner features and the torch form, on small random networks."""

import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from insightface.utils import face_align
from onnx import TensorProto, helper, numpy_helper

from pipeline.encoders.recogniser import (
    Recogniser,
    align,
    face_analysis,
    kps_from_landmarks68,
    load_torch_recogniser,
)
from pipeline.encoders.residual import ResidualNet
from pipeline.errors import MissingInput
from pipeline.pack import export
from pipeline.pack.recognition.detector import DET_SIZE, export_axes
from pipeline.pack.recognition.nets import DetectorNet
from pipeline.pack.settings import MODELS

SIZES: dict[str, Any] = {"stem": 8, "widths": [8, 16, 24], "blocks": [1, 1, 1], "dimension": 32}
REAL = Path(os.environ.get("LIKENESS_REAL", "../shared/real"))


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A FaceAnalysis directory of a random detector and a random recogniser with statistics of its own."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("pack")
    detector = DetectorNet(stem=8, widths=[8, 8, 8], neck=8).eval()
    export.store_onnx(detector, folder / "detector.onnx", (1, 3, *DET_SIZE), export_axes())
    net = ResidualNet(**SIZES)
    for _ in range(3):
        net(torch.randn(8, 3, 112, 112))
    export.store_recogniser(net, folder, SIZES, also_torch=True)
    return folder


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (5, 112, 112, 3), dtype=np.uint8)


def to_torch(crops: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 127.5 - 1


def test_embeddings_are_those_of_face_analysis(pack: Path, crops: np.ndarray) -> None:
    app = face_analysis(pack)
    app.prepare(-1, det_size=DET_SIZE)
    # insightface takes BGR; a recogniser that forgets to swap would differ.
    theirs = np.concatenate([app.models["recognition"].get_feat(np.ascontiguousarray(c[..., ::-1])) for c in crops])
    ours = Recogniser(pack).embed(crops)
    assert np.allclose(np.linalg.norm(ours, axis=1), 1, atol=1e-5)
    assert np.allclose(ours, theirs / np.linalg.norm(theirs, axis=1, keepdims=True), atol=1e-5)


def test_dimension_is_read_from_the_model_and_nothing_embeds_to_nothing(pack: Path, crops: np.ndarray) -> None:
    recogniser = Recogniser(pack)
    assert recogniser.dimension == 32
    assert recogniser.embed(crops[:0]).shape == (0, 32)


def test_torch_form_equals_onnx_and_passes_gradients(pack: Path, crops: np.ndarray) -> None:
    net = load_torch_recogniser(pack)
    pixels = to_torch(crops).requires_grad_()
    raw = net(pixels)
    unit = torch.nn.functional.normalize(raw).detach().numpy()
    assert np.abs(unit - Recogniser(pack).embed(crops)).max() < 1e-4
    raw.sum().backward()
    assert pixels.grad is not None
    assert pixels.grad.abs().max() > 0
    assert all(weight.grad is None for weight in net.parameters())


def test_inner_features_are_the_last_map_of_each_height(pack: Path, crops: np.ndarray) -> None:
    ours = Recogniser(pack).inner_features(crops)
    with torch.no_grad():
        theirs = load_torch_recogniser(pack).features(to_torch(crops))
    assert list(ours) == [56, 28, 14, 7]
    for side, maps in theirs.items():
        assert ours[side].shape == tuple(maps.shape)
        assert np.abs(ours[side] - maps.numpy()).max() < 1e-3


@pytest.mark.parametrize("which", ["random", "recogniser_a"])
def test_gradients_of_the_torch_form_are_those_of_the_onnx_model(which: str, pack: Path, crops: np.ndarray) -> None:
    """Along some directions, by central differences of the similarity that the ONNX model finds."""
    folder = pack if which == "random" else MODELS / which
    session = Recogniser(folder)._session
    pixels, goal = to_torch(crops[:1]), torch.from_numpy(Recogniser(folder).embed(crops[1:2]))

    def similarity(at: torch.Tensor) -> float:
        raw = session.run(None, {session.get_inputs()[0].name: at.numpy()})[0].astype(np.float64)
        return float((raw / np.linalg.norm(raw) * goal.numpy()).sum())

    at = pixels.clone().requires_grad_()
    torch.nn.functional.cosine_similarity(load_torch_recogniser(folder)(at), goal).sum().backward()
    assert at.grad is not None
    draw, step = torch.Generator().manual_seed(0), 0.01
    for blob in torch.nn.functional.interpolate(torch.randn(4, 3, 14, 14, generator=draw), (112, 112)):
        # some of it along the gradient: elsewhere the slope is too small to be told from rounding
        direction = blob[None] / blob.norm() + at.grad / at.grad.norm()
        slope = (similarity(pixels + step * direction) - similarity(pixels - step * direction)) / (2 * step)
        assert slope == pytest.approx(float((at.grad * direction).sum()), rel=0.03)


class Mobile(torch.nn.Module):
    """Another architecture: depthwise convolutions, PReLU, pooling in the end; `stride` of its first layer."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        widths = {2: (6, 10, 12, 20), 4: (6, 10, 12)}[stride]
        self.stem = torch.nn.Sequential(torch.nn.Conv2d(3, widths[0], 7, stride, 3), torch.nn.PReLU(widths[0]))
        self.stages = torch.nn.ModuleList(
            torch.nn.Sequential(
                torch.nn.Conv2d(before, before, 3, 2, 1, groups=before),
                torch.nn.BatchNorm2d(before),
                torch.nn.PReLU(before),
                torch.nn.Conv2d(before, after, 1),
            )
            for before, after in pairwise(widths)
        )
        self.head = torch.nn.Linear(widths[-1], 16)

    def maps(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        found = [self.stem(pixels)]
        for stage in self.stages:
            found.append(stage(found[-1]))
        return found

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.head(self.maps(pixels)[-1].mean((2, 3)))


@pytest.mark.parametrize(("stride", "heights"), [(2, [56, 28, 14, 7]), (4, [28, 14, 7])])
def test_maps_of_another_architecture_are_found_by_their_height(
    stride: int, heights: list[int], pack: Path, crops: np.ndarray, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    net = Mobile(stride).eval().half().float()  # files keep weights in half precision
    (tmp_path / "detector.onnx").write_bytes((pack / "detector.onnx").read_bytes())
    export.store_onnx(net, tmp_path / "recognition.onnx", (1, 3, 112, 112), {"pixels": {0: "n"}, "embedding": {0: "n"}})
    ours = Recogniser(tmp_path).inner_features(crops)
    with torch.no_grad():
        theirs = {maps.shape[2]: maps.numpy() for maps in net.maps(to_torch(crops))}
    assert list(ours) == heights
    for side, maps in theirs.items():
        assert np.allclose(ours[side], maps, atol=1e-3)


class Pre(torch.nn.Module):
    """A residual unit of an IR network: it normalises, convolves, activates, and only then halves."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.BatchNorm2d(before),
            torch.nn.Conv2d(before, after, 3, 1, 1),
            torch.nn.PReLU(after),
            torch.nn.Conv2d(after, after, 3, 2, 1),
        )
        self.shortcut = torch.nn.Conv2d(before, after, 1, 2)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return self.body(maps) + self.shortcut(maps)


def test_what_a_stage_gives_is_told_from_what_the_next_one_begins_with(
    pack: Path, crops: np.ndarray, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    units = torch.nn.ModuleList([Pre(3, 6), Pre(6, 10), Pre(10, 12), Pre(12, 20)])
    last = torch.nn.Sequential(torch.nn.BatchNorm2d(20), torch.nn.Flatten(), torch.nn.Linear(20 * 49, 16))
    net = torch.nn.Sequential(*units, *last).eval().half().float()
    (tmp_path / "detector.onnx").write_bytes((pack / "detector.onnx").read_bytes())
    export.store_onnx(net, tmp_path / "recognition.onnx", (1, 3, 112, 112), {"pixels": {0: "n"}, "embedding": {0: "n"}})
    ours, maps = Recogniser(tmp_path).inner_features(crops), to_torch(crops)
    assert list(ours) == [56, 28, 14, 7]
    with torch.no_grad():
        for unit, side in zip(units, ours, strict=True):
            maps = unit(maps)
            assert ours[side].shape == tuple(maps.shape)
            assert np.allclose(ours[side], maps.numpy(), atol=1e-3)


def test_batches_do_not_change_results(pack: Path) -> None:
    crops = np.random.default_rng(1).integers(0, 256, (70, 112, 112, 3), dtype=np.uint8)
    recogniser = Recogniser(pack)
    assert np.allclose(recogniser.embed(crops)[65], recogniser.embed(crops[65:66])[0], atol=1e-5)


def test_a_recogniser_without_a_batch_axis_runs_one_by_one(pack: Path, crops: np.ndarray, tmp_path: Path) -> None:
    (tmp_path / "detector.onnx").write_bytes((pack / "detector.onnx").read_bytes())
    model = onnx.load(str(pack / "recognition.onnx"))
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    onnx.save(model, str(tmp_path / "recognition.onnx"))
    single = Recogniser(tmp_path)
    assert np.allclose(single.embed(crops), Recogniser(pack).embed(crops), atol=1e-5)
    assert single.inner_features(crops)[7].shape[0] == len(crops)


def test_kernels_of_seven_pixels_are_not_taken_for_maps(pack: Path, crops: np.ndarray, tmp_path: Path) -> None:
    """A cast 7 x 7 kernel is a four-dimensional value of the graph too, but does not depend on the picture."""
    (tmp_path / "detector.onnx").write_bytes((pack / "detector.onnx").read_bytes())
    kernel = numpy_helper.from_array(np.ones((4, 3, 7, 7), np.float16), "kernel_half")
    flat = numpy_helper.from_array(np.array([0, -1], np.int64), "flat")
    nodes = [
        helper.make_node("Conv", ["x", "kernel"], ["map"], kernel_shape=[7, 7], strides=[16, 16], pads=[3, 3, 3, 3]),
        helper.make_node("Reshape", ["map", "flat"], ["y"]),
    ]
    size = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 112, 112])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 196])
    cast = helper.make_node("Cast", ["kernel_half"], ["kernel"], to=TensorProto.FLOAT)
    graph = helper.make_graph([cast, *nodes], "one", [size], [out], [kernel, flat])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
        str(tmp_path / "recognition.onnx"),
    )
    assert Recogniser(tmp_path).inner_features(crops)[7].shape == (5, 4, 7, 7)


def test_alignment_brings_eyes_to_their_places() -> None:
    image = np.zeros((128, 128, 3), np.uint8)
    landmarks = np.zeros((68, 2), np.float32)
    landmarks[36:42], landmarks[42:48] = (40, 50), (80, 52)
    landmarks[30], landmarks[48], landmarks[54] = (60, 75), (45, 95), (76, 96)
    kps = kps_from_landmarks68(landmarks)
    assert kps.tolist() == [[40, 50], [80, 52], [60, 75], [45, 95], [76, 96]]
    image[48:55, 77:84] = 255
    aligned = align(image, kps)
    y, x = np.unravel_index(aligned[..., 0].argmax(), (112, 112))
    assert np.hypot(*(np.array([x, y]) - face_align.arcface_dst[1])) < 6


def test_missing_directories_and_weights_are_named(pack: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="nowhere"):
        Recogniser(tmp_path / "nowhere")
    (tmp_path / "detector.onnx").write_bytes((pack / "detector.onnx").read_bytes())
    with pytest.raises(MissingInput, match="no recogniser"):
        Recogniser(tmp_path)
    with pytest.raises(MissingInput, match="differentiable"):
        load_torch_recogniser(tmp_path)


def test_recogniser_a_of_the_pack_is_equal_in_torch(crops: np.ndarray) -> None:
    folder = MODELS / "recogniser_a"
    with torch.no_grad():
        unit = torch.nn.functional.normalize(load_torch_recogniser(folder)(to_torch(crops)))
    assert np.abs(unit.numpy() - Recogniser(folder).embed(crops)).max() < 1e-4


@pytest.mark.real
@pytest.mark.skipif(not REAL.exists(), reason="needs the real models beside the project")
@pytest.mark.parametrize("name", ["ms1m", "casia"])
def test_published_recognisers_have_inner_features(name: str, crops: np.ndarray) -> None:
    recogniser = Recogniser(REAL / "packs/models" / name)
    maps = recogniser.inner_features(crops)
    assert recogniser.dimension == 128
    assert list(maps) == [56, 28, 14, 7]
    assert all(maps[side].shape[0] == 5 and maps[side].shape[2] == side for side in maps)
