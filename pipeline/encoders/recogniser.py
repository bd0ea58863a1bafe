"""Face recognisers: a FaceAnalysis directory's ArcFace-style model as embedding, inner features, and torch module.

Whatever weights a profile names, the same three things are asked of them: unit-length embeddings of aligned faces, the
feature maps on the way there (UniPortrait's intrinsic branch reads them), and, for a recogniser that supervises, a
form that gradients flow through. Crops are RGB uint8 (N, 112, 112, 3), aligned by `align`.
"""

import json
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from insightface.app import FaceAnalysis
from insightface.utils import face_align
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.torch import load_file

from pipeline.encoders.residual import ResidualNet, fold
from pipeline.errors import MissingInput

SIDE = 112
# Heights of the maps that are read on the way: 1/2, 1/4, 1/8 and 1/16 of the input.
RESOLUTIONS = (56, 28, 14, 7)
WEIGHTS = "recogniser.safetensors"
BATCH = 64
ACTIVATIONS = ("Relu", "PRelu", "LeakyRelu")

# insightface calls what scikit-image is to drop (which is why its version is bounded): nothing that a user can mend.
warnings.filterwarnings("ignore", ".*estimate.*is deprecated", FutureWarning)

Crops = NDArray[np.uint8]  # (N, 112, 112, 3)
Floats = NDArray[np.float32]


def align(image: NDArray[np.uint8], kps: Floats, side: int = SIDE) -> NDArray[np.uint8]:
    """The aligned face, (side, side, 3), of an RGB image; `kps` (5, 2) as `kps_from_landmarks68` orders them."""
    return face_align.norm_crop(image, np.asarray(kps, np.float32), side)


def kps_from_landmarks68(landmarks: Floats) -> Floats:
    """Five key points of 68 landmarks (..., 68, 2), the order of insightface: the left eye of the image first."""
    return np.stack(
        [
            landmarks[..., 36:42, :].mean(-2),
            landmarks[..., 42:48, :].mean(-2),
            landmarks[..., 30, :],
            landmarks[..., 48, :],
            landmarks[..., 54, :],
        ],
        axis=-2,
    ).astype(np.float32)


