"""The pack's autoencoder: a small diffusers `AutoencoderKL` of factor 4, trained to keep the person in the picture.

Its latents are known beforehand, the cosine coefficients of `blocks`: the encoder learns to find them, the decoder to
make the photograph of them, with some noise on them as a generator's latents have. Loss of the decoder: Charbonnier and
image gradients at two scales, both heavier on faces; the features and the embedding of recogniser A on aligned faces (A
may supervise, B measures). Crops around faces.

Run alone: `python -m pipeline.pack.diffusion.vae`. Writes `models/backbone/vae/`.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from diffusers.models.downsampling import Downsample2D
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.upsampling import Upsample2D
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.encoders.recogniser import kps_from_landmarks68
from pipeline.pack import dataset, export, settings, trainer
from pipeline.pack.diffusion import blocks
from pipeline.pack.diffusion.recogniser_loss import aligned, face_grid, person_loss, supervisor
from pipeline.training.distributed import Ranks
from pipeline.training.randomness import torch_seed

FOLDER = settings.MODELS / "backbone" / "vae"
PART = "autoencoder"
DOWN, UP = "DownEncoderBlock2D", "UpDecoderBlock2D"


@dataclass(frozen=True)
class Sizes:
    """Sizes of the autoencoder; it shrinks by 4, so there are three widths."""

    channels: tuple[int, int, int]  # from full size to a quarter
    groups: int  # of group normalisation


@dataclass(frozen=True)
class Terms:
    """Weights of the loss beside the Charbonnier term's 1, and when they begin."""

    face: float  # extra weight of pixels within faces
    gradient: float
    colour: float  # hue, of 4 x 4 pixels
    features: float  # recogniser A's maps
    identity: float  # recogniser A's embedding
    supervised_from: float  # share of the training after which recogniser A takes part
    latents: float  # error of the encoder's latents
    noise: float  # most that is added to the latents that are decoded


def build(sizes: Sizes, seed: int) -> AutoencoderKL:
    """A new autoencoder with random weights."""
    torch.manual_seed(seed)
    model = AutoencoderKL(
        down_block_types=(DOWN,) * 3,
        up_block_types=(UP,) * 3,
        block_out_channels=tuple(sizes.channels),
        layers_per_block=1,
        latent_channels=blocks.CHANNELS,
        norm_num_groups=sizes.groups,
        sample_size=dataset.HEIGHT,
        scaling_factor=1.0,
        mid_block_add_attention=False,
    )
    _begin_as_pyramid(model)
    return model


@torch.no_grad()
def _begin_as_pyramid(model: AutoencoderKL) -> None:
    """Let the network begin as averaging down and copying up, with silent residual branches and little posterior noise.

    From the usual start it takes over a thousand steps until colours arrive: only brightness comes through at first.
    """
    for part in model.modules():
        if isinstance(part, ResnetBlock2D):
            nn.init.zeros_(part.conv2.weight)
            nn.init.zeros_(part.conv2.bias)
            if part.conv_shortcut is not None:
                nn.init.dirac_(part.conv_shortcut.weight)
        if isinstance(part, Downsample2D):
            # The padding is at the right and below: the square that is averaged is the upper left of the kernel.
            nn.init.zeros_(part.conv.weight)
            part.conv.weight[:, :, :2, :2] = torch.eye(part.conv.weight.shape[0])[:, :, None, None] / 4
        if isinstance(part, Upsample2D):
            nn.init.dirac_(part.conv.weight)
    # The posterior is all but a point: no loss moves its width.
    model.quant_conv.weight[blocks.CHANNELS :] = 0.0
    model.quant_conv.bias[blocks.CHANNELS :] = -8.0


class Learner(nn.Module):
    """The autoencoder as `fit` trains it: with up to `noise` on what is decoded; mostly with little."""

    def __init__(self, vae: AutoencoderKL, noise: float) -> None:
        super().__init__()
        self.vae, self._noise = vae, noise

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images (B, 3, H, W) in [-1, 1] to pictures of their coefficients, and the encoder's error of these."""
        wanted = blocks.coefficients(images)
        found = self.vae.encode(images).latent_dist.mode()
        level = self._noise * torch.rand(len(wanted), 1, 1, 1, device=wanted.device).square()
        made = self.vae.decode(wanted + level * torch.randn_like(wanted)).sample
        return made.float(), (found.float() - wanted).square().mean()


class Batches:
    """Batches of crops at a face, half of portraits and half of groups."""

    def __init__(self, data: dict[str, dataset.Drawn], side: int, training: trainer.Training) -> None:
        self._data, self._side, self._training = data, side, training

    def __call__(self, index: int) -> trainer.Batch:
        """Batch `index`: image (B, 3, H, W) in [-1, 1], face (B, 1, H, W) in {0, 1}, theta (B, 2, 3)."""
        rng = np.random.default_rng([self._training.seed, index])
        kinds = list(self._data.values())
        parts = [_example(kinds[place % 2], self._side, rng) for place in range(self._training.batch)]
        return {name: torch.stack([part[name] for part in parts]) for name in parts[0]}


