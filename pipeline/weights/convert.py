"""Weights that the authors of a method publish, brought into our layout.

`likeness convert` reads the files of a release and writes adapter.safetensors with its card, as training does. Files
are safetensors or pickles (`.bin`), of which only tensors are read (`weights_only`); IdentityNet is a folder that
diffusers wrote.
"""

import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from pipeline import licences, plugins, shards
from pipeline import method as contract
from pipeline.backbone.frozen import FrozenEncoders
from pipeline.backbone.inject import in_processor_order
from pipeline.backbone.load import Backbone, load
from pipeline.errors import LicenceError, MissingInput, SettingsError, WeightsError
from pipeline.files import read_json
from pipeline.method import Method
from pipeline.settings import Models
from pipeline.weights import checkpoint
from pipeline.weights.key_maps import KeyMap, convert_keys, own_tensors

VARIANT = "released"
NET, NET_CONFIG = "diffusion_pytorch_model", "config.json"


def convert(name: str, files: Sequence[Path], out: Path, models: Models, licence: str) -> None:
    """Read a release, write it in our layout.

    Args:
        name: a method, which stands for its variant `released`, or `<method>-<variant>`.
        licence: of the weights.

    Raises:
        LicenceError: the licence is not known to allow commercial use, and the settings ask for it.
        SettingsError, MissingInput, WeightsError: as `read_release` and `fill`.
    """
    _check_licence(licence, models)
    full = name if "-" in name else f"{name}-{VARIANT}"
    key_maps_of(full)
    release, backbone = read_release(files), load(models.backbone, "cpu")
    method = checkpoint.create(full, backbone, FrozenEncoders(models, backbone))
    fill(method, full, release, backbone)
    checkpoint.save(out, method, card(method, full, files, models, licence))


def key_maps_of(name: str) -> Sequence[KeyMap]:
    """The layouts in which a method is published.

    Raises:
        SettingsError: there is no such method or variant, or it has no table.
    """
    contract.find(name)
    base = name.partition("-")[0]
    known = plugins.having("methods", "RELEASED")
    if base not in known:
        raise SettingsError(f"{base} has no table RELEASED of published names; methods that have: {', '.join(known)}")
    return plugins.load("methods", base).RELEASED


def fill(method: Method, name: str, release: Mapping[str, Mapping[str, Tensor]], backbone: Backbone) -> None:
    """Put released tensors, by where they lie and their released names, into a method.

    Raises:
        WeightsError: they are not those of the method on this backbone; names and shapes are in the text.
    """
    own = own_tensors(method, checkpoint.NULL_PREFIX)
    found = convert_keys(key_maps_of(name), release, own, in_processor_order(backbone.unet))
    method.load_state_dict(
        found, strict=False
    )  # strict but for the null features, which are not published: see translate


def card(method: Method, name: str, files: Sequence[Path], models: Models, licence: str) -> dict[str, Any]:
    """What these weights are, and of which files they were made."""
    made_of = {path.name: shards.file_fingerprint(_files_of(path)) for path in files}
    known = checkpoint.describe_parts(method, name, shards.fingerprint("released", name, made_of), models)
    return {**known, "released": made_of, "licence": licence}


def read_release(files: Sequence[Path]) -> dict[str, dict[str, Tensor]]:
    """The tensors of each file or folder, by where it lies.

    Raises:
        MissingInput: a file is not there.
        WeightsError: a file cannot be read as tensors.
    """
    return {str(path): _read_net(path) if path.is_dir() else read(path) for path in files}


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file or of a pickle, sections joined to their names with dots.

    Raises:
        MissingInput: it is not there.
        WeightsError: it is corrupt, or a pickle that holds something else than tensors.
    """
    if not path.is_file():
        raise MissingInput(f"no {path}: a file of published weights was expected")
    try:
        stored = load_file(path) if path.suffix == ".safetensors" else _unpickled(path)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read as tensors ({error}): get it again from its authors") from error
    return dict(_flat(stored, str(path)))


def _unpickled(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


def _flat(stored: Any, where: str, prefix: str = "") -> list[tuple[str, Tensor]]:
    if isinstance(stored, Tensor):
        return [(prefix, stored)]
    if not isinstance(stored, Mapping):
        raise WeightsError(f"{where}: {prefix or 'the file'} is a {type(stored).__name__}, expected tensors by name")
    inner = {f"{prefix}.{name}" if prefix else str(name): value for name, value in stored.items()}
    return [each for name, value in inner.items() for each in _flat(value, where, name)]


def _read_net(folder: Path) -> dict[str, Tensor]:
    """A ControlNet that diffusers wrote."""
    config = folder / NET_CONFIG
    kind = read_json(config).get("_class_name") if config.is_file() else None
    if kind != "ControlNetModel":
        raise WeightsError(
            f"{folder} is not a folder of a diffusers ControlNetModel ({NET_CONFIG} says {kind}): give the folder with "
            f"{NET_CONFIG} and {NET}.safetensors, or a file"
        )
    return read(_weights_of(folder))


def _weights_of(folder: Path) -> Path:
    return next((path for path in _stored(folder) if path.is_file()), _stored(folder)[0])


def _stored(folder: Path) -> list[Path]:
    return [folder / f"{NET}.safetensors", folder / f"{NET}.bin"]


def _files_of(path: Path) -> list[Path]:
    return [path / NET_CONFIG, _weights_of(path)] if path.is_dir() else [path]


def check_use(folder: Path, models: Models) -> None:
    """Refuse converted weights that the settings do not allow; weights that were trained here are not concerned.

    Raises:
        LicenceError: their licence is not known to allow commercial use, and models.allow_non_commercial is false.
    """
    about = read_json(folder / checkpoint.CARD)
    if "released" in about and not models.allow_non_commercial:
        licences.check({f"weights of {about['method']}": str(folder)})


def _check_licence(licence: str, models: Models) -> None:
    if not models.allow_non_commercial and licence.strip().lower() not in licences.COMMERCIAL:
        raise LicenceError(
            f"the licence of the weights ({licence}) is not known to allow commercial use: state it with --licence, "
            "or, where research is all that they are for, set models.allow_non_commercial: true"
        )
