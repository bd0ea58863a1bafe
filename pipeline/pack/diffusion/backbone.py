"""The pack's backbone: a UNet trained as a latent diffusion model on captions of p1, and its frozen text encoder.

Rombach et al. 2022 (latent diffusion); v-prediction (Salimans & Ho 2022) on a schedule that ends in pure noise (Lin et
al. 2024); low noise levels count less (Hang et al. 2023, min-SNR, in v's terms min(1, gamma / (SNR + 1))); captions
are dropped for guidance (Ho & Salimans 2022). The text encoder is the text tower of the pack's image-text model, as
in SD 1.5. In training the UNet is also told who is shown (identity_conditioning.py). What is saved is the moving
average of the weights.

Run alone: `python -m pipeline.pack.diffusion.backbone`. Reads `models/clip` and `models/backbone/vae`, writes the rest
of `models/backbone/`, which `StableDiffusionPipeline.from_pretrained` loads.
"""

import copy
import json
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from pipeline.backbone.masks import box_masks
from pipeline.encoders.image_text import FILES
from pipeline.pack import dataset, export, settings, trainer
from pipeline.pack.diffusion import blocks, identity_conditioning, recogniser_loss
from pipeline.pack.diffusion.batches import SCHEDULE_STEPS, Batches, Diffusion, Kind, tokenize
from pipeline.pack.text import clip, tokenizer
from pipeline.training.distributed import Ranks

