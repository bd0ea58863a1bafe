"""Training worked out by hand: a linear denoiser of two numbers through the whole loop, beside the same in plain numpy.

The denoiser says `scale * noisy + shift`. What the loop gave it (noisy latents, times) is taken as it came; loss,
gradient, clipping, AdamW and learning rate are worked out again here, from their papers and in double precision.
"""

import csv
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from pipeline.backbone import load
from pipeline.images import decode, to_unit
from pipeline.method import Method, NoisyBatch, Phase
from pipeline.methods import uniportrait
from pipeline.settings import Models
from pipeline.shards import training_shards
from pipeline.training import cache, loop
from tests.tiny_training import make_plan

STEPS, BATCH, RATE, GAMMA, FACE_WEIGHT = 40, 4, 0.1, 2.0, 3.0
FACTORS = {"scale": 1.0, "shift": 0.25}
START = {"scale": 1.5, "shift": -0.5}
# diffusers' linear schedule, as the tiny backbone has it
ALPHAS = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))
BETAS, DECAY, CLIP, EPSILON = (0.9, 0.99), 0.01, 1.0, 1e-8


@dataclass(frozen=True)
class NoSettings:
    """The linear denoiser has none."""


@dataclass(frozen=True)
class Seen:
    """What one step was given, and the numbers it began with; in float64."""

    latents: np.ndarray  # (B, C, h, w)
    noisy: np.ndarray  # (B, C, h, w)
    kept: np.ndarray  # (B, 1, 1, 1) share of the signal's variance
    embeddings: np.ndarray  # (B, D)
    numbers: dict[str, float]

    @property
    def noise(self) -> np.ndarray:
        return (self.noisy - np.sqrt(self.kept) * self.latents) / np.sqrt(1 - self.kept)


@dataclass(frozen=True)
class Run:
    """A whole training: what every step saw, and what was left at the end."""

    steps: list[Seen]
    curve: list[float]  # mean losses over 20 steps each
    weights: dict[str, float]
    photos: dict[bytes, np.ndarray]  # embedding of the one face -> mean and deviation (2C, h, w) of the latents


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, models: Models) -> Run:
    steps: list[Seen] = []

    class Linear(Method):
        def __init__(self, *given: Any, **options: Any) -> None:
            super().__init__(*given, **options)
            for name, value in START.items():
                setattr(self, name, nn.Parameter(torch.tensor([value])))

        def phases(self) -> tuple[Phase, ...]:
            return (Phase("all", 1.0, (1, 1), FACTORS),)

        def predict(self, backbone: Any, noisy: torch.Tensor, times: Any, condition: Any) -> torch.Tensor:
            return self.scale * noisy + self.shift

        def objective(self, phase: Phase, given: NoisyBatch) -> dict[str, torch.Tensor]:
            numbers = {name: getattr(self, name).item() for name in START}
            parts = (given.latents, given.noisy, given.embeddings[:, 0])
            latents, noisy, embeddings = (part.double().numpy() for part in parts)
            kept = ALPHAS[given.times.numpy()].reshape(-1, 1, 1, 1)
            steps.append(Seen(latents, noisy, kept, embeddings, numbers))
            return super().objective(phase, given)

    options = {"min_snr_gamma": GAMMA, "face_weight": FACE_WEIGHT, "learning_rate": RATE, "close_ups": 0.0}
    # before the method is another one: the cache that this fills is other tests', too
    plan = make_plan(tmp_path_factory.mktemp("data"), models, images=STEPS * BATCH, batch=BATCH, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uniportrait, "METHOD", Linear)
        patch.setattr(uniportrait, "VARIANTS", {"": NoSettings()})
        loop.fit(plan)
    curve = [float(line["diffusion"]) for line in csv.DictReader((plan.out / "curve.csv").read_text().splitlines())]
    stored = load_file(plan.out / "adapter.safetensors")
    weights = {name: stored[name].item() for name in START}
    return Run(steps, curve, weights, photos_of(plan.samples, models))


def photos_of(samples: Path, models: Models) -> dict[bytes, np.ndarray]:
    backbone = load.load(models.backbone)
    found = {}
    for path in training_shards(samples):
        for row in cache.kept_rows(path, ["image", "faces"]).to_pylist():
            pixels = torch.from_numpy(to_unit(decode(row["image"]["bytes"]))).permute(2, 0, 1)[None]
            key = np.array(row["faces"][0]["embedding"], np.float32).tobytes()
            found[key] = torch.cat(backbone.encode(pixels), dim=1)[0].double().numpy()
    return found


def rate(step: int) -> float:
    """A twentieth of the steps rises, here steps 0 and 1, the others fall along half a cosine."""
    return (step + 1) / 3 if step < 2 else 0.5 + 0.5 * np.cos(np.pi * (step - 2) / (STEPS - 2))