def _example(data: dataset.Drawn, side: int, rng: np.random.Generator) -> dict[str, Tensor]:
    """A crop of a photograph that holds one face, with the region of its faces."""
    face = int(rng.integers(len(data.photo)))
    photo = data.images[data.photo[face]]
    height, width = photo.shape[:2]
    left, top = _corner(data.box[face], side, (width, height), rng)
    right, bottom = left + side, top + side
    image = to_tensors(photo[top:bottom, left:right])
    region = torch.zeros(1, height, width)
    for x0, y0, x1, y1 in data.box[data.faces_of(int(data.photo[face]))].round().astype(int):
        region[:, max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)] = 1.0
    kps = kps_from_landmarks68(data.landmarks[face] - [left, top])
    theta = face_grid(kps, (side, side))
    return {"image": image, "face": region[:, top:bottom, left:right], "theta": torch.from_numpy(theta)}


def _corner(box: NDArray[np.float32], side: int, size: tuple[int, int], rng: np.random.Generator) -> tuple[int, int]:
    """Left and top of a square within the photograph that holds the box, as far as it fits, at a random place."""
    corner = []
    for low, high, extent in zip(box[:2], box[2:], size, strict=True):
        least, most = (int(np.clip(edge, 0, extent - side)) for edge in (high - side, low))
        corner.append(int(rng.integers(min(least, most), max(least, most) + 1)))
    return corner[0], corner[1]


def charbonnier(difference: Tensor) -> Tensor:
    """A smooth absolute value (Charbonnier et al. 1994)."""
    return (difference.square() + 1e-4).sqrt()


def picture_loss(made: Tensor, wanted: Tensor, face: Tensor, terms: Terms) -> Tensor:
    """Pixels and their gradients at full and half size, faces counting more, and hue."""
    weight = 1.0 + terms.face * face
    value = (weight * charbonnier(made - wanted)).mean() / weight.mean()
    for scale in (1, 2):
        difference, heavy = F.avg_pool2d(made - wanted, scale), F.avg_pool2d(weight, scale)
        for axis in (-1, -2):
            steps = difference.diff(dim=axis).abs() * heavy.narrow(axis, 1, heavy.shape[axis] - 1)
            value = value + terms.gradient * steps.mean() / weight.mean()
    hue = F.avg_pool2d(made - wanted, 4)
    return value + terms.colour * (hue - hue.mean(1, keepdim=True)).abs().mean()


def loss_of(terms: Terms) -> trainer.Loss:
    """The loss that `fit` minimises."""

    def loss(model: nn.Module, batch: trainer.Batch, done: float) -> Tensor:
        wanted = batch["image"]
        made, error = model(wanted)
        value = picture_loss(made, wanted, batch["face"], terms) + terms.latents * error
        if done >= terms.supervised_from:
            faces = aligned(made, batch["theta"]), aligned(wanted, batch["theta"])
            maps, person = person_loss(supervisor(wanted.device), *faces)
            value = value + terms.features * maps + terms.identity * person
        return value

    return loss


def to_tensors(pixels: NDArray[np.uint8]) -> Tensor:
    """uint8 (..., H, W, 3) to (..., 3, H, W) in [-1, 1]."""
    return torch.from_numpy(np.array(pixels)).movedim(-1, -3).float() / 127.5 - 1


@torch.no_grad()
def roundtrip(vae: AutoencoderKL, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A photograph (H, W, 3) through encoder (its mean) and decoder."""
    made = vae.decode(vae.encode(to_tensors(pixels)[None]).latent_dist.mode()).sample[0]
    return ((made.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()


def psnr(wanted: NDArray[np.uint8], made: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio in dB of two pictures."""
    return float(10 * np.log10(255.0**2 / np.square(wanted.astype(np.float64) - made).mean()))


@dataclass(frozen=True)
class Plan:
    """The section `vae` of params.yaml."""

    sizes: Sizes
    loss: Terms
    side: int  # pixels of a crop
    training: trainer.Training
    ranks: int


def plan() -> Plan:
    """What params.yaml says."""
    values = settings.section("vae")
    read = {
        "sizes": settings.fill(Sizes, values["sizes"], "vae.sizes"),
        "loss": settings.fill(Terms, values["loss"], "vae.loss"),
        "training": settings.fill(trainer.Training, values["training"], "vae.training"),
    }
    return settings.fill(Plan, values | read, "vae")


def run(ranks: Ranks) -> float:
    """One rank of the training. Returns the seconds it took over all runs."""
    how = plan()
    data = {kind: dataset.load("p1", kind) for kind in dataset.WIDTHS}
    learner = Learner(build(how.sizes, how.training.seed), how.loss.noise)
    torch.manual_seed(torch_seed([how.training.seed, ranks.rank]))
    batches, loss = Batches(data, how.side, how.training), loss_of(how.loss)
    layout, version = torch.contiguous_format, dataset.version("p1")
    seconds = trainer.fit(learner, batches, loss, how.training, export.work("vae"), layout, data=version, ranks=ranks)
    if ranks.rank == 0:
        learner.vae.eval().cpu().half().save_pretrained(FOLDER)
    return seconds


def main() -> None:
    """Train on p1, write the autoencoder and its card."""
    seconds = trainer.once(run, plan().ranks, export.work("vae"))
    data = {kind: dataset.load("p1", kind) for kind in dataset.WIDTHS}
    vae = AutoencoderKL.from_pretrained(FOLDER)
    facts = {
        "parameters": sum(weight.numel() for weight in vae.parameters()),
        "data": f"p1: {len(data['portraits'].captions)} portraits, {len(data['groups'].captions)} groups",
        "command": "python -m pipeline.pack.diffusion.vae",
        "seconds": round(seconds),
        "settings": settings.section("vae"),
    }
    export.write_card([FOLDER.parent.name], PART, facts)


if __name__ == "__main__":
    main()
