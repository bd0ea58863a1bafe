"""The contract: what one paper adds to the shared backbone, and what it may read.

A method is a file in pipeline/methods/ with a frozen dataclass of settings, a subclass of `Method`, and two names:
`METHOD` (the class) and `VARIANTS` (name -> settings; "" is the published form, the others are ablations). A run names
`<method>` or `<method>-<variant>`, so that an ablation is a setting and never a copy.

Fairness is not a method's business: the photos and their order, the budget (training images seen, summed over the
phases), the backbone, recogniser A, noise and seeds come from the shared loop, and a reference is always another
photograph than the target. Of the recognisers only A can be reached from here.
"""

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline import plugins
from pipeline.backbone.batch import Batch, Condition, Floats, Reference
from pipeline.backbone.inject import AttentionLayer, Wires, attach, box_masks
from pipeline.backbone.load import Backbone, Residuals, load
from pipeline.encoders.image_text import ImageText
from pipeline.encoders.recogniser import Recogniser
from pipeline.errors import SettingsError, did_you_mean
from pipeline.head.model import Head, load_head
from pipeline.head.posed import Posed
from pipeline.images import Pixels, to_unit
from pipeline.settings import Models

Features = dict[str, Floats]
PICTURES_AT_ONCE = 16


class Frozen:
    """The frozen encoders that may condition a method, each loaded when it is first asked for.

    Args:
        backbone: where it is loaded already.
    """

    def __init__(self, models: Models, backbone: Backbone | None = None) -> None:
        self._models, self._backbone = models, backbone

    @cached_property
    def recogniser(self) -> Recogniser:
        """Recogniser A."""
        return Recogniser(self._models.recogniser_a)

    @cached_property
    def image_text(self) -> ImageText:
        """The image-text model."""
        return ImageText(self._models.image_text)

    def embeddings(self, crops: Pixels) -> Floats:
        """Recogniser A's embeddings (R, D) of aligned faces, of length sqrt(D): linear layers like numbers near 1."""
        return self.recogniser.embed(crops) * np.float32(self.recogniser.dimension**0.5)

    def patches(self, pictures: Pixels) -> Floats:
        """The image encoder's patch tokens (R, M, E) of pictures (R, H, W, 3)."""
        return in_parts(self.image_text.patches, pictures).numpy()

    def images(self, pictures: Pixels) -> Floats:
        """The image encoder's embeddings (R, E) of pictures (R, H, W, 3), of length sqrt(E)."""
        found = in_parts(self.image_text.image, pictures).numpy()
        return found * np.float32(found.shape[1] ** 0.5)

    def latents(self, pictures: Pixels, side: int) -> Floats:
        """The backbone's latents (R, C, side, side) of square pictures (R, H, H, 3)."""
        found = in_parts(lambda pixels: self.backbone.encode(pixels)[0], pictures)
        return functional.interpolate(found, (side, side), mode="bilinear", align_corners=False).numpy()

    @torch.no_grad()
    def blank_patches(self) -> Floats:
        """Patch tokens (M, E) of a picture of the image encoder's mean colour: that of no reference."""
        grey = torch.tensor(self.image_text.preprocess.mean).view(1, 3, 1, 1) * 2 - 1
        return self.image_text.patches(grey.expand(1, 3, *self.image_text.size))[0].numpy()

    @cached_property
    def backbone(self) -> Backbone:
        """The backbone, for its autoencoder."""
        return self._backbone or load(self._models.backbone)

    @cached_property
    def head(self) -> Head:
        """The 3D head."""
        return load_head(self._models.head)


@dataclass(frozen=True)
class Dropout:
    """Shares of the training images whose prompt, identities or both are replaced by the unconditional ones."""

    text: float = 0.05
    faces: float = 0.05
    both: float = 0.05


@dataclass(frozen=True)
class Phase:
    """One part of a method's training."""

    name: str
    share: float  # of the budget of training images
    people: tuple[int, int]  # fewest and most people in its photos
    rates: Mapping[str, float]  # pattern of trainable parameters' names -> factor of the learning rate
    references: int = 4  # most per person; a step shows from one of them to all
    dropout: Dropout = field(default_factory=Dropout)


