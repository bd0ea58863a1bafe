"""Batches for the pack's backbone: latents of whole photographs and of close-ups, captions, people, noise and times."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import CLIPTokenizer

from pipeline.backbone.timesteps import stratified_timesteps
from pipeline.pack import trainer
from pipeline.pack.diffusion import blocks, identity_conditioning, vae
from pipeline.pack.diffusion.recogniser_loss import face_grid
from pipeline.training.face_crops import corners_of

SCHEDULE_STEPS = 1000  # of noise, from none to nothing else
CLOSE = 16  # side of a close-up in latent cells: 64 pixels, a portrait's face


@dataclass(frozen=True)
class Diffusion:
    """How the noise is weighted and what a batch holds."""

    gamma: float  # of min-SNR
    focus: tuple[float, float]  # shares of the schedule between which half of the times lie: where faces take form
    drop: float  # share of captions that are empty
    told: float  # share of photographs whose people are told
    tokens: int  # that tell of a person
    face: float  # how much more a position within a face counts
    average: float  # decay of the moving average
    portraits: float  # share of the steps that are on portraits; the others are on groups
    close_ups: float  # share of the steps that are on close-ups of faces
    judged: int  # pictures of a batch at most whose predicted face recogniser A judges; 0: none
    likeness: float  # weight of what recogniser A says


@dataclass(frozen=True)
class Kind:
    """All photographs of one kind, as the training reads them."""

    images: NDArray[np.uint8]  # (photos, H, W, 3)
    tokens: Tensor  # (photos, T)
    cast: identity_conditioning.Cast


@dataclass(frozen=True)
class Chosen:
    """Photographs, or close-ups of them, and what goes with them."""

    images: NDArray[np.uint8]  # (B, H, W, 3)
    tokens: Tensor  # (B, T)
    people: NDArray[np.float32]  # (B, N, K)
    boxes: NDArray[np.float32]  # (B, N, 4) fractions of the picture
    points: NDArray[np.float32]  # (B, N, 5, 2) key points in pixels
    present: NDArray[np.bool_]  # (B, N)

    def grids(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """Where the aligned face of one person of each picture lies: (B, 2, 3) as `face_grid` says."""
        height, width = self.images.shape[1:3]
        chosen = self.points[np.arange(len(self.points)), rng.integers(self.present.sum(1))]
        return np.stack([face_grid(points, (width, height)) for points in chosen])


class Batches:
    """Batches drawn from the seed and their number: of portraits, of groups, or of close-ups of either.

    A close-up of a face costs a quarter of a portrait, and it is faces that take long to learn. Training on patches
    first, and on some whole pictures always, is Patch Diffusion's way (Wang et al. 2023, arXiv 2304.12526).
    """

    def __init__(self, kinds: dict[str, Kind], empty: Tensor, diffusion: Diffusion, training: trainer.Training) -> None:
        self._kinds, self._empty = kinds, empty
        self._diffusion, self._training = diffusion, training

    def __call__(self, index: int) -> trainer.Batch:
        """Batch `index`: latents and noise (B, C, h, w), tokens (B, T), times (B,), and of the people coefficients
        (B, N, K), boxes (B, N, 4) and who is told of (B, N); grids (B, 2, 3) of one face each."""
        rng = np.random.default_rng([self._training.seed, index])
        chosen = self._choose(rng)
        size = len(chosen.images)
        latents = blocks.coefficients(vae.to_tensors(chosen.images))
        dropped = torch.from_numpy(rng.random(size) < self._diffusion.drop)
        told = chosen.present & (rng.random(size) < self._diffusion.told)[:, None]
        return {
            "latents": latents,
            "noise": torch.from_numpy(rng.standard_normal(latents.shape, np.float32)),
            "tokens": torch.where(dropped[:, None], self._empty, chosen.tokens),
            "times": stratified_timesteps(size, SCHEDULE_STEPS, self._diffusion.focus, _generator(rng)),
            "people": torch.from_numpy(chosen.people),
            "boxes": torch.from_numpy(chosen.boxes),
            "told": torch.from_numpy(told),
            "grids": torch.from_numpy(chosen.grids(rng)),
        }

    def _choose(self, rng: np.random.Generator) -> Chosen:
        """All kinds of batches cost about as much: there are half as many groups, and three times as many close-ups."""
        groups, close = rng.random() >= self._diffusion.portraits, rng.random() < self._diffusion.close_ups
        kind, batch = self._kinds["groups" if groups else "portraits"], self._training.batch
        if close:
            return self._close_ups(rng, kind, 3 * batch, groups)
        photos = rng.integers(len(kind.images), size=batch // 2 if groups else batch)
        cast, tokens = kind.cast, kind.tokens[torch.from_numpy(photos)]
        people, boxes, points = (each[photos] for each in (cast.people, cast.boxes, cast.points))
        return Chosen(kind.images[photos], tokens, people, boxes, points, cast.present[photos])

    def _close_ups(self, rng: np.random.Generator, kind: Kind, size: int, groups: bool) -> Chosen:
        """Close-ups of one face each. A group's caption describes everybody, so it is left out."""
        photos, slots = np.nonzero(kind.cast.present)
        faces = rng.integers(len(photos), size=size)
        photos, slots = photos[faces], slots[faces]
        boxes = kind.cast.boxes[photos, slots]
        cells = kind.images.shape[1] // blocks.SIDE, kind.images.shape[2] // blocks.SIDE
        extent = np.array(cells[::-1], np.float32)
        shifts = torch.from_numpy(rng.integers(-2, 3, (size, 2)) / extent).float()
        corners = np.array(corners_of(torch.from_numpy(boxes), shifts, cells, (CLOSE, CLOSE)))
        moved = ((boxes.reshape(-1, 2, 2) * extent - corners[:, None]) / CLOSE).astype(np.float32)
        places, side = zip(photos, corners * blocks.SIDE, strict=True), CLOSE * blocks.SIDE
        cut = [kind.images[photo, y : y + side, x : x + side] for photo, (x, y) in places]
        tokens = self._empty.expand(size, -1) if groups else kind.tokens[torch.from_numpy(photos)]
        people = kind.cast.people[photos, slots][:, None]
        points = (kind.cast.points[photos, slots] - side // CLOSE * corners[:, None])[:, None].astype(np.float32)
        return Chosen(np.stack(cut), tokens, people, moved.reshape(-1, 1, 4), points, np.ones((size, 1), np.bool_))


def _generator(rng: np.random.Generator) -> torch.Generator:
    """A generator of torch that goes on from one of numpy."""
    return torch.Generator().manual_seed(int(rng.integers(2**63)))


def tokenize(words: CLIPTokenizer, captions: Sequence[str]) -> Tensor:
    """Tokens (N, T) of captions, as the pipeline cuts them."""
    return words(list(captions), padding="max_length", truncation=True, return_tensors="pt").input_ids