def loss_of(seen: Seen, scale: float, shift: float) -> tuple[float, np.ndarray]:
    """The loss, and its derivatives by scale and shift.

    v-prediction (Salimans and Ho 2022): v = alpha noise - sigma latents. A cell of the face's box (the middle half of
    the photo, 4 of 8 cells along each side) counts 1 + the face weight. Min-SNR for v: min(1, gamma / (SNR + 1)).
    """
    counts = np.ones((8, 8))
    counts[2:6, 2:6] += FACE_WEIGHT
    target = np.sqrt(seen.kept) * seen.noise - np.sqrt(1 - seen.kept) * seen.latents
    error = scale * seen.noisy + shift - target
    weights = np.minimum(1.0, GAMMA * (1 - seen.kept)) * counts / counts.sum() / error.shape[1] / len(error)
    slopes = [(weights * 2 * error * by).sum() for by in (seen.noisy, 1.0)]
    return float((weights * error**2).sum()), np.array(slopes)


def by_hand(steps: list[Seen]) -> tuple[list[np.ndarray], list[float], list[float]]:
    """Scale and shift before every step and after the last, losses, and norms of the gradient.

    AdamW (Loshchilov and Hutter 2019, algorithm 2); its two moments are freed of their bias towards 0.
    """
    numbers, first, second = np.array(list(START.values())), np.zeros(2), np.zeros(2)
    trace, losses, norms = [numbers], [], []
    for step, seen in enumerate(steps):
        loss, slope = loss_of(seen, *numbers)
        norms.append(float(np.linalg.norm(slope)))
        slope = slope * min(1.0, CLIP / norms[-1])
        first = BETAS[0] * first + (1 - BETAS[0]) * slope
        second = BETAS[1] * second + (1 - BETAS[1]) * slope**2
        mean, square = first / (1 - BETAS[0] ** (step + 1)), second / (1 - BETAS[1] ** (step + 1))
        speed = RATE * rate(step) * np.array(list(FACTORS.values()))
        numbers = numbers - speed * (mean / (np.sqrt(square) + EPSILON) + DECAY * numbers)
        trace.append(numbers)
        losses.append(loss)
    return trace, losses, norms


def test_the_first_step_moves_each_number_by_its_rate_and_decay(run: Run) -> None:
    """AdamW's first step is the sign of the gradient, times the rate: a third of it, for the rise is of two steps."""
    _, slope = loss_of(run.steps[0], **START)
    for index, (name, start) in enumerate(START.items()):
        speed = RATE / 3 * FACTORS[name]
        moved = run.steps[1].numbers[name]
        assert moved == pytest.approx(start - speed * (np.sign(slope[index]) + 0.01 * start), abs=1e-6)


def test_every_later_step_follows_too(run: Run) -> None:
    """The second one tells the betas, those where clipping begins or ends its bound, the last one the end."""
    trace, _, norms = by_hand(run.steps)
    assert norms[0] > 1 > min(norms)  # clipping matters, and not always
    found = np.array([list(seen.numbers.values()) for seen in run.steps])
    assert len(found) == STEPS
    np.testing.assert_allclose(found, trace[:-1], atol=2e-5)
    assert run.weights == pytest.approx(dict(zip(START, trace[-1], strict=True)), abs=2e-5)


def test_the_curve_is_the_mean_loss_of_twenty_steps(run: Run) -> None:
    _, losses, _ = by_hand(run.steps)
    assert run.curve == pytest.approx([np.mean(losses[:20]), np.mean(losses[20:])], rel=1e-4)


def test_latents_are_drawn_from_the_photos_posterior_and_noise_is_independent_of_them(run: Run) -> None:
    """Latents are mean + deviation * noise: freed of both they are standard normal, and so is the noise on top."""
    drawn, added = [], []
    for seen in run.steps:
        moments = np.stack([run.photos[key.astype(np.float32).tobytes()] for key in seen.embeddings])
        mean, deviation = np.split(moments, 2, axis=1)
        drawn.append((seen.latents - mean) / deviation)
        added.append(seen.noise)
    for found in (np.ravel(drawn), np.ravel(added)):
        assert found.mean() == pytest.approx(0.0, abs=0.02)
        assert found.std() == pytest.approx(1.0, abs=0.02)
        assert np.mean(np.abs(found) < 1) == pytest.approx(0.6827, abs=0.01)
    assert np.corrcoef(np.ravel(drawn), np.ravel(added))[0, 1] == pytest.approx(0.0, abs=0.02)
    repeated = [np.corrcoef(one.ravel(), other.ravel())[0, 1] for one, other in pairwise(drawn)]
    assert np.abs(repeated).max() < 0.2
