"""The pack's autoencoder: a small diffusers `AutoencoderKL` of factor 8, trained to keep the person in the picture.

Loss: Charbonnier and image gradients at two scales, both heavier on faces; the features and the embedding of
recogniser A on aligned faces (A may supervise, B measures); a weak KL; and the decoder applied to shrunken latents
against the shrunken picture (Kouzelis et al. 2025, EQ-VAE), without which latents hold detail that a small diffusion
model learns slowly. Crops around faces at first, then whole photographs; at the end, on crops again, much noise on the
latents (Yang et al. 2025, l-DeTok): what makes a face must lie in large differences of the latents, or a diffusion
model loses it at the first noise.

Run alone: `python -m pipeline.world.pack.vae`. Writes `models/backbone/vae/`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from diffusers.models.downsampling import Downsample2D
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.upsampling import Upsample2D
from insightface.utils.face_align import arcface_dst
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn

from pipeline.backbone.loop import Ranks, number_of
from pipeline.encoders.recogniser import SIDE, kps_from_landmarks68, load_torch_recogniser
from pipeline.world.pack import draw, export, fit, settings
from pipeline.world.pack.faces import similarity

FOLDER = settings.MODELS / "backbone" / "vae"
PART, WEIGHTS = "autoencoder", "diffusion_pytorch_model.safetensors"
DOWN, UP = "DownEncoderBlock2D", "UpDecoderBlock2D"


@dataclass(frozen=True)
class Sizes:
    """Sizes of the autoencoder; it shrinks by 8, so there are four widths."""

    channels: tuple[int, int, int, int]  # from full size to an eighth
    latent: int  # channels of the latent
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
    smooth: float  # decoding shrunken latents
    kl: float
    noise: float  # most that is added to the latents that are decoded, of their spread


@dataclass(frozen=True)
class Phase:
    """What batches hold until a share of the training is done. Small crops first: steps matter then, not pixels."""

    until: float
    side: int  # pixels of a crop at a face; 0: whole photographs
    batch: int  # crops, or portraits; whole groups are half as many


def build(sizes: Sizes, seed: int, scaling: float = 1.0) -> AutoencoderKL:
    """A new autoencoder with random weights."""
    torch.manual_seed(seed)
    model = AutoencoderKL(
        down_block_types=(DOWN,) * 4,
        up_block_types=(UP,) * 4,
        block_out_channels=tuple(sizes.channels),
        layers_per_block=1,
        latent_channels=sizes.latent,
        norm_num_groups=sizes.groups,
        sample_size=draw.HEIGHT,
        scaling_factor=scaling,
        mid_block_add_attention=False,
    )
    _begin_as_pyramid(model, sizes.latent)
    return model


@torch.no_grad()
def _begin_as_pyramid(model: AutoencoderKL, latent: int) -> None:
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
    model.quant_conv.weight[latent:] = 0.0
    model.quant_conv.bias[latent:] = -5.0


class Learner(nn.Module):
    """The autoencoder as `fit` trains it: with up to `noise` on its latents, of their spread; mostly with little."""

    def __init__(self, vae: AutoencoderKL, noise: float) -> None:
        super().__init__()
        self.vae, self._noise = vae, noise

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Images (B, 3, H, W) in [-1, 1] to reconstructions, to those of shrunken latents (B, 3, H/2, W/2), and KL."""
        posterior = self.vae.encode(images).latent_dist
        latents = posterior.sample()
        level = self._noise * torch.rand(len(latents), 1, 1, 1, device=latents.device).square()
        latents = latents + level * latents.detach().std() * torch.randn_like(latents)
        small = F.avg_pool2d(latents, 2)
        kl = 0.5 * (posterior.mean.square() + posterior.var - 1.0 - posterior.logvar).float().mean()
        return self.vae.decode(latents).sample.float(), self.vae.decode(small).sample.float(), kl


