"""The one sampler: DDIM with classifier-free guidance (Song et al. arXiv 2010.02502; Ho and Salimans 2207.12598)."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import DDIMScheduler
from torch import Tensor

from pipeline.backbone.batch import Batch, concatenate
from pipeline.backbone.load import Backbone
from pipeline.method import Method
from pipeline.precision import autocast


@dataclass(frozen=True)
class SamplerSettings:
    """How images are drawn."""

    steps: int
    guidance: float
    eta: float = 0.0  # share of DDPM's noise that is added back after every step
    half: bool = False  # the UNet calculates in bfloat16 where that is fast; latents and sums stay in float32


@torch.no_grad()
def sample(
    backbone: Backbone,
    method: Method,
    batch: Batch,
    seeds: Sequence[int],
    how: SamplerSettings,
    watched: Callable[[Iterable[Any]], Iterable[Any]] = iter,
) -> Tensor:
    """Images (B, 3, H, W) in [-1, 1], one per seed; an image's noise depends on its own seed alone.

    The method must be attached to the backbone's UNet. Guidance compares with neither prompt nor identities.

    Args:
        watched: shows how far sampling is, as tqdm does.
    """
    scheduler = DDIMScheduler.from_config(backbone.scheduler_config)
    scheduler.set_timesteps(how.steps, device=backbone.device)
    noise = PerImageNoise(seeds, (backbone.channels, *batch.size), backbone.device)
    latents = noise() * scheduler.init_noise_sigma
    empty = backbone.encode_text([""])
    condition = method.eval().condition(concatenate(batch.unconditional(empty, method.null_features), batch))
    for number, time in enumerate(watched(scheduler.timesteps)):
        current = method.condition_at(condition, number / how.steps)
        both = torch.cat([latents, latents])
        with autocast(backbone.device, how.half):
            found = method.predict(backbone, both, time.expand(len(both)), current)
        uncond, cond = found.float().chunk(2)
        guided = uncond + how.guidance * (cond - uncond)
        # From pure noise there is nothing to add noise to: the variance of a first step without signal is 0 / 0.
        eta = how.eta if number else 0.0
        latents = scheduler.step(guided, time, latents, eta=eta, variance_noise=noise() if eta else None).prev_sample
    return backbone.decode(latents)


class PerImageNoise:
    """Standard normal latents (B, C, h, w), anew at every call, each image's from its own seed."""

    def __init__(self, seeds: Sequence[int], size: tuple[int, int, int], device: torch.device) -> None:
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._size, self._device = size, device

    def __call__(self) -> Tensor:
        """The next ones."""
        noise = [torch.randn(self._size, generator=generator) for generator in self._generators]
        return torch.stack(noise).to(self._device)
