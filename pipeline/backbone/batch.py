"""What a method reads: text, people and layout of a batch of images. Faces are an axis from the start.

B images, N slots for people, J references per person. A slot without a person, and a person's missing reference,
are padding: `given` is false there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.head.head_pose import HeadPose
from pipeline.images import Pixels

Floats = NDArray[np.float32]
HALF_PIXEL = 0.5  # fractions count from the edge of an image, landmarks in pixels from the middle of the first one
Self = TypeVar("Self")


@dataclass(frozen=True)
class Reference:
    """One aligned face of a person, ready for the frozen encoders."""

    crop: Pixels  # (112, 112, 3) RGB
    embedding: Floats  # (D,) recogniser A, unit length
    pose: HeadPose  # the head in the crop


@dataclass(frozen=True)
class Text:
    """Encoded captions."""

    ids: Tensor  # (B, T) token numbers of the first tokenizer
    hidden: Tensor  # (B, T, D) what the UNet attends to
    pooled: Tensor | None  # (B, P) SDXL's second condition
    # (B, 6) what SDXL is told of the pictures: original_size, crop_top_left and target_size, each height or top first;
    # None: each is as large as it is drawn, and not cropped
    sizes: Tensor | None = None

    def where(self, mask: Tensor, other: "Text") -> "Text":
        """Rows of `other` (of one row) where `mask` (B,) is true; sizes are the pictures' own and stay."""
        ids, hidden, pooled = (_where(mask, new, old) for new, old in zip(_words(other), _words(self), strict=True))
        return Text(ids, hidden, pooled, self.sizes)


@dataclass(frozen=True)
class People:
    """The references of each image's people, as features of the frozen encoders."""

    features: Mapping[str, Tensor]  # (B, N, J, ...)
    given: Tensor  # (B, N, J) bool

    @property
    def present(self) -> Tensor:
        """(B, N) bool: the slots that hold a person."""
        return self.given.any(-1)

    def where(self, mask: Tensor, null_features: Mapping[str, Tensor]) -> "People":
        """The same slots, with `null_features` (without leading axes) where `mask` (B,) is true."""
        features = {name: _where(mask, null_features[name].to(kept), kept) for name, kept in self.features.items()}
        return People(features, self.given)


@dataclass(frozen=True)
class FaceLayout:
    """Where the people of an image are, in fractions of its width and height; zeros in empty slots."""

    boxes: Tensor  # (B, N, 4) x1, y1, x2, y2
    landmarks: Tensor  # (B, N, 68, 2)


@dataclass(frozen=True)
class Batch:
    """Images of one size to train on or to draw."""

    text: Text
    people: People
    size: tuple[int, int]  # height and width of the latent
    layout: FaceLayout | None = None  # in training always; in sampling when the protocol gives a layout
    masks: Tensor | None = None  # (B, N, H, W) in [0, 1], where a user wants each person
    control_image: Tensor | None = (
        None  # (B, C, H, W) in [0, 1], the method's spatial condition, in pixels of the image
    )

    def unconditional(self, empty: Text, null_features: Mapping[str, Tensor]) -> "Batch":
        """The same images without prompt and without identities: the other half of classifier-free guidance.

        Layout and control image stay, as usual with spatial conditions: guidance is to strengthen words and people.
        """
        every = torch.ones(len(self.text.ids), dtype=torch.bool, device=self.text.ids.device)
        return replace(self, text=self.text.where(every, empty), people=self.people.where(every, null_features))


@dataclass(frozen=True)
class Condition:
    """What one call of the UNet reads."""

    text: Text
    faces: Any = None  # what the method's own layers read
    control_image: Tensor | None = None  # (B, C, H, W) in [0, 1], what a spatial condition net reads
    words: Tensor | None = None  # (B, W) numbers of the text's words whose attention maps the loss reads
    caption: Text | None = None  # the caption as it was, where the method's text says more


def concatenate(first: Self, second: Self) -> Self:
    """Two batches (or parts of one) as one, along the first axis; what is not a tensor must be equal."""
    pairs = {field.name: (getattr(first, field.name), getattr(second, field.name)) for field in fields(first)}  # type: ignore[arg-type]
    return replace(first, **{name: _join(*pair) for name, pair in pairs.items()})  # type: ignore[type-var]


def collate(people: Sequence[Sequence[Sequence[Mapping[str, Floats]]]], null_features: Mapping[str, Tensor]) -> People:
    """Stack features given per image, person and reference; missing ones are padded with zeros."""
    slots = max(len(persons) for persons in people)
    depth = max((len(references) for persons in people for references in persons), default=0)
    size = (len(people), slots, depth)
    features = {name: torch.zeros(*size, *value.shape) for name, value in null_features.items()}
    given = torch.zeros(size, dtype=torch.bool)
    for b, persons in enumerate(people):
        for n, references in enumerate(persons):
            for j, reference in enumerate(references):
                given[b, n, j] = True
                for name, value in reference.items():
                    features[name][b, n, j] = torch.from_numpy(np.asarray(value, np.float32))
    return People(features, given)


def to_device(value: Self, device: torch.device) -> Self:
    """A batch, or anything made of dataclasses, mappings and tensors, with its tensors on `device`."""
    if isinstance(value, Tensor):
        return value.to(device)  # type: ignore[return-value]
    if isinstance(value, Mapping):
        return {name: to_device(each, device) for name, each in value.items()}  # type: ignore[return-value]
    if not is_dataclass(value):
        return value
    parts = {field.name: to_device(getattr(value, field.name), device) for field in fields(value)}
    return replace(value, **parts)  # type: ignore[type-var]


def _words(text: Text) -> tuple[Any, ...]:
    return text.ids, text.hidden, text.pooled


def _where(mask: Tensor, new: Any, old: Any) -> Any:
    if old is None:
        return None
    return torch.where(mask.view(-1, *(1,) * (old.dim() - 1)), new, old)


def _join(first: Any, second: Any) -> Any:
    if isinstance(first, Tensor):
        return torch.cat([first, second])
    if isinstance(first, Mapping):
        return {name: torch.cat([first[name], second[name]]) for name in first}
    if isinstance(first, Text | People | FaceLayout):
        return concatenate(first, second)
    return first