FOLDER = settings.MODELS / "backbone"
PART = "text encoder and UNet"
PLAIN, CROSS = ("DownBlock2D", "UpBlock2D"), ("CrossAttnDownBlock2D", "CrossAttnUpBlock2D")
SECONDS_BETWEEN_EXPORTS = 600.0
# A third of the norm is usual. With 5, a phase in bfloat16 at a rate of 0.001 fell apart after a thousand steps.
CLIP = 1.0
PROJECTOR = FOLDER / "identity_projector.safetensors"  # so that a further phase can begin with it; no run reads it
SCHEDULE: dict[str, Any] = {
    "num_train_timesteps": SCHEDULE_STEPS,
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
    """Sizes of the UNet. All but the highest resolution attend: there it costs the most."""

    channels: tuple[int, int, int, int]
    head: int  # channels of an attention head
    groups: int  # of group normalisation


@dataclass(frozen=True)
class Phase:
    """A part of the training."""

    diffusion: Diffusion
    training: trainer.Training
    ranks: int


def build_unet(sizes: Sizes, context: int, seed: int) -> UNet2DConditionModel:
    """A new UNet with random weights for the pack's latents and text of `context` channels."""
    torch.manual_seed(seed)
    return UNet2DConditionModel(
        sample_size=dataset.HEIGHT // blocks.SIDE,
        in_channels=blocks.CHANNELS,
        out_channels=blocks.CHANNELS,
        down_block_types=(PLAIN[0], *[CROSS[0]] * 3),
        up_block_types=(*[CROSS[1]] * 3, PLAIN[1]),
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
    """UNet and what tells of people, with their moving averages, so that a checkpoint holds all; text is frozen."""

    PARTS = ("unet", "projector")

    def __init__(
        self,
        unet: UNet2DConditionModel,
        text: CLIPTextModel,
        projector: identity_conditioning.IdentityProjector,
        diffusion: Diffusion,
    ) -> None:
        super().__init__()
        self.unet, self.text, self.projector = unet, text.requires_grad_(False), projector
        self.average = nn.ModuleDict({name: copy.deepcopy(getattr(self, name)) for name in self.PARTS})
        self.average.requires_grad_(False)
        self._attention_state = identity_conditioning.attach_identity(unet)
        self._scheduler, self._diffusion = DDIMScheduler(**SCHEDULE), diffusion

    def forward(self, batch: trainer.Batch) -> Tensor:
        """The weighted error of the predicted v of `Batches`' batch."""
        noisy = self._scheduler.add_noise(batch["latents"], batch["noise"], batch["times"])
        wanted = self._scheduler.get_velocity(batch["latents"], batch["noise"], batch["times"])
        told = identity_conditioning.IdentityCondition(self.projector(batch["people"]), batch["told"], batch["boxes"])
        size = (noisy.shape[-2], noisy.shape[-1])
        self._attention_state.reset(told, size)
        found = self.unet(noisy, batch["times"], self.text(batch["tokens"]).last_hidden_state).sample
        error = (found.float() - wanted).square().mean(1, keepdim=True)
        counts = 1 + self._diffusion.face * box_masks(batch["boxes"], size).amax(1, keepdim=True)
        each = (error * counts).sum((1, 2, 3)) / counts.sum((1, 2, 3))
        value = (each * self._weights(batch["times"])).mean()
        if self._diffusion.judged:
            value = value + self._diffusion.likeness * self._unlikeness(noisy, found.float(), batch)
        return value

    def _unlikeness(self, noisy: Tensor, velocity: Tensor, batch: trainer.Batch) -> Tensor:
        """What recogniser A finds wrong with some predicted faces (Lin & Yang 2024, arXiv 2401.00110)."""
        low, high = (share * SCHEDULE_STEPS for share in self._diffusion.focus)
        judged = ((batch["times"] >= low) & (batch["times"] < high)).nonzero()[: self._diffusion.judged, 0]
        if not len(judged):
            return velocity.new_zeros(())
        kept = self._scheduler.alphas_cumprod.to(velocity.device)[batch["times"][judged]].view(-1, 1, 1, 1)
        predicted = kept.sqrt() * noisy[judged] - (1 - kept).sqrt() * velocity[judged]
        made, wanted = (
            recogniser_loss.aligned(blocks.pictures(latents), batch["grids"][judged])
            for latents in (predicted, batch["latents"][judged])
        )
        maps, person = recogniser_loss.person_loss(recogniser_loss.supervisor(velocity.device), made, wanted)
        return maps + person

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

    def parts(self) -> tuple[UNet2DConditionModel, CLIPTextModel]:
        """UNet with averaged weights and text encoder, as copies on the CPU."""
        unet, text = (copy.deepcopy(each).cpu() for each in (self.average["unet"], self.text))
        return unet, text  # type: ignore[return-value]


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


def main() -> None:
    """Train on p1, phase after phase, write the backbone and its card."""
    values = settings.section("backbone")
    seconds = [trainer.once(partial(run, number), phase.ranks, _work(number)) for number, phase in enumerate(phases())]
    data = {kind: len(dataset.load("p1", kind).captions) for kind in dataset.WIDTHS}
    facts = {
        "parameters": {name: _count(FOLDER / name) for name in ("unet", "text_encoder")},
        "data": f"p1: {data['portraits']} portraits, {data['groups']} groups",
        "command": "python -m pipeline.pack.diffusion.backbone",
        "seconds": [round(each) for each in seconds],
        "settings": values,
    }
    export.write_card([FOLDER.name], PART, facts)


def _count(folder: Path) -> int:
    return sum(weight.numel() for path in folder.glob("*.safetensors") for weight in load_file(path).values())


def phases() -> list[Phase]:
    """The phases of params.yaml, in turn."""
    return [
        _read_phase(values, f"backbone.phases.{n}") for n, values in enumerate(settings.section("backbone")["phases"])
    ]


def _read_phase(values: dict[str, Any], where: str) -> Phase:
    parts = {
        "diffusion": settings.fill(Diffusion, values["diffusion"], f"{where}.diffusion"),
        "training": settings.fill(trainer.Training, values["training"], f"{where}.training"),
    }
    return settings.fill(Phase, values | parts, where)


def _work(number: int) -> Path:
    return export.work("backbone") / f"phase_{number}"


def run(number: int, ranks: Ranks) -> float:
    """One rank of the training of a phase. Returns the seconds it took over all runs."""
    phase = phases()[number]
    words = tokenizer.load(clip.FOLDER)
    kinds = prepare(words)
    text = text_encoder(clip.FOLDER)
    unet = _started(number, text.config.hidden_size)
    projector = identity_conditioning.IdentityProjector(
        kinds["portraits"].cast.people.shape[-1], phase.diffusion.tokens, text.config.hidden_size
    )
    if number:
        projector.load_state_dict(load_file(PROJECTOR))
    learner = Learner(unet, text, projector, phase.diffusion)
    batches = Batches(kinds, tokenize(words, [""])[0], phase.diffusion, phase.training)
    return train(learner, batches, words, phase.training, _work(number), ranks)


def _started(number: int, context: int) -> UNet2DConditionModel:
    """What a phase begins with: a new UNet, or the weights that the phase before has saved."""
    sizes = settings.fill(Sizes, settings.section("backbone")["sizes"], "backbone.sizes")
    unet = build_unet(sizes, context, phases()[0].training.seed)
    if number:
        unet.load_state_dict(load_file(FOLDER / "unet" / "diffusion_pytorch_model.safetensors"))
    return unet


def prepare(words: CLIPTokenizer) -> dict[str, Kind]:
    """What the training reads of p1."""
    seed = settings.section("draw")["populations"]["p1"]["seed"]
    data = {kind: dataset.load("p1", kind) for kind in dataset.WIDTHS}
    return {
        kind: Kind(part.images, tokenize(words, part.captions), identity_conditioning.cast(part, seed))
        for kind, part in data.items()
    }


def train(
    learner: Learner, batches: Batches, words: CLIPTokenizer, training: trainer.Training, work: Path, ranks: Ranks
) -> float:
    """Train; the average is written every ten minutes and at the end. Returns the seconds over all runs."""
    exported = time.monotonic()

    def after(step: int) -> None:
        nonlocal exported
        learner.follow(step)
        last = step + 1 == training.steps
        if ranks.rank == 0 and (last or time.monotonic() - exported > SECONDS_BETWEEN_EXPORTS):
            save(FOLDER, *learner.parts(), words)
            projector = learner.average["projector"].state_dict()
            save_file({name: value.half() for name, value in projector.items()}, PROJECTOR)
            exported = time.monotonic()

    layout, version = torch.contiguous_format, dataset.version("p1")
    return trainer.fit(learner, batches, loss, training, work, layout, after, version, ranks, CLIP)


def loss(model: nn.Module, batch: trainer.Batch, done: float) -> Tensor:
    """What `fit` minimises."""
    value: Tensor = model(batch)
    return value


if __name__ == "__main__":
    main()
