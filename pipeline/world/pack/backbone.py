"""The pack's backbone: text encoder and UNet, trained together as a latent diffusion model on captions of p1.

Rombach et al. 2022 (latent diffusion); v-prediction (Salimans & Ho 2022) on a schedule that ends in pure noise (Lin et
al. 2024); low noise levels count less (Hang et al. 2023, min-SNR, in v's terms min(1, gamma / (SNR + 1))); captions
are dropped for guidance (Ho & Salimans 2022). The text encoder starts as the text tower of the pack's image-text
model. What is saved is the moving average of the weights.

Run alone: `python -m pipeline.world.pack.backbone`. Reads `models/clip` and `models/backbone/vae`, writes the rest of
`models/backbone/`, which `StableDiffusionPipeline.from_pretrained` loads.
"""

import copy
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from tqdm import tqdm
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from pipeline import shards
from pipeline.encoders.image_text import FILES
from pipeline.world.pack import clip, draw, export, fit, settings, tokenizer, vae

FOLDER = settings.MODELS / "backbone"
PART = "text encoder and UNet"
PLAIN, CROSS = ("DownBlock2D", "UpBlock2D"), ("CrossAttnDownBlock2D", "CrossAttnUpBlock2D")
SECONDS_BETWEEN_EXPORTS = 600.0
SCHEDULE: dict[str, Any] = {
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
    "clip_sample": False,
    "steps_offset": 1,
}


@dataclass(frozen=True)
class Sizes:
    """Sizes of the UNet. Only the lower two resolutions attend: at the highest it doubles a step's time."""

    channels: tuple[int, int, int]
    head: int  # channels of an attention head
    groups: int  # of group normalisation


@dataclass(frozen=True)
class Diffusion:
    """How the noise is weighted and what a batch holds."""

    gamma: float  # of min-SNR
    drop: float  # share of captions that are empty
    average: float  # decay of the moving average
    portraits: float  # share of the steps; a step on groups holds half as many, so wide, photographs


