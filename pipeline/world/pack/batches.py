"""Batches for the pack's backbone: latents of whole photographs and of close-ups, captions, people, noise and times."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm
from transformers import CLIPTokenizer

from pipeline.precision import autocast
from pipeline.world.pack import draw, fit, portrayed, vae

CLOSE = 8  # side of a close-up in latent cells: 64 pixels, a portrait's face


@dataclass(frozen=True)
class Diffusion:
    """How the noise is weighted and what a batch holds."""

    gamma: float  # of min-SNR
    focus: tuple[int, int]  # times between which half of the batch lies: where faces take their form
    drop: float  # share of captions that are empty
    told: float  # share of photographs whose people are told
    tokens: int  # that tell of a person
    face: float  # how much more a position within a face counts
    text: bool  # whether the text encoder learns too
    average: float  # decay of the moving average
    portraits: float  # share of the steps that are on portraits; the others are on groups
    close_ups: float  # share of the steps that are on close-ups of faces


@dataclass(frozen=True)
class Kind:
    """All photographs of one kind, as the training reads them."""

    moments: NDArray[np.float16]  # (photos, 2 C, h, w)
    tokens: Tensor  # (photos, T)
    cast: portrayed.Cast


@dataclass(frozen=True)
class Chosen:
    """Photographs, or close-ups of them, and what goes with them."""

    moments: NDArray[np.float16]  # (B, 2 C, h, w)
    tokens: Tensor  # (B, T)
    people: NDArray[np.float32]  # (B, N, K)
    boxes: NDArray[np.float32]  # (B, N, 4) fractions of the picture
    present: NDArray[np.bool_]  # (B, N)


class Batches:
    """Batches drawn from the seed and their number: of portraits, of groups, or of close-ups of either.

    A close-up of a face costs a quarter of a portrait, and it is faces that take long to learn. Training on patches
    first, and on some whole pictures always, is Patch Diffusion's way (Wang et al. 2023, arXiv 2304.12526).
    """

    def __init__(
        self, kinds: dict[str, Kind], empty: Tensor, scaling: float, diffusion: Diffusion, training: fit.Training
    ) -> None:
        self._kinds, self._empty = kinds, empty
        self._scaling, self._diffusion, self._training = scaling, diffusion, training

    def __call__(self, index: int) -> fit.Batch:
        """Batch `index`: latents and noise (B, C, h, w), tokens (B, T), times (B,), and of the people coefficients
        (B, N, K), boxes (B, N, 4) and who is told of (B, N)."""
        chance = np.random.default_rng([self._training.seed, index])
        chosen = self._choose(chance)
        size = len(chosen.moments)
        mean, logvar = np.split(chosen.moments.astype(np.float32), 2, axis=1)
        latents = (mean + np.exp(0.5 * logvar) * _normal(chance, mean)) * self._scaling
        dropped = torch.from_numpy(chance.random(size) < self._diffusion.drop)
        told = chosen.present & (chance.random(size) < self._diffusion.told)[:, None]
        return {
            "latents": torch.from_numpy(latents),
            "noise": torch.from_numpy(_normal(chance, mean)),
            "tokens": torch.where(dropped[:, None], self._empty, chosen.tokens),
            "times": torch.from_numpy(_times(chance, size, self._diffusion.focus)),
            "people": torch.from_numpy(chosen.people),
            "boxes": torch.from_numpy(chosen.boxes),
            "told": torch.from_numpy(told),
        }

    def _choose(self, chance: np.random.Generator) -> Chosen:
        """All kinds of batches cost about as much: there are half as many groups, and three times as many close-ups."""
        groups, close = chance.random() >= self._diffusion.portraits, chance.random() < self._diffusion.close_ups
        kind, batch = self._kinds["groups" if groups else "portraits"], self._training.batch
        if close:
            return self._close_ups(chance, kind, 3 * batch, groups)
        photos = chance.integers(len(kind.moments), size=batch // 2 if groups else batch)
        cast, tokens = kind.cast, kind.tokens[torch.from_numpy(photos)]
        return Chosen(kind.moments[photos], tokens, cast.people[photos], cast.boxes[photos], cast.present[photos])

    def _close_ups(self, chance: np.random.Generator, kind: Kind, size: int, groups: bool) -> Chosen:
        """Close-ups of one face each. A group's caption describes everybody, so it is left out."""
        photos, slots = np.nonzero(kind.cast.present)
        faces = chance.integers(len(photos), size=size)
        photos, slots = photos[faces], slots[faces]
        boxes = kind.cast.boxes[photos, slots]
        corners = close_up(boxes, kind.moments.shape[2:], chance.integers(-1, 2, (size, 2)))
        extent = np.array(kind.moments.shape[:1:-1], np.float32)  # width, height
        moved = ((boxes.reshape(-1, 2, 2) * extent - corners[:, None]) / CLOSE).astype(np.float32)
        places = zip(photos, corners, strict=True)
        cut = [kind.moments[photo, :, y : y + CLOSE, x : x + CLOSE] for photo, (x, y) in places]
        tokens = self._empty.expand(size, -1) if groups else kind.tokens[torch.from_numpy(photos)]
        people = kind.cast.people[photos, slots][:, None]
        return Chosen(np.stack(cut), tokens, people, moved.reshape(-1, 1, 4), np.ones((size, 1), np.bool_))


