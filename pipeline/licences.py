"""Licences of pretrained parts: what each states about itself, and which of them a commercial run may use."""

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pipeline.errors import LicenceError

CARD = "card.json"
UNKNOWN = "not stated"
# In lower case: SPDX ids, and what model hubs call the licences of Stable Diffusion. Another licence may also allow
# commercial use, but that is for a person to decide.
SOFTWARE = {"apache-2.0", "mit", "mit-0", "bsd-2-clause", "bsd-3-clause", "isc", "zlib", "bsl-1.0", "unlicense"}
CONTENT = {"cc0-1.0", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-4.0", "creativeml-openrail-m", "openrail++"}
COMMERCIAL = frozenset(SOFTWARE | CONTENT)
# dlib's face model, which settings name by a word and not by a directory.
DLIB = "dlib"
# What davisking/dlib-models states of the files that the package face-recognition-models holds.
DLIB_FILES = {
    "dlib_face_recognition_resnet_model_v1.dat": "CC0-1.0",
    "shape_predictor_5_face_landmarks.dat": "CC0-1.0",
    "mmod_human_face_detector.dat": "CC0-1.0",
    "shape_predictor_68_face_landmarks.dat": "not for commercial use (trained on iBUG 300-W)",
}


def is_dlib(name: Path | str) -> bool:
    """Whether a setting names dlib's face model: `dlib`, or `dlib:FOLDER` for weights that lie elsewhere."""
    return str(name).partition(":")[0] == DLIB


def of(path: Path | str) -> str:
    """The licence that a model directory's card.json or a head's `.npz` states, `not stated` where there is none.

    dlib's face model has that of the two files that are read of it; a file of dlib's weights has its own.

    Raises:
        LicenceError: card.json is not a JSON object.
    """
    where = Path(path)
    if is_dlib(path) or where.name in DLIB_FILES:
        return "CC0-1.0" if is_dlib(path) else DLIB_FILES[where.name]
    found = _of_head(where) if where.suffix == ".npz" else _of_card(where / CARD)
    return found.strip() or UNKNOWN


def check(parts: Mapping[str, str]) -> None:
    """Refuse parts whose licence is not known to allow commercial use. What is not there is left to whoever loads it.

    Args:
        parts: the setting that names a part -> its directory or file.

    Raises:
        LicenceError: naming each such part, where it lies and its licence.
    """
    stated = {name: of(path) for name, path in parts.items() if is_dlib(path) or Path(path).exists()}
    refused = [
        f"{name} in {parts[name]} (licence: {licence})"
        for name, licence in stated.items()
        if licence.lower() not in COMMERCIAL
    ]
    if refused:
        raise LicenceError(
            f"a commercial run may not use {', '.join(refused)}: name other parts, or, where research is all that this "
            f"run is for, set models.allow_non_commercial: true (a directory states its licence in {CARD})"
        )


def _of_card(path: Path) -> str:
    if not path.is_file():
        return UNKNOWN
    try:
        return str(dict(json.loads(path.read_text())).get("licence", UNKNOWN))
    except (TypeError, ValueError) as error:
        raise LicenceError(f'{path} must be a JSON object like {{"licence": "MIT"}}: {error}; mend it') from error


def _of_head(path: Path) -> str:
    """Only the licence is read: load_head would read the whole mesh, and say what is wrong with a file when it does."""
    try:
        with np.load(path, allow_pickle=False) as file:
            return str(file["licence"])
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return UNKNOWN
