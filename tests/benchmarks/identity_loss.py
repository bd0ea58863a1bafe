"""What an ID loss costs: one training step of GroupPortrait without LatentID, with it, and with a loss in pixels.

    python -m tests.benchmarks.identity_loss world    the pack's backbone and recogniser A, 16 portraits (`make bench`)
    python -m tests.benchmarks.identity_loss sd15     Stable Diffusion 1.5's sizes, random weights, one picture of
                                                      512 pixels, a judge of ArcFace-r50's size; up to 20 GB, an hour

A step is forwards, backwards and optimiser of what the stage "single" trains, in the trainer's precision, with as many
references as training ever shows. A plain one neither judges nor lets ID tokens read LatentID's map of the references;
the loss in pixels keeps the map, as the variant `pixel_id` does. Each loss has a process of its own for its peak
memory; there its steps and plain ones take turns, and the ratio is that of the medians. Seconds are those of the
processor on one thread, so that what else the machine does counts little. At SD 1.5's size, so that it fits, all three
hold frozen layers in bfloat16 and have an optimiser without state (SGD): AdamW's two numbers per parameter, 3 GB, would
come on top.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from torch import Tensor

from pipeline import settings
from pipeline.backbone.batch import Batch, FaceLayout, People, Text
from pipeline.backbone.load import Backbone, load
from pipeline.encoders.recogniser import load_torch_recogniser
from pipeline.encoders.residual import ResidualNet, fold
from pipeline.head.people import UNIT
from pipeline.method import NoisyBatch, trainable
from pipeline.methods.group_portrait import GroupPortrait, Settings
from pipeline.methods.group_portrait.latent_id import LATENT_SIDE
from pipeline.precision import autocast
from pipeline.training.loop import peak_memory_mb
from pipeline.training.optimiser import BETAS, Gradients

JUDGES = {"plain": "nothing", "latent": "latent", "pixel": "pixel"}
REFERENCES = 4
SD15 = {
    "sample_size": 64,
    "block_out_channels": (320, 640, 1280, 1280),
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
}
VAE15 = {
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "latent_channels": 4,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
}
# 6 G multiplications per face, as ArcFace's r50 has
R50 = {"stem": 64, "widths": (128, 256, 512), "blocks": (6, 17, 3), "dimension": 512}


@dataclass(frozen=True)
class Size:
    """What is measured at one size."""

    backbone: Callable[[], Backbone]
    judge: Callable[[], torch.nn.Module]
    dimension: int  # of the recogniser
    context: tuple[int, int]  # words and width of the captions
    patches: tuple[int, int]  # tokens and width of the image encoder
    pictures: int
    side: int  # of the latent
    turns: int
    optimiser: Callable[[Any], torch.optim.Optimizer]


def sd15() -> Backbone:
    """A backbone of Stable Diffusion 1.5's sizes with random weights."""
    scheduler = DDIMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
    parts = SimpleNamespace(unet=UNet2DConditionModel(**SD15), vae=AutoencoderKL(**VAE15), scheduler=scheduler)
    for frozen in (parts.unet, parts.vae):
        for layer in frozen.modules():
            if isinstance(layer, torch.nn.Linear | torch.nn.Conv2d):
                layer.bfloat16()
    return Backbone(SimpleNamespace(to=lambda _: None, **vars(parts)))


def world(name: str) -> str:
    """The path of one of the pack's models."""
    return str(getattr(settings.load().models, name))


SIZES = {
    "world": Size(
        backbone=lambda: load(world("backbone"), "cpu"),
        judge=lambda: load_torch_recogniser(world("recogniser_a")),
        dimension=128,
        context=(52, 128),
        patches=(64, 128),
        pictures=16,
        side=32,
        turns=4,
        optimiser=lambda parameters: torch.optim.AdamW(parameters, lr=1e-5, betas=BETAS, fused=True),
    ),
    "sd15": Size(
        backbone=sd15,
        judge=lambda: fold(ResidualNet(**R50)).requires_grad_(False).eval(),
        dimension=512,
        context=(77, 768),
        patches=(257, 1280),
        pictures=1,
        side=64,
        turns=3,
        optimiser=lambda parameters: torch.optim.SGD(parameters, lr=1e-5),
    ),
}


