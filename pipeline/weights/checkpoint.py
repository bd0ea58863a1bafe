"""What training leaves behind: a method's weights with their card, and checkpoints on the way.

Both are safetensors, written under a temporary name and renamed. The card is deterministic: what was trained, on
what, how; measured times and memory lie in _metrics.json beside it.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from pipeline import licences, shards
from pipeline import method as contract
from pipeline.backbone.batch import Floats
from pipeline.backbone.frozen import FrozenEncoders
from pipeline.backbone.load import Backbone
from pipeline.errors import MissingInput, ShardError, StorageError
from pipeline.files import read_json
from pipeline.method import Method
from pipeline.settings import Models, TrainSettings

WEIGHTS, CARD = "adapter.safetensors", "card.json"
NULL_PREFIX = "null_"
INTENDED_USE = (
    "Research on identity-preserving portrait generation, with people who agreed to it. "
    "Not for impersonation, and not for images of anybody without their consent."
)


@dataclass(frozen=True)
class TrainingState:
    """What a checkpoint holds: training goes on from `step` of `phase`."""

    weights: dict[str, Tensor]
    optimiser: dict[str, Tensor]
    phase: int
    step: int
    seconds: float  # spent so far


class Checkpoint:
    """One file that is replaced every so often; a file of another run is ignored."""

    def __init__(self, path: Path, fingerprint: str) -> None:
        self._path, self._fingerprint = path, fingerprint
        self._last = time.monotonic()

    def due(self, seconds: float) -> bool:
        """Whether the last one is `seconds` old."""
        return time.monotonic() - self._last >= seconds

    def write(self, state: TrainingState) -> None:
        """Replace the file."""
        tensors = {f"weights/{name}": value for name, value in state.weights.items()}
        tensors |= {f"optimiser/{name}": value for name, value in state.optimiser.items()}
        progress = {"phase": state.phase, "step": state.step, "seconds": state.seconds}
        _write(self._path, tensors, {"fingerprint": self._fingerprint, **progress})
        self._last = time.monotonic()

    def read(self) -> TrainingState | None:
        """The state to go on from; None when there is none of this run."""
        if not self._path.exists():
            return None
        tensors, progress = read(self._path)
        if progress.pop("fingerprint") != self._fingerprint:
            return None
        weights, optimiser = ({name.removeprefix(kind): tensors[name] for name in tensors if name.startswith(kind)}
                              for kind in ("weights/", "optimiser/"))  # fmt: skip
        return TrainingState(weights, optimiser, **progress)

    def remove(self) -> None:
        """Training is finished."""
        self._path.unlink(missing_ok=True)


def state_of(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """An optimiser's state as named tensors."""
    state = optimiser.state_dict()["state"]
    return {f"{index}/{name}": value for index, entry in state.items() for name, value in entry.items()}


def restore(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put back what `state_of` gave; nothing where there is nothing."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, _, key = name.partition("/")
        state.setdefault(int(index), {})[key] = value
    if state:
        optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})


def create(name: str, backbone: Backbone, frozen: FrozenEncoders) -> Method:
    """An untrained method; its sizes follow the backbone and the frozen encoders."""
    return with_null(name, backbone, contract.method_class(name).encode_null(frozen))


def with_null(name: str, backbone: Backbone, null_features: Mapping[str, Floats]) -> Method:
    """An untrained method, where what stands for no reference is known."""
    kind, settings = contract.find(name)
    return kind(backbone, contract.as_tensors(null_features), settings)


@dataclass(frozen=True)
class Origin:
    """Where weights come from."""

    method: str
    fingerprint: str  # of the run
    data: str  # fingerprint of the training shards
    models: Models
    train: TrainSettings
    images_seen: int
    trained: Mapping[str, int]  # phase -> parameters trained


def card(method: Method, origin: Origin) -> dict[str, Any]:
    """What these weights are."""
    return {
        **describe_parts(method, origin.method, origin.fingerprint, origin.models),
        "data_fingerprint": origin.data,
        "images_seen": origin.images_seen,
        "train": {**asdict(origin.train), "threads_per_rank": 1},
        "trainable_parameters": dict(origin.trained),
        "licence": "Apache-2.0; the licences of the parts and of the photos it was trained on also apply",
    }


def describe_parts(method: Method, name: str, fingerprint: str, models: Models) -> dict[str, Any]:
    """What a card says of a method and of the frozen parts that it works with."""
    parts = {part: getattr(models, part) for part in ("backbone", "recogniser_a", "image_text", "head")}
    return {
        "method": name,
        "settings": asdict(method.settings),
        "fingerprint": fingerprint,
        "parts": parts,
        "part_licences": {part: licences.of(path) for part, path in parts.items()},
        "backbone_fingerprint": shards.path_fingerprint(models.backbone),
        "recogniser_fingerprint": shards.path_fingerprint(models.recogniser_a),
        "image_text_fingerprint": shards.path_fingerprint(models.image_text),
        "head_fingerprint": shards.path_fingerprint(models.head),
        "intended_use": INTENDED_USE,
    }


def save(folder: Path, method: Method, card: Mapping[str, Any]) -> None:
    """Write the weights, then the card: a card means that training is finished."""
    _write(folder / WEIGHTS, method.state_dict(), dict(card))
    with shards.replacing(folder / CARD) as temporary:
        temporary.write_text(json.dumps(card, indent=2, sort_keys=True) + "\n")


def finished(folder: Path, fingerprint: str) -> bool:
    """Whether `folder` holds the weights of this very run."""
    path = folder / CARD
    return path.exists() and read_json(path).get("fingerprint") == fingerprint


def load(folder: Path, backbone: Backbone) -> Method:
    """A trained method, attached to the backbone.

    Raises:
        MissingInput: it was not trained yet, or was trained for a backbone of other sizes or by another code.
        ShardError: the file is corrupt.
    """
    if not (folder / CARD).exists():
        raise MissingInput(f"no {CARD} in {folder}: train the method first")
    tensors, about = read(folder / WEIGHTS)
    kind, _ = contract.find(about["method"])
    settings = _settings(about["method"], about["settings"])
    null_features = {
        name.removeprefix(NULL_PREFIX): value for name, value in tensors.items() if name.startswith(NULL_PREFIX)
    }
    method = kind(backbone, null_features, settings)
    try:
        method.load_state_dict(tensors)
    except RuntimeError as error:
        raise MissingInput(f"{folder / WEIGHTS} does not fit the backbone: {error}; train it again") from error
    method.to(backbone.device).eval().attach(backbone.unet)
    return method


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and card of a file.

    Raises:
        ShardError: the file is corrupt.
    """
    try:
        with safe_open(path, framework="pt") as stored:
            return {name: stored.get_tensor(name) for name in stored.keys()}, json.loads(stored.metadata()["card"])  # noqa: SIM118
    except SafetensorError as error:
        raise ShardError(f"{path} is corrupt ({error}): delete it and run again") from error


def _settings(name: str, values: Mapping[str, Any]) -> Any:
    _, settings = contract.find(name)
    if unknown := sorted(values.keys() - asdict(settings).keys()):
        raise MissingInput(
            f"{name} has no setting {', '.join(unknown)}: the weights are of another code; train it again"
        )
    return type(settings)(**values)


def _write(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> None:
    # One metadata key: the order of several is not fixed, and equal runs shall give equal bytes.
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    with shards.replacing(path) as temporary:
        try:
            save_file(plain, temporary, metadata={"card": json.dumps(about, sort_keys=True)})
        except SafetensorError as error:  # how safetensors says that the disk is full
            raise StorageError(f"cannot write {path} ({error}): free some space and run again") from error
