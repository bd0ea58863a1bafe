"""The frozen backbone: any diffusers directory of a Stable Diffusion or Stable Diffusion XL pipeline.

Everything is read from the directory's own configs: channels, sizes, prediction type, noise schedule, whether there is
a second text encoder. Images are (B, 3, H, W) in [-1, 1]; latents are scaled as the UNet expects them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers import DDIMScheduler, DiffusionPipeline
from torch import Tensor, nn

from pipeline.backbone.batch import Text
from pipeline.errors import MissingInput, SettingsError
from pipeline.files import read_json

PIPELINES = ("StableDiffusionPipeline", "StableDiffusionXLPipeline")
Residuals = tuple[Sequence[Tensor], Tensor]


class Backbone:
    """A loaded pipeline's parts, frozen and in evaluation mode.

    Attributes:
        unet: the denoiser; a method's layers are attached to it.
        factor: pixels per latent cell, along one side.
        alphas: (T,) cumulative products of the noise schedule.
        prediction: what the UNet predicts: epsilon, v_prediction or sample.
    """

    def __init__(self, pipeline: Any, device: torch.device | str = "cpu") -> None:
        pipeline.to(device)
        self.device = torch.device(device)
        self.unet: nn.Module = pipeline.unet.eval().requires_grad_(False)
        self.vae = pipeline.vae.eval().requires_grad_(False)
        self.factor = 2 ** (len(self.vae.config.block_out_channels) - 1)
        self.channels: int = self.unet.config.in_channels
        # Some schedulers' configs have no clip_sample, and DDIM's default would then clip latents to [-1, 1].
        self.scheduler_config = {**pipeline.scheduler.config, "clip_sample": False}
        scheduler = DDIMScheduler.from_config(self.scheduler_config)
        self.alphas: Tensor = scheduler.alphas_cumprod.to(self.device)
        self.prediction: str = scheduler.config.prediction_type
        self._pipeline = pipeline
        for name in ("text_encoder", "text_encoder_2"):
            if getattr(pipeline, name, None) is not None:
                # transformers keeps the precision that weights are stored in, diffusers loads in single
                getattr(pipeline, name).float().eval().requires_grad_(False)

    @property
    def steps(self) -> int:
        """Length of the noise schedule."""
        return len(self.alphas)

    @torch.no_grad()
    def encode_text(self, captions: Sequence[str]) -> Text:
        """Captions as the UNet reads them."""
        pipeline = self._pipeline
        found = pipeline.encode_prompt(list(captions), device=self.device, num_images_per_prompt=1, **_no_guidance())
        tokens = pipeline.tokenizer(
            list(captions), padding="max_length", max_length=pipeline.tokenizer.model_max_length, truncation=True
        )
        ids = torch.tensor(tokens.input_ids, device=self.device)
        return Text(ids, found[0], found[2] if len(found) > 2 else None)

    @torch.no_grad()
    def encode(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (B, C, h, w) of the scaled latents of images."""
        found = self.vae.encode(pixels.to(self.device)).latent_dist
        return (found.mean - self._shift) * self._scale, found.std * self._scale

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Images (B, 3, H, W), clamped to [-1, 1], of scaled latents."""
        return self.pixels(latents).clamp(-1, 1)

    def pixels(self, latents: Tensor) -> Tensor:
        """Images (B, 3, H, W) of scaled latents, with gradients, not clamped."""
        return self.vae.decode(latents / self._scale + self._shift).sample

    def denoise(self, noisy: Tensor, times: Tensor, text: Text, residuals: Residuals | None = None) -> Tensor:
        """The UNet's prediction for noisy latents (B, C, h, w) at timesteps (B,).

        Args:
            residuals: what a spatial condition net adds to the skip connections and to the middle.
        """
        down, middle = residuals or (None, None)
        return self.unet(
            noisy,
            times,
            encoder_hidden_states=text.hidden,
            added_cond_kwargs=self.added(text, noisy),
            down_block_additional_residuals=down,
            mid_block_additional_residual=middle,
        ).sample

    def noisy(self, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """Latents with noise, at timesteps (B,)."""
        alpha, sigma = self._alpha_sigma(times)
        return alpha * latents + sigma * noise

    def target(self, latents: Tensor, noise: Tensor, times: Tensor) -> Tensor:
        """What the UNet should predict."""
        alpha, sigma = self._alpha_sigma(times)
        return {"epsilon": noise, "sample": latents, "v_prediction": alpha * noise - sigma * latents}[self.prediction]

    def clean(self, noisy: Tensor, prediction: Tensor, times: Tensor) -> Tensor:
        """The clean latents that a prediction means."""
        alpha, sigma = self._alpha_sigma(times)
        if self.prediction == "epsilon":
            return (noisy - sigma * prediction) / alpha
        return prediction if self.prediction == "sample" else alpha * noisy - sigma * prediction

    def weights(self, times: Tensor, gamma: float) -> Tensor:
        """Min-SNR loss weights (B,) (Hang et al., arXiv 2303.09556), by what the UNet predicts.

        For v the ratio counts as SNR + 1, so that the weight is 1 at high noise: with min(SNR, gamma) / (SNR + 1) a
        schedule that ends in pure noise would never learn its last step, which is the first one of sampling.
        """
        kept = self.alphas[times]
        if self.prediction == "v_prediction":
            return (gamma * (1 - kept)).clamp(max=1.0)
        ratio = kept / (1 - kept)
        return ratio.clamp(max=gamma) / (ratio if self.prediction == "epsilon" else 1.0)

    @property
    def _scale(self) -> float:
        return self.vae.config.scaling_factor

    @property
    def _shift(self) -> float:
        return getattr(self.vae.config, "shift_factor", None) or 0.0

    def _alpha_sigma(self, times: Tensor) -> tuple[Tensor, Tensor]:
        kept = self.alphas[times].view(-1, 1, 1, 1)
        return kept.sqrt(), (1 - kept).sqrt()

    def added(self, text: Text, noisy: Tensor) -> dict[str, Tensor] | None:
        """SDXL's conditions beside the text, for the UNet and for copies of its encoder."""
        if text.pooled is None:
            return None
        height, width = (side * self.factor for side in noisy.shape[-2:])
        # SDXL's micro-conditions, where nothing else is known: the image was this large, and is not cropped.
        sizes = torch.tensor([[height, width, 0, 0, height, width]]) if text.sizes is None else text.sizes
        return {"text_embeds": text.pooled, "time_ids": sizes.to(noisy).expand(len(noisy), -1)}