def given(size: Size, backbone: Backbone) -> NoisyBatch:
    """A batch of random pictures with one person each, whose face is a quarter of the picture high."""
    count, cells, pixels = size.pictures, (size.side, size.side), size.side * backbone.factor
    features = {
        "embedding": torch.randn(count, 1, REFERENCES, size.dimension),
        "patches": torch.randn(count, 1, REFERENCES, *size.patches),
        "latents": torch.randn(count, 1, REFERENCES, backbone.channels, LATENT_SIDE, LATENT_SIDE),
    }
    canvas = torch.rand(count, GroupPortrait.control_channels, pixels, pixels)
    canvas[:, -1] = UNIT / 255
    words, width = size.context
    text = Text(torch.zeros(count, words, dtype=torch.long), torch.randn(count, words, width), None)
    layout = FaceLayout(torch.tensor([[[0.3, 0.3, 0.6, 0.6]]]).expand(count, -1, -1), landmarks(count))
    batch = Batch(
        text, People(features, torch.ones(count, 1, REFERENCES, dtype=torch.bool)), cells, layout, control_image=canvas
    )
    latents, noise = torch.randn(2, count, backbone.channels, *cells)
    times = torch.full((count,), backbone.steps // 3)
    noisy, target = backbone.noisy(latents, noise, times), backbone.target(latents, noise, times)
    found = torch.randn(count, 1, size.dimension)
    return NoisyBatch(batch, latents, noisy, times, target, backbone.weights(times, 5.0), 8.0, found, backbone)


def landmarks(count: int) -> Tensor:
    """68 landmarks (count, 1, 68, 2) whose five key points are those of a face in the middle."""
    points = torch.full((count, 1, 68, 2), 0.45)
    for first, last, place in (
        (36, 42, (0.38, 0.4)),
        (42, 48, (0.52, 0.4)),
        (48, 49, (0.4, 0.54)),
        (54, 55, (0.5, 0.54)),
    ):
        points[..., first:last, :] = torch.tensor(place)
    return points


def step_of(size: Size, judges: set[str]) -> Callable[[str], None]:
    """One training step by the name of a judge."""
    backbone = size.backbone()
    null_features = {
        "embedding": torch.zeros(size.dimension),
        "patches": torch.zeros(size.patches),
        "latents": torch.zeros(backbone.channels, LATENT_SIDE, LATENT_SIDE),
    }
    method = GroupPortrait(backbone, null_features, Settings()).float().train()
    method.attach(backbone.unet)
    method._judge = size.judge() if "pixel" in judges else None
    phase = method.phases()[1]
    names = trainable(method, phase)
    for name, parameter in method.named_parameters():
        parameter.requires_grad_(name in names)
    parameters = [parameter for parameter in method.parameters() if parameter.requires_grad]
    optimiser, gradients, drawn = size.optimiser(parameters), Gradients(parameters, 8), given(size, backbone)
    look = method.look

    def step(judge: str) -> None:
        method.settings = replace(method.settings, judge=JUDGES[judge])
        method.look = None if judge == "plain" else look
        gradients.buffer.zero_()
        with autocast(backbone.device):
            terms = method.objective(phase, drawn)
        torch.stack(list(terms.values())).sum().backward()
        gradients.clip()
        optimiser.step()

    return step


def measure(size: Size, judge: str) -> dict[str, Any]:
    """Seconds of plain steps and of the judge's, in turns, and the most memory that the process held."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    names = sorted({"plain", judge})
    step = step_of(size, set(names))
    for name in names:  # a first step is slower by what the memory takes that it is given
        step(name)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(size.turns if judge != "plain" else 1):
        for name in names:
            begun = time.process_time()
            step(name)
            seconds[name].append(round(time.process_time() - begun, 3))
            print(name, seconds[name][-1], round(peak_memory_mb()), file=sys.stderr, flush=True)
    return {"seconds": seconds, "peak_mb": round(peak_memory_mb())}


def in_own_process(name: str, judge: str) -> dict[str, Any]:
    """`measure` in a fresh process."""
    command = [sys.executable, "-m", "tests.benchmarks.identity_loss", name, "--judge", judge]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, env=os.environ).stdout)


def line(judge: str, found: dict[str, Any], plain_mb: int) -> str:
    """A row of the table."""
    seconds = {name: median(each) for name, each in found["seconds"].items()}
    ratio = seconds[judge] / seconds["plain"]
    return f"| {judge} | {seconds[judge]:.2f} | {ratio:.2f} | {found['peak_mb']} | {found['peak_mb'] - plain_mb:+d} |"


def main() -> None:
    """Measure one size; print a table, or with --judge what one process found as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", choices=SIZES)
    parser.add_argument("--judge", choices=JUDGES)
    parser.add_argument("--out", type=Path, help="also write what was found as JSON")
    chosen = parser.parse_args()
    if chosen.judge:
        print(json.dumps(measure(SIZES[chosen.size], chosen.judge)))
        return
    found = {judge: in_own_process(chosen.size, judge) for judge in JUDGES}
    print(f"{chosen.size}\n| ID loss on | s per step | times plain | peak MB | beside plain |\n|---|---|---|---|---|")
    for judge, each in found.items():
        print(line(judge, each, found["plain"]["peak_mb"]), flush=True)
    if chosen.out:
        chosen.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
