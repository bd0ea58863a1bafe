"""Recognisers A, B and C: trained on different people, with different networks, margins and seeds.

Reads `data/pack/drawn/p1`, `p2` or `p3`; writes `models/recogniser_<which>/recognition.onnx`, for A also
`recogniser.safetensors` with equal outputs, and a card. Run alone:
`python -m pipeline.pack.recognition.recogniser --which a`.

Loss: margin softmax. A and C add an angle (ArcFace, Deng et al. 2019, equation 3), B subtracts from the cosine
(CosFace, Wang et al. 2018, equation 4). The margin grows over the first half of the training. Beside it the embedding
regresses the coefficients that the person was drawn from (shape and albedo): hair, glasses and light change far more
pixels than identity does, and with the softmax alone the first thousands of steps learn nothing but those. Crops are
never mirrored: moles are on one side, and tell people apart.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from insightface.utils.face_align import arcface_dst
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.encoders.recogniser import SIDE
from pipeline.encoders.residual import ResidualNet
from pipeline.pack import dataset, export, settings
from pipeline.pack.recognition.faces import FaceSet, Floats, Pixels, recompress, shrink, similarity, spoil
from pipeline.pack.recognition.nets import BottleneckNet, PlainNet
from pipeline.pack.trainer import Batch, Training, fit
from pipeline.world import population

NETS: dict[str, Callable[..., nn.Module]] = {"a": ResidualNet, "b": PlainNet, "c": BottleneckNet}


@dataclass(frozen=True)
class RecogniserSettings:
    """What distinguishes a recogniser."""

    population: str
    sizes: dict[str, Any]  # of its network
    margin: str  # `angle` (ArcFace) or `cosine` (CosFace)
    amount: float
    scale: float
    jitter: float  # of the key points, in eye distances: what the detector gets wrong
    training: dict[str, Any]


class IdentityLoss(nn.Module):
    """A network under a margin softmax over people, and under the regression of their coefficients.

    The first K numbers of an embedding are asked to be the person's K coefficients, and the direction that stands for
    a person starts there.
    """

    def __init__(self, net: nn.Module, coefficients: Tensor, dimension: int, margin: str, amount: float, scale: float):
        super().__init__()
        self.net = net
        self.register_buffer("coefficients", coefficients)
        directions = 0.05 * torch.randn(len(coefficients), dimension)
        directions[:, : coefficients.shape[1]] += coefficients
        self.people = nn.Parameter(directions)
        self.margin, self.amount, self.scale = margin, amount, scale

    def forward(self, pixels: Tensor, person: Tensor, done: float) -> Tensor:
        """Loss of pixels (B, 3, 112, 112) that show `person` (B,); `done` is the share of the training so far."""
        embedding = self.net(pixels).float()
        with torch.autocast(pixels.device.type, enabled=False):
            wanted = self.coefficients[person]  # type: ignore[index]
            regression = F.mse_loss(embedding[:, : wanted.shape[1]], wanted)
            softmax = self._softmax(F.normalize(embedding), person, self.amount * ramp(done, 0.1, 0.5))
            return 10 * (1 - 0.9 * done) * regression + ramp(done, -0.03, 0.3) * softmax

    def _softmax(self, embedding: Tensor, person: Tensor, amount: float) -> Tensor:
        cosine = (embedding @ F.normalize(self.people).T).clamp(-1 + 1e-6, 1 - 1e-6)
        right = cosine.gather(1, person[:, None])
        return F.cross_entropy(
            self.scale * cosine.scatter(1, person[:, None], self._with_margin(right, amount)), person
        )

    def _with_margin(self, cosine: Tensor, amount: float) -> Tensor:
        if self.margin == "cosine":
            return cosine - amount
        # Beyond pi - m the angle would turn back; there the straight line of equal slope goes on.
        turned = torch.cos(torch.acos(cosine) + amount)
        return torch.where(cosine > -np.cos(amount), turned, cosine - amount * np.sin(amount))


def ramp(done: float, start: float, end: float) -> float:
    """0 before `start`, 1 after `end`, straight between."""
    return min(1.0, max(0.0, (done - start) / (end - start)))


def coefficients(seed: int, people: int) -> Tensor:
    """(people, K) shape and albedo of the people of a population, each coefficient with mean 0 and deviation 1."""
    drawn = [population.person(seed, index) for index in range(people)]
    values = np.stack([np.concatenate([person.shape, person.albedo]) for person in drawn]).astype(np.float32)
    return torch.from_numpy((values - values.mean(0)) / np.maximum(values.std(0), 1e-3))


class Crops:
    """Aligned crops of a population, imperfect as detection and photography make them."""

    def __init__(self, faces: FaceSet, batch: int, seed: int, jitter: float) -> None:
        self._faces, self._kps, self._person = faces, faces.kps, faces.person
        self._batch, self._seed, self._jitter = batch, seed, jitter

    def __call__(self, index: int) -> Batch:
        """Batch number `index`: every face once per epoch, in an order of its own."""
        per_epoch = len(self._faces) // self._batch
        epoch, place = divmod(index, per_epoch)
        order = np.random.default_rng([self._seed, epoch]).permutation(len(self._faces))
        chosen = order[place * self._batch : (place + 1) * self._batch]
        rng = np.random.default_rng([self._seed, epoch, place])
        crops = np.stack([crop(self._faces.photo(face), self._kps[face], self._jitter, rng) for face in chosen])
        return {"pixels": to_pixels(crops), "person": torch.from_numpy(self._person[chosen])}


def crop(photo: Pixels, kps: Floats, jitter: float, rng: np.random.Generator) -> Pixels:
    """One aligned crop (112, 112, 3) of the face at `kps` (5, 2), with a detector's error and a camera's faults.

    Key points move by `jitter` eye distances, by more in one crop of five. Half of the larger faces are made smaller
    first, down to what a face has in a group photograph.
    """
    eyes = float(np.linalg.norm(kps[1] - kps[0]))
    smallest = min(1.0, 11.0 / max(eyes, 1.0))
    if rng.random() < 0.5 and smallest < 0.9:
        photo, factor = shrink(photo, rng.uniform(smallest, 1.0))
        kps = kps * factor
    if rng.random() < 0.25:
        photo = recompress(photo, int(rng.integers(50, 96)))
    spread = np.linalg.norm(kps[1] - kps[0]) * jitter * (1.0 if rng.random() < 0.8 else 2.4)
    moved = kps + rng.normal(0.0, spread, (5, 2)) + rng.normal(0.0, 0.5 * spread, 2)
    aligned = cv2.warpAffine(photo, similarity(moved, arcface_dst), (SIDE, SIDE), borderValue=0.0)
    return hide(spoil(aligned, rng), rng) if rng.random() < 0.1 else spoil(aligned, rng)


def hide(crop: Pixels, rng: np.random.Generator) -> Pixels:
    """Cover a rectangle of up to a third of each side with one colour, as a hand or hair would."""
    width, height = rng.integers(SIDE // 8, SIDE // 3, 2)
    x, y = rng.integers(0, SIDE - width), rng.integers(0, SIDE - height)
    crop = crop.copy()
    crop[y : y + height, x : x + width] = rng.integers(0, 256, 3)
    return crop


def to_pixels(crops: Pixels) -> Tensor:
    """uint8 (N, H, W, 3) to float (N, 3, H, W) in [-1, 1], in the channels-last order of memory that CPUs like."""
    return torch.from_numpy(crops).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)


def train(which: str) -> None:
    """Train, fold and export one recogniser."""
    wanted = settings.fill(RecogniserSettings, settings.section("recogniser")[which], f"recogniser.{which}")
    training = settings.fill(Training, wanted.training, f"recogniser.{which}.training")
    torch.manual_seed(training.seed)
    torch.set_num_threads(1)
    faces = FaceSet((dataset.load(wanted.population, "portraits"), dataset.load(wanted.population, "groups")))
    net = NETS[which](**wanted.sizes)
    people = int(faces.person.max()) + 1
    seed = settings.section("draw")["populations"][wanted.population]["seed"]
    known = coefficients(seed, people)
    model = IdentityLoss(net, known, wanted.sizes["dimension"], wanted.margin, wanted.amount, wanted.scale)
    batches = Crops(faces, training.batch, training.seed, wanted.jitter)
    work = export.work(f"recogniser_{which}")
    seconds = fit(model, batches, _loss, training, work, data=dataset.version(wanted.population))
    folder = settings.MODELS / f"recogniser_{which}"
    stored = export.store_recogniser(net.cpu(), folder, wanted.sizes, also_torch=which == "a")
    data = f"{wanted.population}: {people} drawn people, {len(faces)} faces in portraits and groups"
    facts = {
        "network": type(net).__name__,
        "parameters": stored,
        "data": data,
        "command": f"python -m pipeline.pack.recognition.recogniser --which {which}",
        "seconds": round(seconds),
        "settings": settings.section("recogniser")[which],
    }
    export.write_card([folder.name], "recogniser", facts)


def _loss(model: nn.Module, batch: Batch, done: float) -> Tensor:
    return model(batch["pixels"], batch["person"], done)


def main() -> None:
    """Train the recogniser named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--which", choices=sorted(NETS), required=True)
    train(parser.parse_args().which)


if __name__ == "__main__":
    main()