def session_options() -> onnxruntime.SessionOptions:
    """One thread: workers run side by side, and idle OpenMP threads of several processes spin against each other."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return options


def face_analysis(directory: Path | str, **options: object) -> FaceAnalysis:
    """The FaceAnalysis of a model directory, on one CPU thread; `prepare` it before detecting.

    Raises:
        MissingInput: there is no such directory (insightface would try to download it).
    """
    where = Path(directory)
    if not any(where.glob("*.onnx")):
        raise MissingInput(f"no .onnx file in {where}: a FaceAnalysis directory with a detector was expected there")
    return FaceAnalysis(str(where), providers=["CPUExecutionProvider"], sess_options=session_options(), **options)


class Recogniser:
    """The recogniser of a FaceAnalysis directory: `dimension` is the length D of its embeddings.

    Raises:
        MissingInput: the directory holds no recogniser.
    """

    def __init__(self, directory: Path | str) -> None:
        models = face_analysis(directory, allowed_modules=["detection", "recognition"]).models
        if "recognition" not in models:
            raise MissingInput(f"no recogniser in {directory}: a model with input (N, 3, 112, 112) was expected")
        model = models["recognition"]
        self.path = Path(model.model_file)
        self._session, self._mean, self._std = model.session, model.input_mean, model.input_std
        self._taps: dict[int, str] = {}
        self._tapped: onnxruntime.InferenceSession | None = None
        self._single = isinstance(model.input_shape[0], int) and model.input_shape[0] == 1
        self.dimension = self._run(self._session, [model.output_names[0]], np.zeros((1, SIDE, SIDE, 3), np.uint8))[
            0
        ].shape[1]

    def embed(self, crops: Crops) -> Floats:
        """Unit-length embeddings (N, D) of aligned faces."""
        if not len(crops):
            return np.empty((0, self.dimension), np.float32)
        raw = self._run(self._session, [self._session.get_outputs()[0].name], crops)[0]
        return raw / np.maximum(np.linalg.norm(raw, axis=1, keepdims=True), 1e-12)

    def embed_faces(self, image: NDArray[np.uint8], keypoints: Floats) -> Floats:
        """Unit-length embeddings (M, D) of the faces of an RGB image (H, W, 3) with key points (M, 5, 2)."""
        crops = [align(image, points) for points in keypoints]
        return self.embed(np.stack(crops) if crops else np.empty((0, SIDE, SIDE, 3), np.uint8))

    def inner_features(self, crops: Crops) -> dict[int, Floats]:
        """Feature maps by their height: {56: (N, C, 56, 56), ..., 7: (N, C, 7, 7)}, what each stage gives to the next.

        A height at which the model has no map is left out. Some published models look at a 112 x 96 part only, their
        maps are narrower than high.
        """
        if self._tapped is None:
            self._taps, self._tapped = _tap(self.path)
        maps = self._run(self._tapped, list(self._taps.values()), crops)
        return dict(zip(self._taps, maps, strict=True))

    def _run(self, session: onnxruntime.InferenceSession, outputs: list[str], crops: Crops) -> list[Floats]:
        size = 1 if self._single else BATCH
        name = session.get_inputs()[0].name
        pieces = [session.run(outputs, {name: blob}) for blob in self._blobs(crops, size)]
        return [np.concatenate(piece) for piece in zip(*pieces, strict=True)]

    def _blobs(self, crops: Crops, size: int) -> Iterator[Floats]:
        for start in range(0, len(crops), size):
            scaled = (crops[start : start + size].astype(np.float32) - self._mean) / self._std
            yield np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))


def _tap(path: Path) -> tuple[dict[int, str], onnxruntime.InferenceSession]:
    """The names of the stages' outputs by their height, and a session that yields them.

    Sizes are found by running the graph once with every value as an output: shape inference fails on graphs of older
    exporters, and a run cannot.
    """
    model = onnx.load(str(path))
    values = _values_of_the_input(model.graph)
    blank = np.zeros((1, 3, SIDE, SIDE), np.float32)
    session = _session_with(model, values)
    found = session.run(values, {session.get_inputs()[0].name: blank})
    heights = {
        name: value.shape[2]
        for name, value in zip(values, found, strict=True)
        if np.ndim(value) == 4 and value.shape[3] > 1
    }
    taps = {side: _stage_output(model.graph, [name for name in values if heights.get(name) == side])
            for side in RESOLUTIONS if side in heights.values()}  # fmt: skip
    return taps, _session_with(model, list(taps.values()))


def _stage_output(graph: onnx.GraphProto, maps: Sequence[str]) -> str:
    """What a stage gives to the next one, among the maps of one height in the graph's order.

    That is its last residual sum, with the activation that follows where there is one (ResNets). The last map of a
    height may belong to the next stage already: IR networks normalise and convolve before they halve (Deng et al.
    2019). A stage without a residual gives its last map.
    """
    made_by = {name: node for node in graph.node for name in node.output}
    sums = [name for name in maps if made_by[name].op_type == "Add" and not _is_bias(made_by[name], graph)]
    if not sums:
        return maps[-1]
    readers = [node for node in graph.node if sums[-1] in node.input]
    activated = len(readers) == 1 and readers[0].op_type in ACTIVATIONS and readers[0].output[0] in maps
    return readers[0].output[0] if activated else sums[-1]


def _is_bias(node: onnx.NodeProto, graph: onnx.GraphProto) -> bool:
    """Whether a sum is of a map and a constant."""
    return bool({tensor.name for tensor in graph.initializer}.intersection(node.input))


def _values_of_the_input(graph: onnx.GraphProto) -> list[str]:
    """Names of all values that depend on the graph's input, in the graph's order; computed weights do not."""
    weights = {tensor.name for tensor in graph.initializer}
    known = {value.name for value in graph.input} - weights
    names: list[str] = []
    for node in graph.node:
        if known.intersection(node.input):
            known.update(node.output)
            names.extend(name for name in node.output if name)
    return names


def _session_with(model: onnx.ModelProto, outputs: list[str]) -> onnxruntime.InferenceSession:
    tapped = onnx.ModelProto()
    tapped.CopyFrom(model)
    del tapped.graph.output[:]
    tapped.graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)
    return onnxruntime.InferenceSession(
        tapped.SerializeToString(), session_options(), providers=["CPUExecutionProvider"]
    )


def load_torch_recogniser(directory: Path | str) -> ResidualNet:
    """The recogniser of `directory` as a torch module in eval mode, without gradients of its own weights.

    It takes pixels (B, 3, 112, 112) in [-1, 1] and gives the embeddings (B, D) of the ONNX model, not of unit length.

    Raises:
        MissingInput: there are no torch weights beside the ONNX model.
    """
    path = Path(directory) / WEIGHTS
    if not path.exists():
        raise MissingInput(f"no {path}: this recogniser has no differentiable form, losses through it cannot be used")
    with safe_open(path, framework="pt") as stored:
        sizes = json.loads(stored.metadata()["sizes"])
    net = fold(ResidualNet(**sizes))
    net.load_state_dict({name: weight.float() for name, weight in load_file(path).items()})
    return net.requires_grad_(False).eval()  # type: ignore[return-value]
