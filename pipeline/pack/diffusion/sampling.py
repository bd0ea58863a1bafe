"""Pictures of the trained backbone by diffusers' own pipeline, for measuring it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionPipeline
from numpy.typing import NDArray

from pipeline.pack import dataset, settings


def load(folder: Path = settings.MODELS / "backbone") -> StableDiffusionPipeline:
    """The pipeline of a directory, without its progress bar."""
    pipe = StableDiffusionPipeline.from_pretrained(folder, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def sample(
    pipe: StableDiffusionPipeline,
    prompts: Sequence[str],
    seeds: Sequence[int],
    width: int,
    steps: int = 20,
    guidance: float = 2.0,
) -> NDArray[np.uint8]:
    """One image (128, width) per prompt and seed: uint8 (N, 128, width, 3)."""
    made = []
    for start in range(0, len(prompts), 16):
        part = slice(start, start + 16)
        images = pipe(
            list(prompts[part]),
            height=dataset.HEIGHT,
            width=width,
            num_inference_steps=steps,
            guidance_scale=guidance,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds[part]],
            output_type="np",
        ).images
        made.append(np.round(images * 255).astype(np.uint8))
    return np.concatenate(made)
