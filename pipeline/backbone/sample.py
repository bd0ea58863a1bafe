"""The one sampler: DDIM with classifier-free guidance (Song et al. arXiv 2010.02502; Ho and Salimans 2207.12598)."""

from collections.abc import Sequence

import torch
from diffusers import DDIMScheduler
from torch import Tensor

from pipeline.backbone.batch import Batch, join
from pipeline.backbone.load import Backbone
from pipeline.method import Method


@torch.no_grad()
def draw(backbone: Backbone, method: Method, batch: Batch, seeds: Sequence[int], steps: int, guidance: float) -> Tensor:
    """Pictures (B, 3, H, W) in [-1, 1], one per seed; a picture's noise depends on its own seed alone.

    The method must be attached to the backbone's UNet. Guidance compares with neither prompt nor identities.
    """
    scheduler = DDIMScheduler.from_config(backbone.scheduler_config)
    scheduler.set_timesteps(steps, device=backbone.device)
    latents = noise(seeds, backbone.channels, batch.size).to(backbone.device) * scheduler.init_noise_sigma
    empty = backbone.encode_text([""])
    condition = method.eval().condition(join(batch.unconditional(empty, method.blank), batch))
    for number, time in enumerate(scheduler.timesteps):
        current = method.at(condition, number / steps)
        both = torch.cat([latents, latents])
        found = method.predict(backbone, both, time.expand(len(both)), current)
        without, given = found.chunk(2)
        latents = scheduler.step(without + guidance * (given - without), time, latents).prev_sample
    return backbone.decode(latents)


def noise(seeds: Sequence[int], channels: int, size: tuple[int, int]) -> Tensor:
    """Standard normal latents (B, C, h, w), each from its own seed."""
    return torch.stack([torch.randn(channels, *size, generator=torch.Generator().manual_seed(seed)) for seed in seeds])
