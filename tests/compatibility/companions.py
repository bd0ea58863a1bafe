"""Trains what methods are to get along with, a few minutes each, on training photos of the drawn world.

    python -m tests.compatibility.companions control SAMPLES OUT.safetensors

`control`: a ControlNet that reads edges; `prompt`: an IP-Adapter that reads a photo's image embedding; `style`: a
low-rank change of the UNet towards sepia prints.
"""

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from diffusers import ControlNetModel
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.utils import parametrize

from pipeline import settings, shards
from pipeline.backbone.load import Backbone, load
from pipeline.encoders.image_text import ImageText
from pipeline.images import decode, to_unit
from pipeline.inference.addons import ControlNet, ControlNetBackbone, ImagePrompt, image_prompt_tensors
from pipeline.precision import autocast

PHOTOS, BATCH, RATE = 1500, 8, 1e-3
NO_TEXT = 0.1  # share of the captions that are left out
RANK = 8
SEPIA = (1.0, 0.88, 0.68)
WIDTHS = (16, 32, 96)  # of the ControlNet's way to the latent's size: two halvings


@dataclass(frozen=True)
class Photos:
    """Portraits of one size with their captions."""

    pictures: np.ndarray  # (P, H, W, 3) uint8
    captions: list[str]


@dataclass(frozen=True)
class Noised:
    """Noisy latents of some photos, and which photos they are."""

    rows: Tensor  # (B,) numbers of the photos
    noisy: Tensor  # (B, C, h, w)
    times: Tensor  # (B,)


@dataclass(frozen=True)
class Companion:
    """What is trained: its parameters, what the base predicts with it, and the tensors that are kept."""

    parameters: list[nn.Parameter]
    backbone: Callable[[Noised], Backbone]
    tensors: Callable[[], Mapping[str, Tensor]]


def read_photos(samples: Path, count: int) -> Photos:
    """The first portraits of the training shards."""
    rows = []
    for path in shards.paths(samples, "train"):
        rows += [row for row in shards.read(path, ["image", "caption", "faces"]).to_pylist() if len(row["faces"]) == 1]
        if len(rows) >= count:
            break
    pictures = np.stack([decode(row["image"]["bytes"]) for row in rows[:count]])
    return Photos(pictures, [row["caption"] for row in rows[:count]])


def edges(picture: np.ndarray) -> np.ndarray:
    """Canny's edges of a picture (H, W, 3), as a ControlNet reads them: (H, W, 3) of 0 and 255."""
    found = cv2.Canny(cv2.GaussianBlur(picture, (3, 3), 0), 50, 120)
    return np.repeat(found[..., None], 3, axis=2)


def sepia(pictures: np.ndarray) -> np.ndarray:
    """Pictures (..., 3) as sepia prints."""
    grey = pictures @ np.array([0.299, 0.587, 0.114])
    return (grey[..., None] * SEPIA).round().astype(np.uint8)


def close_ups(pictures: np.ndarray) -> np.ndarray:
    """The middle half of pictures (P, H, W, 3), in height and in width."""
    height, width = pictures.shape[1] // 4, pictures.shape[2] // 4
    return pictures[:, height:-height, width:-width]


def as_input(pictures: np.ndarray) -> Tensor:
    """(P, H, W, 3) uint8 to (P, 3, H, W) in [0, 1]."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255


def control(backbone: Backbone, photos: Photos, start: Path | None) -> Companion:
    """An ordinary ControlNet made from the backbone's UNet, or the one in `start`; it reads edges."""
    net = new_control(backbone).train()
    if start:
        net.load_state_dict(load_file(start))
    pictures = as_input(np.stack([edges(picture) for picture in photos.pictures]))

    def helped(noised: Noised) -> Backbone:
        return ControlNetBackbone(backbone, [ControlNet(net, pictures[noised.rows])])

    return Companion(list(net.parameters()), helped, net.state_dict)


def new_control(backbone: Backbone) -> ControlNetModel:
    """An untrained ControlNet for three channels."""
    return ControlNetModel.from_unet(backbone.unet, conditioning_embedding_out_channels=WIDTHS)


