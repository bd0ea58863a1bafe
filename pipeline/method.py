"""The contract: what one paper adds to the shared backbone, and what it may read.

A method is a file in pipeline/methods/, or a folder of its own there, with a frozen dataclass of settings, a subclass
of `Method`, and two names: `METHOD` (the class) and `VARIANTS` (name -> settings; "" is the full form, the others are
ablations). A run names `<method>` or `<method>-<variant>`, so that an ablation is a setting and never a copy. Beside
them may stand `CLAIMS` (what follows the hyphen -> what the paper claims of that ablation), `RELEASED` (published
weights, pipeline/weights/convert.py) and `interpolate` (pipeline/inference/interpolation.py). All that the rest of the
project knows of a method is there: no list elsewhere names methods but the profiles, which say what a run trains.

Fairness is not a method's business: the photos and their order, the budget (training images seen, summed over the
phases), the backbone, recogniser A, noise and seeds come from the shared loop, and a reference is always another
photograph than the target. Of the recognisers only A can be reached from here.
"""

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from pipeline import plugins
from pipeline.backbone.batch import Batch, Condition, Floats, Reference
from pipeline.backbone.frozen import Features, FrozenEncoders
from pipeline.backbone.inject import AttentionLayer, AttentionState, attach
from pipeline.backbone.load import Backbone, Residuals
from pipeline.backbone.masks import box_masks
from pipeline.errors import SettingsError, did_you_mean
from pipeline.head.head_pose import HeadPose
from pipeline.head.model import Head
from pipeline.images import Pixels


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
    losses: tuple[str, ...] = ("diffusion",)  # names of the terms that `objective` gives in it, which are summed
    references: int = 4  # most per person; a step shows from one of them to all
    dropout: Dropout = field(default_factory=Dropout)


class Placing(StrEnum):
    """What tells a method's layers whose place a position of the image is, where somebody says."""

    NOTHING = "nothing"  # people are words of the caption, or there are none: no layer tells places apart
    MASKS = "masks"  # `Batch.masks` does, which become `IdCondition.masks`; without them the method may route by itself
    CONTROL_IMAGE = "control_image"  # its last channel numbers people, up to `most_people` of them


@dataclass(frozen=True)
class Claim:
    """What a paper says of an ablation: the full form is better by a metric.

    The size of a difference depends on recogniser, backbone and training, so it is its direction that is tested.
    """

    people: int  # of the cell that tests it
    metric: str  # name of a metric's card
    source: str  # where the paper says so
    figure: str = ""  # full -> ablated, as the paper prints it; empty where it only says what the part is for
    protocol: str = "free"  # papers' own figures have no layout
    margin: float | None = None  # the claim is that the full form, which costs less, is as good, to within this

    def __str__(self) -> str:
        said = f"better {self.metric}" if self.margin is None else f"{self.metric} as good (to {self.margin})"
        return f"{self.figure or said} ({self.source})"


@dataclass(frozen=True)
class NoisyBatch:
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
class ModelOutput(NoisyBatch):
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
        if self.batch.layout is None:
            return torch.zeros_like(self.latents[:, :1])
        return box_masks(self.batch.layout.boxes, self.batch.size).amax(1, keepdim=True)

    def clean(self) -> Tensor:
        """The clean latents that the prediction means, (B, C, h, w)."""
        return self.backbone.clean(self.noisy, self.prediction, self.times)