class Batches:
    """Batches of crops at a face, half of portraits and half of groups; of whole photographs of one kind at the end."""

    def __init__(
        self, data: dict[str, draw.Drawn], phases: Sequence[Phase], training: fit.Training, ranks: int = 1
    ) -> None:
        self._data, self._phases, self._training = data, phases, training
        self._count = training.steps * ranks

    def __call__(self, index: int) -> fit.Batch:
        """Batch `index`: image (B, 3, H, W) in [-1, 1], face (B, 1, H, W) in {0, 1}, theta (B, 2, 3)."""
        chance = np.random.default_rng([self._training.seed, index])
        phase = next(each for each in self._phases if index < each.until * self._count)
        parts = [_example(self._data[kind], phase.side, chance) for kind in self._kinds(phase, index)]
        return {name: torch.stack([part[name] for part in parts]) for name in parts[0]}

    def _kinds(self, phase: Phase, index: int) -> list[str]:
        portraits, groups = tuple(self._data)
        if phase.side:
            return [(portraits, groups)[place % 2] for place in range(phase.batch)]
        return [portraits] * phase.batch if index % 2 else [groups] * (phase.batch // 2)


def _example(data: draw.Drawn, side: int, chance: np.random.Generator) -> dict[str, Tensor]:
    """One photograph, or a crop of it that holds one face, with the region of its faces."""
    face = int(chance.integers(len(data.photo)))
    photo = data.images[data.photo[face]]
    height, width = photo.shape[:2]
    left, top = _corner(data.box[face], side, (width, height), chance) if side else (0, 0)
    right, bottom = (left + side, top + side) if side else (width, height)
    image = torch.from_numpy(photo[top:bottom, left:right].copy()).permute(2, 0, 1).float() / 127.5 - 1
    region = torch.zeros(1, height, width)
    for x0, y0, x1, y1 in data.box[data.faces_of(int(data.photo[face]))].round().astype(int):
        region[:, max(0, y0) : max(0, y1), max(0, x0) : max(0, x1)] = 1.0
    theta = face_grid(data.landmarks[face] - [left, top], (right - left, bottom - top))
    return {"image": image, "face": region[:, top:bottom, left:right], "theta": torch.from_numpy(theta)}


def _corner(box: NDArray[np.float32], side: int, size: tuple[int, int], chance: np.random.Generator) -> tuple[int, int]:
    """Left and top of a square within the photograph that holds the box, as far as it fits, at a random place."""
    corner = []
    for low, high, extent in zip(box[:2], box[2:], size, strict=True):
        least, most = (int(np.clip(edge, 0, extent - side)) for edge in (high - side, low))
        corner.append(int(chance.integers(min(least, most), max(least, most) + 1)))
    return corner[0], corner[1]


def face_grid(landmarks: NDArray[np.floating], size: tuple[int, int]) -> NDArray[np.float32]:
    """The (2, 3) matrix for `F.affine_grid` that samples the aligned 112-pixel face of an image of `size` (w, h)."""
    forward = similarity(kps_from_landmarks68(landmarks.astype(np.float32)), arcface_dst)
    inverse = np.linalg.inv(np.vstack([forward, [0, 0, 1]]))
    # F.affine_grid counts pixels' edges from -1 to 1 (align_corners=False), the matrix counts their centres from 0.
    to_pixels = np.array([[SIDE / 2, 0, SIDE / 2 - 0.5], [0, SIDE / 2, SIDE / 2 - 0.5], [0, 0, 1]])
    from_pixels = np.array([[2 / size[0], 0, 1 / size[0] - 1], [0, 2 / size[1], 1 / size[1] - 1], [0, 0, 1]])
    return (from_pixels @ inverse @ to_pixels)[:2].astype(np.float32)


def aligned(images: Tensor, theta: Tensor) -> Tensor:
    """The aligned faces (B, 3, 112, 112) of images (B, 3, H, W); differentiable."""
    grid = F.affine_grid(theta, [len(images), 3, SIDE, SIDE], align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


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


def person_loss(
    recogniser: Callable[[Tensor], dict[int, Tensor]], made: Tensor, wanted: Tensor
) -> tuple[Tensor, Tensor]:
    """How far recogniser A's maps of the two faces are apart, each relative to its size, and how far its embeddings."""
    with torch.no_grad():
        right = recogniser(wanted)
    found = recogniser(made)
    maps = [(found[side] - right[side]).abs().mean() / right[side].abs().mean() for side in right if side]
    return torch.stack(maps).mean(), (1.0 - F.cosine_similarity(found[0], right[0])).mean()


@cache
def _supervisor(where: torch.device) -> Callable[[Tensor], dict[int, Tensor]]:
    """Recogniser A as a function from faces (B, 3, 112, 112) to its maps by side, its embedding under 0."""
    net = load_torch_recogniser(settings.MODELS / "recogniser_a").to(where)

    def features(faces: Tensor) -> dict[int, Tensor]:
        maps = net.features(faces)
        return {side: value.float() for side, value in maps.items()} | {0: net.head(maps[7].flatten(1)).float()}

    return features


def loss_of(terms: Terms) -> fit.Loss:
    """The loss that `fit` minimises."""

    def loss(model: nn.Module, batch: fit.Batch, done: float) -> Tensor:
        wanted = batch["image"]
        made, small, kl = model(wanted)
        value = picture_loss(made, wanted, batch["face"], terms) + terms.kl * kl
        value = value + terms.smooth * charbonnier(small - F.avg_pool2d(wanted, 2)).mean()
        if done >= terms.supervised_from:
            faces = aligned(made, batch["theta"]), aligned(wanted, batch["theta"])
            maps, person = person_loss(_supervisor(wanted.device), *faces)
            value = value + terms.features * maps + terms.identity * person
        return value

    return loss


@torch.no_grad()
def latent_spread(vae: AutoencoderKL, data: dict[str, draw.Drawn], photos: int) -> Tensor:
    """Standard deviation (C,) of each channel of sampled latents, over `photos` photographs of each kind."""
    found = []
    generator = torch.Generator().manual_seed(0)
    for part in data.values():
        for photo in np.linspace(0, len(part.captions) - 1, photos).astype(int):
            posterior = vae.encode(to_tensor(part.images[photo])[None]).latent_dist
            found.append(posterior.sample(generator).flatten(2)[0])
    return torch.cat(found, dim=1).std(dim=1)


def to_tensor(pixels: NDArray[np.uint8]) -> Tensor:
    """uint8 (H, W, 3) to (3, H, W) in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1).float() / 127.5 - 1


@torch.no_grad()
def roundtrip(vae: AutoencoderKL, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A photograph (H, W, 3) through encoder (its mean) and decoder."""
    made = vae.decode(vae.encode(to_tensor(pixels)[None]).latent_dist.mode()).sample[0]
    return ((made.clamp(-1, 1) + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()


def save(vae: AutoencoderKL, data: dict[str, draw.Drawn], folder: Path) -> Tensor:
    """Write the autoencoder as float16, scaled so that its latents have unit variance. Returns the channels' spread."""
    spread = latent_spread(vae, data, 128)
    vae.register_to_config(scaling_factor=round(1.0 / spread.square().mean().sqrt().item(), 5))
    vae.half().save_pretrained(folder)
    vae.float()
    return spread


def psnr(wanted: NDArray[np.uint8], made: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio in dB of two pictures."""
    return float(10 * np.log10(255.0**2 / np.square(wanted.astype(np.float64) - made).mean()))


@dataclass(frozen=True)
class Part:
    """A part of the training; the second begins with what the first has saved."""

    phases: Sequence[Phase]
    loss: Terms
    training: fit.Training
    ranks: int


def parts() -> list[Part]:
    """The parts of params.yaml, in turn."""
    return [_read_part(values, f"vae.parts.{n}") for n, values in enumerate(settings.section("vae")["parts"])]


def _read_part(values: dict[str, Any], where: str) -> Part:
    read = {
        "phases": [settings.fill(Phase, phase, f"{where}.phases") for phase in values["phases"]],
        "loss": settings.fill(Terms, values["loss"], f"{where}.loss"),
        "training": settings.fill(fit.Training, values["training"], f"{where}.training"),
    }
    return settings.fill(Part, values | read, where)


def run(number: int, ranks: Ranks) -> float:
    """One rank of a part of the training. Returns the seconds it took over all runs."""
    part = parts()[number]
    data = {kind: draw.load("p1", kind) for kind in draw.WIDTHS}
    learner = Learner(_started(number, part.training.seed), part.loss.noise)
    torch.manual_seed(number_of([part.training.seed, ranks.rank]))
    seconds = fit.fit(
        learner,
        Batches(data, part.phases, part.training, ranks.size),
        loss_of(part.loss),
        part.training,
        export.work("vae") / f"part_{number}",
        torch.contiguous_format,
        data=draw.version("p1"),
        ranks=ranks,
    )
    if ranks.rank == 0:
        save(learner.vae.eval().cpu(), data, FOLDER)
    return seconds


def _started(number: int, seed: int) -> AutoencoderKL:
    """What a part begins with: a new network, or the weights that the part before has saved."""
    vae = build(settings.fill(Sizes, settings.section("vae")["sizes"], "vae.sizes"), seed)
    if number:
        vae.load_state_dict(load_file(FOLDER / WEIGHTS))
    return vae


def main() -> None:
    """Train on p1, part after part, write the autoencoder and its card."""
    seconds = [
        fit.once(partial(run, number), part.ranks, export.work("vae") / f"part_{number}")
        for number, part in enumerate(parts())
    ]
    data = {kind: draw.load("p1", kind) for kind in draw.WIDTHS}
    vae = AutoencoderKL.from_pretrained(FOLDER).eval()
    facts = {
        "parameters": sum(weight.numel() for weight in vae.parameters()),
        "data": f"p1: {len(data['portraits'].captions)} portraits, {len(data['groups'].captions)} groups",
        "command": "python -m pipeline.world.pack.vae",
        "seconds": [round(each) for each in seconds],
        "settings": settings.section("vae"),
        "latent_spread": [round(each, 3) for each in latent_spread(vae, data, 128).tolist()],
    }
    export.write_card([FOLDER.parent.name], PART, facts)


if __name__ == "__main__":
    main()