@dataclass(frozen=True)
class Given:
    """One batch with noise, before it is denoised."""

    batch: Batch
    latents: Tensor  # (B, C, h, w) clean
    noisy: Tensor  # (B, C, h, w)
    times: Tensor  # (B,)
    target: Tensor  # (B, C, h, w)
    weights: Tensor  # (B,) of the timesteps
    face_weight: float  # how much more a position within a face counts
    embeddings: Tensor  # (B, N, D) recogniser A, unit length, of the very faces to be found again: for losses only
    backbone: Backbone


@dataclass(frozen=True)
class Step(Given):
    """One denoised batch, as the loss sees it."""

    prediction: Tensor  # (B, C, h, w)
    maps: Sequence[Any]  # what the method's layers left

    def diffusion(self, mask: Tensor | None = None) -> Tensor:
        """The weighted squared error of the prediction, the mean over `mask` (B, 1, h, w) where one is given.

        A position within a face counts 1 + `face_weight` times, the same for every method: identity is there.
        """
        error = (self.prediction - self.target).square().mean(1, keepdim=True)
        counts = 1 + self.face_weight * self.inside()
        counts = counts if mask is None else counts * mask
        each = (error * counts).sum((1, 2, 3)) / counts.sum((1, 2, 3)).clamp(min=1.0)
        return (each * self.weights).mean()

    def inside(self) -> Tensor:
        """Which positions lie within the box of a face, (B, 1, h, w)."""
        if self.batch.places is None:
            return torch.zeros_like(self.latents[:, :1])
        return box_masks(self.batch.places.boxes, self.batch.size).amax(1, keepdim=True)

    def clean(self) -> Tensor:
        """The clean latents that the prediction means, (B, C, h, w)."""
        return self.backbone.clean(self.noisy, self.prediction, self.times)


class Method(nn.Module):
    """A method without anything added: the plain backbone, which is the bound `no_id`.

    Args:
        backbone: what the method adds to; its sizes are the method's. `attach` must be called before it is run.
        blank: features of no reference (no leading axis): their sizes, and the unconditional condition.
        settings: of the method's own dataclass.
    """

    needs_layout: ClassVar[bool] = False  # also in the protocol that gives none, where it gets the shared prior
    canvas_channels: ClassVar[int] = 0  # of the picture that `paint` makes of a layout; 0: the method has none
    most_people: ClassVar[int | None] = None  # whom its canvas tells apart; None: as many as there are

    def __init__(self, backbone: Backbone, blank: Mapping[str, Tensor], settings: Any = None) -> None:
        super().__init__()
        self.settings = settings
        self.wires = Wires()
        self.layers = nn.ModuleDict()
        for name, value in blank.items():
            self.register_buffer(f"blank_{name}", value)
        self._features = tuple(blank)

    @property
    def blank(self) -> dict[str, Tensor]:
        """The unconditional features."""
        return {name: getattr(self, f"blank_{name}") for name in self._features}

    @classmethod
    def encode(cls, frozen: Frozen, references: Sequence[Reference]) -> Features:
        """Features of references, one row each, computed once before training; only frozen encoders are used."""
        return {}

    @classmethod
    def encode_blank(cls, frozen: Frozen) -> Features:
        """The features that stand for no reference, without the axis of rows."""
        return {}

    @classmethod
    def paint(cls, head: Head, people: Sequence[Posed], size: tuple[int, int]) -> Pixels:
        """The people of a layout as a spatial condition (H, W, canvas_channels), once per picture, before training."""
        raise NotImplementedError(f"{cls.__name__} says that it has a canvas, and does not paint it")

    def prepare(self, frozen: Frozen) -> None:
        """Called once before training: load what supervises it."""

    def attach(self, unet: nn.Module) -> None:
        """Let the UNet call this method's layers."""
        attach(unet, cast(Mapping[str, AttentionLayer], self.layers), self.wires)

    def phases(self) -> tuple[Phase, ...]:
        """How the budget is spent."""
        return ()

    def begin(self, phase: Phase) -> None:
        """Called before a phase, also before one that is taken up again after a kill: set modes, change no weights."""

    def enter(self, phase: Phase) -> None:
        """Called once when a phase starts from the last one's weights; may change weights."""

    def condition(self, batch: Batch) -> Condition:
        """What the UNet and the method's layers read; the same in training and in drawing."""
        return Condition(batch.text)

    def at(self, condition: Condition, progress: float) -> Condition:
        """The condition when a share `progress` in [0, 1) of the drawing steps is done."""
        return condition

    def residuals(self, backbone: Backbone, noisy: Tensor, times: Tensor, condition: Condition) -> Residuals | None:
        """What a spatial condition net adds to the UNet."""
        return None

    def predict(self, backbone: Backbone, noisy: Tensor, times: Tensor, condition: Condition) -> Tensor:
        """Run the UNet with this method attached; its layers' maps are in `wires.maps` afterwards."""
        self.wires.begin(condition.faces, (noisy.shape[-2], noisy.shape[-1]), condition.words)
        residuals = self.residuals(backbone, noisy, times, condition)
        return backbone.denoise(noisy, times, condition.text, residuals)

    def loss(self, step: Step) -> dict[str, Tensor]:
        """The terms of the loss, weights included; they are summed."""
        return {"diffusion": step.diffusion()}

    def denoised(self, given: Given) -> Step:
        """The batch with what the method makes of it."""
        prediction = self.predict(given.backbone, given.noisy, given.times, self.condition(given.batch))
        return Step(**vars(given), prediction=prediction, maps=self.wires.maps)

    def objective(self, phase: Phase, given: Given) -> dict[str, Tensor]:
        """The loss terms of a step. A phase that trains something else (a distillation) need not denoise."""
        return self.loss(self.denoised(given))