class Method(nn.Module):
    """A method without anything added: the plain backbone, which is the bound `no_id`.

    Args:
        backbone: what the method adds to; its sizes are the method's. `attach` must be called before it is run.
        null_features: features of no reference (no leading axis): their sizes, and the unconditional condition.
        settings: of the method's own dataclass.
    """

    title: ClassVar[str] = ""  # as its authors write it
    paper: ClassVar[str] = ""  # where it was published
    reconstruction: ClassVar[bool] = False  # its full text is not public: tables mark its name
    needs_layout: ClassVar[bool] = False  # also in the protocol that gives none, where it gets the shared prior
    placing: ClassVar[Placing] = Placing.NOTHING
    control_channels: ClassVar[int] = 0  # of the control image that `render_control` makes of a layout; 0: none
    most_people: ClassVar[int | None] = None  # whom its control image tells apart; None: as many as there are

    def __init__(self, backbone: Backbone, null_features: Mapping[str, Tensor], settings: Any = None) -> None:
        super().__init__()
        self.settings = settings
        self.attention_state = AttentionState()
        self.layers = nn.ModuleDict()
        for name, value in null_features.items():
            self.register_buffer(f"null_{name}", value)
        self._features = tuple(null_features)

    @property
    def null_features(self) -> dict[str, Tensor]:
        """The unconditional features."""
        return {name: getattr(self, f"null_{name}") for name in self._features}

    @classmethod
    def encode(cls, frozen: FrozenEncoders, references: Sequence[Reference]) -> Features:
        """Features of references, one row each, computed once before training; only frozen encoders are used."""
        return {}

    @classmethod
    def encode_null(cls, frozen: FrozenEncoders) -> Features:
        """The features that stand for no reference, without the axis of rows."""
        return {}

    @classmethod
    def render_control(cls, head: Head, people: Sequence[HeadPose], size: tuple[int, int]) -> Pixels:
        """The people of a layout as a spatial condition (H, W, control_channels), once per image, before training."""
        raise NotImplementedError(f"{cls.__name__} says that it has a control image, and does not render it")

    def prepare(self, frozen: FrozenEncoders) -> None:
        """Called once before training: load what supervises it."""

    def attach(self, unet: nn.Module) -> None:
        """Let the UNet call this method's layers."""
        attach(unet, cast(Mapping[str, AttentionLayer], self.layers), self.attention_state)

    def phases(self) -> tuple[Phase, ...]:
        """How the budget is spent."""
        return ()

    def on_phase_start(self, phase: Phase) -> None:
        """Called before a phase's first step, after the last step of the phase before; may change weights.

        Not called where training goes on from a checkpoint in the middle of the phase: what it changes must be in the
        state dict. Called again where a run was killed before the phase's first checkpoint.
        """

    def on_phase_resume(self, phase: Phase) -> None:
        """Called by every process that trains (a part of) a phase, once and before its first step there.

        That is after `on_phase_start` where the phase begins, and after a checkpoint's weights are loaded where it goes
        on. Set what no checkpoint holds; change no weights.
        """

    def condition(self, batch: Batch) -> Condition:
        """What the UNet and the method's layers read; the same in training and in sampling."""
        return Condition(batch.text)

    def condition_at(self, condition: Condition, progress: float) -> Condition:
        """The condition when a share `progress` in [0, 1) of the sampling steps is done."""
        return condition

    def residuals(self, backbone: Backbone, noisy: Tensor, times: Tensor, condition: Condition) -> Residuals | None:
        """What a spatial condition net adds to the UNet."""
        return None

    def predict(self, backbone: Backbone, noisy: Tensor, times: Tensor, condition: Condition) -> Tensor:
        """Run the UNet with this method attached; its layers' maps are in `attention_state.maps` afterwards."""
        self.attention_state.reset(condition.faces, (noisy.shape[-2], noisy.shape[-1]), condition.words)
        residuals = self.residuals(backbone, noisy, times, condition)
        return backbone.denoise(noisy, times, condition.text, residuals)

    def loss(self, step: ModelOutput) -> dict[str, Tensor]:
        """The terms of the loss, weights included; they are summed."""
        return {"diffusion": step.diffusion()}

    def denoised(self, given: NoisyBatch) -> ModelOutput:
        """The batch with what the method makes of it."""
        prediction = self.predict(given.backbone, given.noisy, given.times, self.condition(given.batch))
        return ModelOutput(**vars(given), prediction=prediction, maps=self.attention_state.maps)

    def objective(self, phase: Phase, given: NoisyBatch) -> dict[str, Tensor]:
        """The loss terms of a step: those that the phase names. One that trains something else need not denoise."""
        return self.loss(self.denoised(given))


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
    variants = plugins.load("methods", base).VARIANTS
    if variant not in variants:
        raise SettingsError(f"{base} has no variant {variant}{did_you_mean(variant, filter(None, variants))}")
    return method_class(base), variants[variant]


def method_class(name: str) -> type[Method]:
    """The class of `<method>` or `<method>-<anything>`.

    Raises:
        SettingsError: there is no such method.
    """
    return plugins.load("methods", name.partition("-")[0]).METHOD


def is_method(name: str) -> bool:
    """Whether `<method>` or `<method>-<anything>` names one that is here, trained or not; a bound is none."""
    return name.partition("-")[0] in plugins.names("methods")


def claims(name: str) -> tuple[Claim, ...]:
    """What a paper says of the ablation `<method>-<variant>` or `<method>-<n>_references`; often nothing."""
    if not is_method(name):
        return ()
    base, _, change = name.partition("-")
    return getattr(plugins.load("methods", base), "CLAIMS", {}).get(change, ())


def as_tensors(features: Mapping[str, Floats]) -> dict[str, Tensor]:
    """Features as float32 tensors of their own: the cache's arrays are files that nobody may write to."""
    return {name: torch.from_numpy(np.array(value, np.float32)) for name, value in features.items()}
