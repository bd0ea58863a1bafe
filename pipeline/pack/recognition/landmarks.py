"""The 68 landmarks of a face, by direct regression from insightface's crop of a detected box.

Reads `data/pack/drawn/p1`; writes `landmarks.onnx` into every recogniser's directory, and a card. Run alone:
`python -m pipeline.pack.recognition.landmarks`. Loss: Wing (Feng et al. 2018, equation 5), which keeps small errors
worth mending.
"""

import argparse
import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from pipeline.pack import dataset, export, settings
from pipeline.pack.recognition.faces import FaceSet, Floats, Pixels, recompress, shrink, spoil
from pipeline.pack.recognition.nets import LandmarkNet
from pipeline.pack.trainer import Batch, Training, fit

SIDE = 192
MARGIN = 1.5  # the crop is this many times the longer side of the box, as insightface cuts it


@dataclass(frozen=True)
class LandmarkSettings:
    """The landmark network's data, size and training."""

    population: str
    sizes: dict[str, Any]
    training: dict[str, Any]


class Crops:
    """Crops of 192 x 192 around boxes with a detector's error, and the landmarks in them."""

    def __init__(self, faces: FaceSet, batch: int, seed: int) -> None:
        self._faces, self._box, self._landmarks = faces, faces.box, faces.landmarks
        self._batch, self._seed = batch, seed

    def __call__(self, index: int) -> Batch:
        """Batch number `index`: faces drawn at random, larger and smaller ones alike."""
        rng = np.random.default_rng([self._seed, index])
        chosen = rng.integers(0, len(self._faces), self._batch)
        pairs = [crop(self._faces.photo(face), self._box[face], self._landmarks[face], rng) for face in chosen]
        pixels = torch.from_numpy(np.stack([pixels for pixels, _ in pairs]))
        # insightface scales by 128 here, by 127.5 for recognisers.
        scaled = pixels.permute(0, 3, 1, 2).float().sub_(127.5).div_(128.0)
        return {"pixels": scaled, "landmarks": torch.from_numpy(np.stack([points for _, points in pairs]))}


def crop(photo: Pixels, box: Floats, landmarks: Floats, rng: np.random.Generator) -> tuple[Pixels, Floats]:
    """A crop (192, 192, 3) and its landmarks (136,) in [-1, 1], with a detector's error and a camera's faults."""
    side = float(max(box[2] - box[0], box[3] - box[1]))
    if rng.random() < 0.3 and side > 48:
        photo, factor = shrink(photo, rng.uniform(36 / side, 1.0))
        box, landmarks = box * np.tile(factor, 2), landmarks * factor
    if rng.random() < 0.2:
        photo = recompress(photo, int(rng.integers(50, 96)))
    box = box + rng.normal(0.0, 0.03, 4) * np.tile(box[2:] - box[:2], 2)
    centre, scale = (box[:2] + box[2:]) / 2, SIDE / (MARGIN * max(box[2] - box[0], box[3] - box[1]))
    angle = math.radians(rng.normal(0.0, 6.0))
    turn = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    shift = SIDE / 2 - turn @ centre
    pixels = cv2.warpAffine(photo, np.concatenate([turn, shift[:, None]], 1), (SIDE, SIDE), borderValue=0.0)
    points = (landmarks @ turn.T + shift) / (SIDE / 2) - 1
    return spoil(pixels, rng), points.astype(np.float32).ravel()


def wing(error: Tensor, width: float = 0.1, curve: float = 0.02) -> Tensor:
    """Wing loss of errors in crop units (1 = 96 pixels): logarithmic up to `width`, linear beyond."""
    size = error.abs()
    offset = width - width * math.log(1 + width / curve)
    return torch.where(size < width, width * torch.log1p(size / curve), size - offset).mean()


def _loss(model: nn.Module, batch: Batch, done: float) -> Tensor:
    return 100 * wing(model(batch["pixels"]).float() - batch["landmarks"])


def train() -> None:
    """Train, fold and export the landmark network."""
    wanted = settings.fill(LandmarkSettings, settings.section("landmarks"), "landmarks")
    training = settings.fill(Training, wanted.training, "landmarks.training")
    torch.manual_seed(training.seed)
    torch.set_num_threads(1)
    faces = FaceSet((dataset.load(wanted.population, "portraits"), dataset.load(wanted.population, "groups")))
    net = LandmarkNet(**wanted.sizes)
    # Begin at the mean face: the first steps are not spent on finding where a face is.
    start = Crops(faces, 512, training.seed)(0)["landmarks"].mean(0)
    net.head.bias.data.copy_(start)
    seconds = fit(
        net,
        Crops(faces, training.batch, training.seed),
        _loss,
        training,
        export.work("landmarks"),
        data=dataset.version(wanted.population),
    )
    axes = {"pixels": {0: "n"}, "landmarks": {0: "n"}}
    parameters = export.store_everywhere(net.cpu(), "landmarks.onnx", (1, 3, SIDE, SIDE), axes)
    facts = {
        "network": type(net).__name__,
        "parameters": parameters,
        "data": f"{wanted.population}: {len(faces)} faces in portraits and groups",
        "command": "python -m pipeline.pack.recognition.landmarks",
        "seconds": round(seconds),
        "settings": settings.section("landmarks"),
    }
    export.write_card(export.RECOGNISERS, "landmarks", facts)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    train()
