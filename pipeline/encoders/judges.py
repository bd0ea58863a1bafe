"""Recognisers that only score, whatever library they are of: a FaceAnalysis directory, or dlib's face model.

dlib's network (a ResNet of 29 layers, 128 numbers) and the five-point model that its crops are aligned with are CC0:
anybody may use them. They lie in the package face-recognition-models, or, with `dlib:FOLDER`, in a folder. The 68-point
model beside them is not for commercial use, and is never read. King 2009; dlib.net/face_recognition.py.html.
"""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipeline.encoders.recogniser import Floats, Recogniser
from pipeline.errors import MissingInput
from pipeline.licences import DLIB, is_dlib
from pipeline.shards import directory_fingerprint, file_fingerprint

NETWORK, FIVE_POINTS = "dlib_face_recognition_resnet_model_v1.dat", "shape_predictor_5_face_landmarks.dat"
PACKAGE = "face_recognition_models"
EXTRA = "install both with `pip install 'likeness[outside]'`"
CHIP, PADDING = 150, 0.25  # what the network was trained on
# The square in which dlib's own detector sees a face, from the five key points of a FaceAnalysis detector: its side and
# how far its middle lies above theirs, in root mean squares of their distances to their middle. Medians of 60
# photographs; the five-point model mends what is wrong with them.
SIDE, ABOVE = 3.85, 0.12

Image = NDArray[np.uint8]


class Judge(Protocol):
    """What is asked of a recogniser that scores. `dimension` is the length D of its embeddings."""

    dimension: int

    def embed_faces(self, image: Image, keypoints: Floats) -> Floats:
        """Unit-length embeddings (M, D) of the faces of an RGB image (H, W, 3) with key points (M, 5, 2)."""
        ...


def load_judge(name: str) -> Judge:
    """The recogniser of a FaceAnalysis directory, or dlib's for `dlib` and `dlib:FOLDER`.

    Raises:
        MissingInput: the directory holds no recogniser, or dlib or its weights are not there.
    """
    return DlibRecogniser(name) if is_dlib(name) else Recogniser(name)


def judge_fingerprint(name: str) -> str:
    """A fingerprint of all files that a judge's embeddings follow from.

    Raises:
        MissingInput: they are not there.
    """
    return file_fingerprint(dlib_files(name)) if is_dlib(name) else directory_fingerprint(name)


def network_file(name: str) -> Path:
    """The file that recognises, without what detects and aligns.

    Raises:
        MissingInput: it is not there.
    """
    return dlib_files(name)[0] if is_dlib(name) else Recogniser(name).path


class DlibRecogniser:
    """dlib's recogniser.

    It was trained so that photographs of one person lie within a Euclidean distance of 0.6. Its descriptors have nearly
    one length (1.4), so that cosines order pairs as distances do, but they lie in a narrow cone: cosines of strangers
    average about 0.8, those of one person's photographs 0.95. Beside another recogniser's only calibrated cosines say
    anything (`metric.Calibration`).

    Raises:
        MissingInput: dlib or its weights are not there.
    """

    dimension = 128

    def __init__(self, name: str = DLIB) -> None:
        network, points = dlib_files(name)
        self._dlib = _library(name)
        self._network = self._dlib.face_recognition_model_v1(str(network))
        self._five_points = self._dlib.shape_predictor(str(points))

    def embed_faces(self, image: Image, keypoints: Floats) -> Floats:
        """Unit-length embeddings (M, 128) of the faces of an RGB image (H, W, 3) with key points (M, 5, 2)."""
        if not len(keypoints):
            return np.empty((0, self.dimension), np.float32)
        pixels = np.ascontiguousarray(image)
        chips = [self._chip(pixels, points) for points in keypoints]
        raw = np.array([list(each) for each in self._network.compute_face_descriptor(chips)], np.float32)
        return raw / np.maximum(np.linalg.norm(raw, axis=1, keepdims=True), 1e-12)

    def _chip(self, image: Image, points: Floats) -> Image:
        """The aligned face (150, 150, 3), by dlib's own five points."""
        found = self._five_points(image, self._dlib.rectangle(*face_square(points)))
        return self._dlib.get_face_chip(image, found, CHIP, PADDING)


def face_square(points: Floats) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of the square in which dlib's detector would see a face with key points (5, 2)."""
    centre = points.mean(0)
    spread = float(np.sqrt(((points - centre) ** 2).sum(1).mean()))
    x, y = centre - (0.0, ABOVE * spread)
    half = SIDE * spread / 2
    left, top, right, bottom = (round(float(value)) for value in (x - half, y - half, x + half, y + half))
    return left, top, right, bottom


def dlib_files(name: str = DLIB) -> list[Path]:
    """The network's file and the five-point model's.

    Raises:
        MissingInput: they are not there.
    """
    folder = Path(name.partition(":")[2]) if ":" in name else _package_folder(name)
    files = [folder / NETWORK, folder / FIVE_POINTS]
    if absent := [path.name for path in files if not path.is_file()]:
        raise MissingInput(f"no {' and no '.join(absent)} in {folder}, which {name} names: dlib's face model has both")
    return files


def _package_folder(name: str) -> Path:
    """Where the package keeps its weights. It is not imported: that needs pkg_resources, which setuptools gave up."""
    found = importlib.util.find_spec(PACKAGE)
    places: Sequence[str] = (found.submodule_search_locations or ()) if found else ()
    if not places:
        raise MissingInput(
            f"settings name {name}, and face-recognition-models, which has its weights, is not there: {EXTRA}"
        )
    return Path(places[0]) / "models"


def _library(name: str) -> Any:
    try:
        import dlib
    except ImportError as error:
        raise MissingInput(f"settings name {name}, and dlib cannot be imported ({error}): {EXTRA}") from error
    return dlib