def close_up(boxes: NDArray[np.float32], size: tuple[int, int], shift: NDArray[np.int64]) -> NDArray[np.int64]:
    """Upper left cells (B, 2), x and y, of close-ups around boxes (B, 4), fractions of a latent of (height, width).

    They are moved by `shift` (B, 2) cells, but not out of the picture.
    """
    extent = np.array(size[::-1])
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2 * extent
    return np.clip(np.round(centres - CLOSE / 2).astype(np.int64) + shift, 0, extent - CLOSE)


def _normal(chance: np.random.Generator, like: NDArray[np.float32]) -> NDArray[np.float32]:
    return chance.standard_normal(like.shape, np.float32)


def _times(chance: np.random.Generator, size: int, focus: tuple[int, int]) -> NDArray[np.int64]:
    """Half of the times from all over the schedule, half from within `focus`; less variance than independent ones."""
    whole = int(DDIMScheduler().config.num_train_timesteps)
    everywhere, within = _spread(chance, size - size // 2), _spread(chance, size // 2)
    times = np.concatenate([everywhere * whole, focus[0] + within * (focus[1] - focus[0])])
    return np.floor(times).astype(np.int64)


def _spread(chance: np.random.Generator, size: int) -> NDArray[np.float64]:
    """One number from each of `size` equal pieces of [0, 1)."""
    return (np.arange(size) + chance.random(size)) / size


@torch.no_grad()
def moments(model: AutoencoderKL, data: draw.Drawn, path: Path) -> NDArray[np.float16]:
    """Mean and log variance (N, 2 C, h, w) of every photograph's latent, made once and memory-mapped."""
    if path.exists():
        return np.load(path, mmap_mode="r")
    height, width = (edge // 8 for edge in data.images.shape[1:3])
    size = (len(data.images), 2 * model.config.latent_channels, height, width)
    path.parent.mkdir(parents=True, exist_ok=True)
    writing = path.with_suffix(".writing")
    made = np.lib.format.open_memmap(writing, mode="w+", dtype=np.float16, shape=size)
    where = fit.device()
    model.to(where, memory_format=torch.channels_last)
    for start in tqdm(range(0, len(made), 16), desc=f"latents {path.stem}", mininterval=5):
        images = torch.stack([vae.to_tensor(each) for each in data.images[start : start + 16]]).to(where)
        with autocast(where):
            posterior = model.encode(images).latent_dist
        made[start : start + 16] = torch.cat([posterior.mean, posterior.logvar], 1).half().cpu().numpy()
    made.flush()
    writing.rename(path)
    return np.load(path, mmap_mode="r")


def tokenize(words: CLIPTokenizer, captions: Sequence[str]) -> Tensor:
    """Tokens (N, T) of captions, as the pipeline cuts them."""
    return words(list(captions), padding="max_length", truncation=True, return_tensors="pt").input_ids