def prompt(backbone: Backbone, photos: Photos, image_text: ImageText) -> Companion:
    """An IP-Adapter; of some photos it is shown no embedding, as of some no caption."""
    made = ImagePrompt(backbone.unet, image_text.dimension)
    made.attach(backbone.unet)
    embeddings = embedded(image_text, photos.pictures)

    def shown(noised: Noised) -> Backbone:
        given = torch.rand(len(noised.rows), 1) >= NO_TEXT
        made.show(embeddings[noised.rows] * given, guided=False)
        return backbone

    return Companion(list(made.parameters()), shown, lambda: image_prompt_tensors(backbone.unet, made))


@torch.no_grad()
def embedded(image_text: ImageText, pictures: np.ndarray) -> Tensor:
    """Image embeddings (P, E) of length sqrt(E), of pictures (P, H, W, 3)."""
    parts = torch.from_numpy(to_unit(pictures)).permute(0, 3, 1, 2).split(64)
    return torch.cat([image_text.image(part) for part in parts]) * image_text.dimension**0.5


class Change(nn.Module):
    """A low-rank change of a weight."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        inputs = weight[0].numel()
        self.down = nn.Parameter(torch.randn(RANK, inputs) / inputs**0.5)
        self.up = nn.Parameter(torch.zeros(len(weight), RANK))

    def forward(self, weight: Tensor) -> Tensor:
        """The weight with the change added."""
        return weight + (self.up @ self.down).view_as(weight)


def style(backbone: Backbone, photos: Photos) -> Companion:
    """Low-rank changes of every linear layer and convolution, kept in peft's layout."""
    changes = {}
    for name, module in list(backbone.unet.named_modules()):
        if isinstance(module, nn.Linear | nn.Conv2d):
            changes[name] = Change(module.weight)
            parametrize.register_parametrization(module, "weight", changes[name])

    def tensors() -> dict[str, Tensor]:
        factors = {"lora_A": "down", "lora_B": "up"}
        return {f"unet.{name}.{theirs}.weight": getattr(change, ours).detach() for name, change in changes.items()
                for theirs, ours in factors.items()}  # fmt: skip

    return Companion([part for change in changes.values() for part in change.parameters()], lambda _: backbone, tensors)


def train(backbone: Backbone, companion: Companion, photos: Photos, steps: int, rate: float) -> None:
    """The plain diffusion loss on the photos."""
    optimiser = torch.optim.AdamW(companion.parameters, lr=rate, betas=(0.9, 0.99))
    latents = torch.cat([backbone.encode(part)[0] for part in as_input(photos.pictures).mul(2).sub(1).split(32)])
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = rate * min((step + 1) / 20, (steps - step) / steps * 2, 1.0)
        rows = torch.randint(len(latents), (BATCH,))
        noise, times = torch.randn_like(latents[rows]), torch.randint(backbone.steps, (BATCH,))
        noised = Noised(rows, backbone.noisy(latents[rows], noise, times), times)
        text = backbone.encode_text([photos.captions[row] if torch.rand(()) >= NO_TEXT else "" for row in rows])
        with autocast(backbone.device):
            found = companion.backbone(noised).denoise(noised.noisy, times, text)
        error = (found.float() - backbone.target(latents[rows], noise, times)).square().mean((1, 2, 3))
        loss = (error * backbone.weights(times, 5.0)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 25 == 0:
            print(step, round(float(loss), 4), flush=True)


def main() -> None:
    """Train one companion and write its tensors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["control", "prompt", "style"])
    parser.add_argument("samples", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--photos", type=int, default=PHOTOS)
    parser.add_argument("--rate", type=float, default=RATE)
    parser.add_argument("--start", type=Path, help="a ControlNet to go on from")
    parser.add_argument("--close-ups", action="store_true", help="the middle of the photos: a quarter of the time")
    chosen = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    models = settings.load().models
    backbone, photos = load(models.backbone), read_photos(chosen.samples, chosen.photos)
    if chosen.close_ups:
        photos = Photos(close_ups(photos.pictures), photos.captions)
    if chosen.what == "style":
        photos = Photos(sepia(photos.pictures), photos.captions)
    made = {
        "control": lambda: control(backbone, photos, chosen.start),
        "prompt": lambda: prompt(backbone, photos, ImageText(models.image_text)),
        "style": lambda: style(backbone, photos),
    }[chosen.what]()
    train(backbone, made, photos, chosen.steps, chosen.rate)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: value.detach().contiguous() for name, value in made.tensors().items()}, chosen.out)


if __name__ == "__main__":
    main()