@torch.no_grad()
def in_parts(encode: Callable[[Tensor], Tensor], pictures: Pixels) -> Tensor:
    """What an encoder of pictures in [-1, 1] makes of (R, H, W, 3) bytes, some at a time: shards hold thousands."""
    pixels = torch.from_numpy(to_unit(pictures)).permute(0, 3, 1, 2)
    return torch.cat([encode(part).cpu() for part in pixels.split(PICTURES_AT_ONCE)])


def trainable(method: Method, phase: Phase) -> dict[str, float]:
    """Names of the parameters that a phase trains, with the factor of their learning rate; the first pattern counts.

    Raises:
        SettingsError: a pattern of the phase names no parameter.
    """
    names = [name for name, _ in method.named_parameters()]
    for pattern in phase.rates:
        if not fnmatch.filter(names, pattern):
            raise SettingsError(f"phase {phase.name}: no parameter is named {pattern}{did_you_mean(pattern, names)}")
    rates = {name: [rate for pattern, rate in phase.rates.items() if fnmatch.fnmatch(name, pattern)] for name in names}
    return {name: found[0] for name, found in rates.items() if found}


def parameters(method: Method, phase: Phase) -> int:
    """How many numbers a phase trains."""
    names = trainable(method, phase)
    return sum(parameter.numel() for name, parameter in method.named_parameters() if name in names)


def find(name: str) -> tuple[type[Method], Any]:
    """The class and settings of `<method>` or `<method>-<variant>`.

    Raises:
        SettingsError: there is no such method or variant.
    """
    base, _, variant = name.partition("-")
    module = plugins.load("methods", base)
    if variant not in module.VARIANTS:
        raise SettingsError(f"{base} has no variant {variant}{did_you_mean(variant, filter(None, module.VARIANTS))}")
    return module.METHOD, module.VARIANTS[variant]


def source(name: str) -> Path:
    """The file of a method, for fingerprints: pipeline/methods/<method>, without its suffix."""
    return Path("pipeline/methods") / name.partition("-")[0]


def as_tensors(features: Mapping[str, Floats]) -> dict[str, Tensor]:
    """Features as float32 tensors."""
    return {name: torch.from_numpy(np.asarray(value, np.float32)) for name, value in features.items()}
