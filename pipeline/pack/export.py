"""From trained torch networks to the files that insightface loads, weights stored with 16 or 8 bits.

Weights are rounded to what is stored before the export, so that the ONNX file and the torch file hold equal numbers;
both calculate in float32. The ONNX graph turns each large weight back, which onnxruntime does once, at loading.
"""

import io
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save_file
from torch import nn

from pipeline.encoders.recogniser import SIDE, WEIGHTS
from pipeline.encoders.residual import fold
from pipeline.pack import settings

OPSET = 17
LICENCE = "Apache-2.0"
CARD = "card.json"
# Matrices of so many numbers are stored with 8 bits, other weights of SMALL numbers or more with 16.
LARGE, SMALL = 65536, 256
RECOGNISERS = ("recogniser_a", "recogniser_b", "recogniser_c")


def work(part: str) -> Path:
    """Where the checkpoints of a part lie."""
    return settings.WORK / "training" / part


def store_recogniser(net: nn.Module, folder: Path, sizes: dict[str, Any], also_torch: bool) -> int:
    """Fold `net` and write `recognition.onnx`, and the torch weights on request. Returns the number of parameters."""
    round_weights(fold(net))
    store_onnx(net, folder / "recognition.onnx", (1, 3, SIDE, SIDE), {"pixels": {0: "n"}, "embedding": {0: "n"}})
    if also_torch:
        weights = {name: value.half().contiguous() for name, value in net.state_dict().items()}
        save_file(weights, folder / WEIGHTS, metadata={"sizes": json.dumps(sizes), "licence": LICENCE})
    return sum(value.numel() for value in net.parameters())


def store_everywhere(net: nn.Module, name: str, size: tuple[int, ...], axes: dict[str, dict[int, str]]) -> int:
    """Fold `net` and write it into the first recogniser's directory; the others link to it, each a whole pack."""
    round_weights(fold(net))
    first = settings.MODELS / RECOGNISERS[0] / name
    store_onnx(net, first, size, axes)
    for other in RECOGNISERS[1:]:
        (settings.MODELS / other).mkdir(parents=True, exist_ok=True)
        link = settings.MODELS / other / name
        link.unlink(missing_ok=True)
        link.symlink_to(Path("..") / RECOGNISERS[0] / name)
    return sum(value.numel() for value in net.parameters())


def round_weights(net: nn.Module) -> None:
    """Round every weight to what will be stored, in place; it stays a float32."""
    with torch.no_grad():
        for value in net.parameters():
            if value.ndim == 2 and value.numel() >= LARGE:
                numbers, step = in_steps(value.numpy())
                value.copy_(torch.from_numpy(numbers * step[:, None]))
            else:
                value.copy_(value.half().float())


def in_steps(matrix: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """A matrix (N, M) as whole numbers of -127..127 and the step of each row, a power of two.

    Whole numbers times a power of two are float16 numbers too: the torch file holds the same ones.
    """
    largest = np.maximum(np.abs(matrix).max(1), 1e-6)
    step = np.exp2(np.ceil(np.log2(largest / 127))).astype(np.float32)
    return np.round(matrix / step[:, None]).astype(np.int8), step


def store_onnx(net: nn.Module, path: Path, size: tuple[int, ...], axes: dict[str, dict[int, str]]) -> None:
    """Write `net` as ONNX; `axes` names its input and outputs, in order, and their free axes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    names = list(axes)
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The new exporter needs a package of its own and names nodes so that insightface mistakes the input's scale.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            net.eval().float(),
            (torch.zeros(size),),
            buffer,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=OPSET,
            input_names=names[:1],
            output_names=names[1:],
            dynamic_axes=axes,
        )
    model = onnx.load_from_string(buffer.getvalue())
    store_compact(model)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def store_compact(model: onnx.ModelProto) -> None:
    """Store weights with 16 bits, large matrices with 8, and turn them back in the graph, in place."""
    turned = []
    for tensor in list(model.graph.initializer):
        values = numpy_helper.to_array(tensor)
        if tensor.data_type != TensorProto.FLOAT or values.size < SMALL:
            continue
        if values.ndim == 2 and values.size >= LARGE:
            turned.append(_store_eight(model.graph, tensor, values))
        else:
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
            turned.append(helper.make_node("Cast", [f"{name}_half"], [name], f"cast_{name}", to=TensorProto.FLOAT))
    # A graph lists its nodes in the order of running, and weights come before whatever uses them.
    nodes = turned + list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _store_eight(graph: onnx.GraphProto, tensor: onnx.TensorProto, values: NDArray[np.float32]) -> onnx.NodeProto:
    name = tensor.name
    numbers, step = in_steps(values)
    tensor.CopyFrom(numpy_helper.from_array(numbers, f"{name}_numbers"))
    graph.initializer.append(numpy_helper.from_array(step, f"{name}_step"))
    inputs = [f"{name}_numbers", f"{name}_step"]
    return helper.make_node("DequantizeLinear", inputs, [name], f"scale_{name}", axis=0)


def write_card(folders: Sequence[str], part: str, facts: dict[str, Any]) -> None:
    """Write a part's entry of the cards in model directories: what it is, data, command, seconds, settings (and seed).

    What was measured on an earlier version of the part goes; the other parts' entries stay.
    """
    for name in folders:
        path = settings.MODELS / name / CARD
        card: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"licence": LICENCE, "parts": {}}
        card["parts"][part] = {**facts, "licence": LICENCE}
        path.write_text(json.dumps(card, indent=2) + "\n")


def add_to_card(folders: Sequence[str], part: str, measured: dict[str, Any]) -> None:
    """Put what was measured on a part into the cards."""
    for name in folders:
        path = settings.MODELS / name / CARD
        card = json.loads(path.read_text())
        card["parts"][part]["measured"] = measured
        path.write_text(json.dumps(card, indent=2) + "\n")