def load(folder: Path | str, device: torch.device | str | None = None) -> Backbone:
    """Load a backbone from a local diffusers directory; onto an accelerator where there is one.

    Raises:
        MissingInput: there is no such directory, or a part of it is missing.
        SettingsError: it is not a Stable Diffusion (XL) pipeline.
    """
    kind = _kind(Path(folder))
    options: dict[str, Any] = {"local_files_only": True}
    if kind == PIPELINES[0]:
        options |= {"safety_checker": None, "requires_safety_checker": False}
    for library in (diffusers.utils.logging, transformers.utils.logging):
        library.disable_progress_bar()  # every worker loads a backbone; their bars would drown the stage's own
    try:
        pipeline = DiffusionPipeline.from_pretrained(str(folder), **options)
    except OSError as error:
        raise MissingInput(f"{folder} is not a complete diffusers directory: {error}") from error
    return Backbone(pipeline, device or default_device())


def _kind(folder: Path) -> str:
    index = folder / "model_index.json"
    if not index.is_file():
        raise MissingInput(f"no {index.name} in {folder}: models.backbone must be a diffusers pipeline directory")
    kind = str(read_json(index).get("_class_name"))
    if kind not in PIPELINES:
        raise SettingsError(f"{folder} is a {kind}; backbones of kind {' or '.join(PIPELINES)} can be used")
    return kind


def default_device() -> torch.device:
    """An accelerator where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _no_guidance() -> dict[str, bool]:
    return {"do_classifier_free_guidance": False}