def build_unet(sizes: Sizes, latent: int, context: int, seed: int) -> UNet2DConditionModel:
    """A new UNet with random weights for latents of `latent` channels and text of `context` channels."""
    torch.manual_seed(seed)
    return UNet2DConditionModel(
        sample_size=draw.HEIGHT // 8,
        in_channels=latent,
        out_channels=latent,
        down_block_types=(PLAIN[0], CROSS[0], CROSS[0]),
        up_block_types=(CROSS[1], CROSS[1], PLAIN[1]),
        block_out_channels=tuple(sizes.channels),
        layers_per_block=1,
        cross_attention_dim=context,
        norm_num_groups=sizes.groups,
        # diffusers reads "attention_head_dim" as the number of heads, for compatibility with its first release.
        attention_head_dim=tuple(width // sizes.head for width in sizes.channels),
    )


def text_encoder(folder: Path) -> CLIPTextModel:
    """The text tower of an `open_clip` directory as a CLIPTextModel with the same weights."""
    text = json.loads((folder / FILES[0]).read_text())["model_cfg"]["text_cfg"]
    words = tokenizer.load(folder)
    config = CLIPTextConfig(
        vocab_size=text["vocab_size"],
        hidden_size=text["width"],
        intermediate_size=4 * text["width"],
        num_hidden_layers=text["layers"],
        num_attention_heads=text["heads"],
        max_position_embeddings=text["context_length"],
        hidden_act="gelu",
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )
    encoder = CLIPTextModel(config)
    # The fused CPU kernel's backward pass is slow at this size.
    encoder.set_attn_implementation("eager")
    encoder.load_state_dict(_text_weights(load_file(folder / FILES[1]), text["layers"]))
    return encoder


def _text_weights(weights: dict[str, Tensor], layers: int) -> dict[str, Tensor]:
    """open_clip's names of the text tower to those of transformers."""
    named = {
        "embeddings.token_embedding.weight": weights["token_embedding.weight"],
        "embeddings.position_embedding.weight": weights["positional_embedding"],
    }
    for kind in ("weight", "bias"):
        named[f"final_layer_norm.{kind}"] = weights[f"ln_final.{kind}"]
        for layer in range(layers):
            source, target = f"transformer.resblocks.{layer}", f"encoder.layers.{layer}"
            stacked = weights[f"{source}.attn.in_proj_{kind}"].chunk(3)
            for name, value in zip(("q_proj", "k_proj", "v_proj"), stacked, strict=True):
                named[f"{target}.self_attn.{name}.{kind}"] = value
            for theirs, ours in _TEXT_LAYERS.items():
                named[f"{target}.{ours}.{kind}"] = weights[f"{source}.{theirs}.{kind}"]
    return named


_TEXT_LAYERS = {
    "attn.out_proj": "self_attn.out_proj",
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}


class Learner(nn.Module):
    """UNet and text encoder with their moving averages, so that a checkpoint holds both."""

    def __init__(self, unet: UNet2DConditionModel, text: CLIPTextModel, diffusion: Diffusion) -> None:
        super().__init__()
        self.unet, self.text = unet, text
        # Attention over 64 positions is faster as plain products than in the fused CPU kernel's backward pass.
        unet.set_attn_processor(AttnProcessor())
        self.average = nn.ModuleDict({"unet": copy.deepcopy(unet), "text": copy.deepcopy(text)}).requires_grad_(False)
        self._scheduler, self._diffusion = DDIMScheduler(**SCHEDULE), diffusion

    def forward(self, batch: fit.Batch) -> Tensor:
        """The weighted error of the predicted v for latents and noise (B, C, h, w), tokens (B, T), times (B,)."""
        noisy = self._scheduler.add_noise(batch["latents"], batch["noise"], batch["times"])
        wanted = self._scheduler.get_velocity(batch["latents"], batch["noise"], batch["times"])
        found = self.unet(noisy, batch["times"], self.text(batch["tokens"]).last_hidden_state).sample
        error = (found.float() - wanted).square().flatten(1).mean(1)
        return (error * self._weights(batch["times"])).mean()

    def _weights(self, times: Tensor) -> Tensor:
        kept = self._scheduler.alphas_cumprod.to(times.device)[times]
        # SNR + 1 = 1 / (1 - kept)
        return (self._diffusion.gamma * (1.0 - kept)).clamp(max=1.0)

    @torch.no_grad()
    def follow(self, step: int) -> None:
        """Move the average after a step; the first steps count little."""
        decay = min(self._diffusion.average, (1.0 + step) / (10.0 + step))
        for name, average in self.average.items():
            for kept, new in zip(average.parameters(), getattr(self, name).parameters(), strict=True):
                kept.lerp_(new, 1.0 - decay)

    def averages(self) -> tuple[UNet2DConditionModel, CLIPTextModel]:
        """UNet and text encoder with averaged weights, on the CPU."""
        unet, text = (copy.deepcopy(self.average[name]).cpu() for name in ("unet", "text"))
        return unet, text  # type: ignore[return-value]


class Batches:
    """Batches of latents of portraits or of groups, with noise, times and tokens, all drawn from the seed."""

    def __init__(
        self,
        moments: dict[str, NDArray[np.float16]],
        tokens: dict[str, Tensor],
        empty: Tensor,
        scaling: float,
        diffusion: Diffusion,
        training: fit.Training,
    ) -> None:
        self._moments, self._tokens, self._empty = moments, tokens, empty
        self._scaling, self._diffusion, self._training = scaling, diffusion, training

    def __call__(self, index: int) -> fit.Batch:
        """Batch `index`: latents and noise (B, C, h, w), tokens (B, T), times (B,)."""
        chance = np.random.default_rng([self._training.seed, index])
        groups = chance.random() >= self._diffusion.portraits
        kind, size = ("groups", self._training.batch // 2) if groups else ("portraits", self._training.batch)
        photos = chance.integers(len(self._moments[kind]), size=size)
        mean, logvar = np.split(self._moments[kind][photos].astype(np.float32), 2, axis=1)
        latents = (mean + np.exp(0.5 * logvar) * _normal(chance, mean)) * self._scaling
        tokens = self._tokens[kind][torch.from_numpy(photos)]
        dropped = torch.from_numpy(chance.random(size) < self._diffusion.drop)
        return {
            "latents": torch.from_numpy(latents),
            "noise": torch.from_numpy(_normal(chance, mean)),
            "tokens": torch.where(dropped[:, None], self._empty, tokens),
            "times": torch.from_numpy(_times(chance, size)),
        }


def _normal(chance: np.random.Generator, like: NDArray[np.float32]) -> NDArray[np.float32]:
    return chance.standard_normal(like.shape, np.float32)


def _times(chance: np.random.Generator, size: int) -> NDArray[np.int64]:
    """One time from each of `size` equal pieces of the schedule: less variance than independent ones."""
    steps = int(DDIMScheduler().config.num_train_timesteps)
    return np.floor((np.arange(size) + chance.random(size)) / size * steps).astype(np.int64)


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
    model.to(where)
    for start in tqdm(range(0, len(made), 16), desc=f"latents {path.stem}", mininterval=5):
        images = torch.stack([vae.to_tensor(each) for each in data.images[start : start + 16]]).to(where)
        with torch.autocast(where.type, torch.bfloat16):
            posterior = model.encode(images).latent_dist
        made[start : start + 16] = torch.cat([posterior.mean, posterior.logvar], 1).half().cpu().numpy()
    made.flush()
    writing.rename(path)
    return np.load(path, mmap_mode="r")


def tokenize(words: CLIPTokenizer, captions: Sequence[str]) -> Tensor:
    """Tokens (N, T) of captions, as the pipeline cuts them."""
    return words(list(captions), padding="max_length", truncation=True, return_tensors="pt").input_ids


def save(folder: Path, unet: UNet2DConditionModel, text: CLIPTextModel, words: CLIPTokenizer) -> None:
    """Write everything but the autoencoder, which lies there already. The weights are made float16, in place."""
    model = AutoencoderKL.from_pretrained(folder / "vae")
    scheduler = DDIMScheduler(**SCHEDULE)
    pipe = StableDiffusionPipeline(
        vae=model,
        text_encoder=text,
        tokenizer=words,
        unet=unet,
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.save_config(folder)
    words.save_pretrained(folder / "tokenizer")
    scheduler.save_pretrained(folder / "scheduler")
    unet.half().save_pretrained(folder / "unet")
    text.half().save_pretrained(folder / "text_encoder")
    _load_as_single(folder / "text_encoder" / "config.json")


def _load_as_single(path: Path) -> None:
    """transformers loads in the type that the config names, diffusers in float32: name that, or the two do not fit."""
    path.write_text(json.dumps(json.loads(path.read_text()) | {"dtype": "float32"}, indent=2) + "\n")


def load(folder: Path = FOLDER) -> StableDiffusionPipeline:
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
            height=draw.HEIGHT,
            width=width,
            num_inference_steps=steps,
            guidance_scale=guidance,
            generator=[torch.Generator().manual_seed(seed) for seed in seeds[part]],
            output_type="np",
        ).images
        made.append(np.round(images * 255).astype(np.uint8))
    return np.concatenate(made)


def main() -> None:
    """Train on p1, write the backbone and its card."""
    values = settings.section("backbone")
    sizes = settings.fill(Sizes, values["sizes"], "backbone.sizes")
    training = settings.fill(fit.Training, values["training"], "backbone.training")
    diffusion = settings.fill(Diffusion, values["diffusion"], "backbone.diffusion")
    torch.set_num_threads(1)
    words = tokenizer.load(clip.FOLDER)
    coder = AutoencoderKL.from_pretrained(vae.FOLDER).eval()
    data = {kind: draw.load("p1", kind) for kind in draw.WIDTHS}
    text = text_encoder(clip.FOLDER)
    unet = build_unet(sizes, coder.config.latent_channels, text.config.hidden_size, training.seed)
    learner = Learner(unet, text, diffusion)
    seconds = train(learner, data, coder, words, diffusion, training)
    save(FOLDER, *learner.averages(), words)
    facts = {
        "parameters": {"unet": _count(learner.unet), "text_encoder": _count(learner.text)},
        "data": f"p1: {len(data['portraits'].captions)} portraits, {len(data['groups'].captions)} groups",
        "command": "python -m pipeline.world.pack.backbone",
        "seconds": round(seconds),
        "settings": values,
    }
    export.write_card([FOLDER.name], PART, facts)


def _count(model: nn.Module) -> int:
    return sum(weight.numel() for weight in model.parameters())


def train(
    learner: Learner,
    data: dict[str, draw.Drawn],
    coder: AutoencoderKL,
    words: CLIPTokenizer,
    diffusion: Diffusion,
    training: fit.Training,
) -> float:
    """Make the latents, then train; the average is written every ten minutes. Returns the seconds of the training."""
    key = shards.fingerprint(shards.directory_fingerprint(vae.FOLDER), draw.version("p1"))
    work = export.work("backbone")
    found = {kind: moments(coder, part, work / f"{kind}-{key}.npy") for kind, part in data.items()}
    tokens = {kind: tokenize(words, part.captions) for kind, part in data.items()}
    batches = Batches(found, tokens, tokenize(words, [""])[0], coder.config.scaling_factor, diffusion, training)
    exported = time.monotonic()

    def after(step: int) -> None:
        nonlocal exported
        learner.follow(step)
        if time.monotonic() - exported > SECONDS_BETWEEN_EXPORTS:
            save(FOLDER, *learner.averages(), words)
            exported = time.monotonic()

    return fit.fit(learner, batches, loss, training, work, torch.contiguous_format, after, draw.version("p1"))


def loss(model: nn.Module, batch: fit.Batch, done: float) -> Tensor:
    """What `fit` minimises."""
    value: Tensor = model(batch)
    return value


if __name__ == "__main__":
    main()
