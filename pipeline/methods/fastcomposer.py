"""FastComposer: people's image embeddings in the caption's own words, told apart by a localised cross-attention.

Xiao et al., arXiv 2305.10431, and the authors' code. An image encoder's embedding of a person and the text state of
their word are fused by an MLP with a shortcut, a second MLP with a shortcut and a normalisation, after the text encoder
(section 3.2); cross-attention maps of those words are held to the people's places in training (section 3.3,
L_loc = mean over the background minus mean over the mask, weight 1e-3); half of the training images count only where
people are (their masked loss); sampling begins with the caption alone (delayed subject conditioning, section 3.4).

Sizes follow the backbone and the encoders. Deviations and choices:
- Captions here name no person by a word of their own ("two people"), so that each person's words are some of those that
  fill the caption up behind its end. They are several, because the backbone looks at each of these little; the people
  of an image share them, in their order. Fused words are relative to those of no reference, which leave the caption
  as it is: as for every method here (reports/decisions/methods-and-training.md).
- The embedding is projected to a token per word, which is added to the word beside what the first MLP makes of both,
  and the normalisation begins at three times the usual: as published, untrained words tell people apart by a tenth of
  what the backbone hears, all words alike (reports/decisions/seven-methods.md).
- The authors train the last two blocks of their image encoder with the rest. Here encoders are frozen, and the pack's
  image encoder tells nobody apart (among 96 people the right one is never first), so that recogniser A's embedding is
  fused beside the image encoder's.
- The authors train the UNet as a whole; here low-rank changes (two fifths of a layer's width) of all attention do, so
  that the base stays as it is, at a tenth of the fuse's rate: as for every method here.
- Where people are is where their fitted heads are (a segmentation of whole people in the paper).
- All of the cross-attention layers are localised; the authors' code takes the five in the middle of SD 1.5's sixteen.
- The reference's background is not replaced: it is never the target photo.
- 85 % of the budget on images of one person, then images of one to four at a fifth of the rates; theirs is one
  mixture.
- Drawing sees the caption alone for 0.3 of its steps, the default of the authors' code; their evaluation has 0.5.
- Of several references the embeddings are averaged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.backbone.batch import Batch, Condition, People, Reference
from pipeline.backbone.decoupled import DecoupledAttention
from pipeline.backbone.frozen import Features, FrozenEncoders
from pipeline.backbone.inject import attention_layers, attention_modules
from pipeline.backbone.load import Backbone
from pipeline.backbone.tokens import EmbeddingTokens, Mlp, mean_over_references, scatter_to_slots
from pipeline.backbone.words import localisation_loss, with_change, word_places, words_at
from pipeline.head.head_pose import HeadPose
from pipeline.head.model import Head
from pipeline.head.people import as_channel, cells, draw_people, people_masks
from pipeline.images import Pixels
from pipeline.method import Method, ModelOutput, Phase

LOUDNESS = 3.0  # what the normalisation of fused words begins with
GROUP_RATE = 0.2  # of the rates, for images of several


@dataclass(frozen=True)
class Settings:
    """What is particular to FastComposer."""

    words: int = 24  # of an image, at most: a caption keeps half of its places
    rank: int = 128  # of the low-rank changes, at most two fifths of a layer's width
    localisation: float = 1e-3  # weight of L_loc
    masked: float = 0.5  # share of the training steps whose loss counts only people's places
    delay: float = 0.3  # share of the sampling that sees the caption alone (1 - alpha of the paper)
    single_share: float = 0.85  # of the budget, for images of one person


VARIANTS = {"": Settings(), "no_localisation": Settings(localisation=0.0), "no_delay": Settings(delay=0.0)}


class Fuse(nn.Module):
    """Words' states and a person's embedding to new states: two MLPs with shortcuts, then LayerNorm."""

    def __init__(self, embedding: int, width: int, words: int) -> None:
        super().__init__()
        self.identity = EmbeddingTokens(embedding, width, words)
        self.first = Mlp(2 * width, width)
        self.second = Mlp(width, width)
        self.norm = nn.LayerNorm(width)
        nn.init.constant_(self.norm.weight, LOUDNESS)

    def forward(self, words: Tensor, identity: Tensor) -> Tensor:
        """New states (..., width) of words and of what `identity` makes of their people's embeddings."""
        found = words + identity + self.first(torch.cat([words, identity], dim=-1))
        return self.norm(found + self.second(found))


@dataclass(frozen=True)
class Shares:
    """Whose the words of an image are: its people have as many each, one after another; the rest is nobody's."""

    person: Tensor  # (B, W) slot of the person
    number: Tensor  # (B, W) of the word among that person's
    used: Tensor  # (B, W) bool

    def means(self, found: Tensor, people: int) -> Tensor:
        """(B, N, L) of maps (B, W, L): the mean over each person's words."""
        slots = torch.arange(people, device=found.device).view(1, -1, 1)
        own = (self.person.unsqueeze(1) == slots) & self.used.unsqueeze(1)  # (B, N, W)
        return own.to(found.dtype) @ found / own.sum(2, keepdim=True).clamp(min=1)


def shares(present: Tensor, words: int) -> Shares:
    """How the people (B, N) of each image share its words, whoever else is in the batch."""
    count = present.sum(1, keepdim=True).clamp(min=1)
    each = (words // count).clamp(min=1)
    word = torch.arange(words, device=present.device).expand(len(present), -1)
    turn = word // each
    in_order = (~present).int().argsort(dim=1, stable=True)  # slots that are taken, then empty ones
    person = in_order.gather(1, turn.clamp(max=present.shape[1] - 1))
    return Shares(person, word % each, (turn < count) & present.any(1, keepdim=True))


class FastComposer(Method):
    """Fused words, low-rank changes, localised cross-attention; delayed conditioning in sampling."""

    title: ClassVar[str] = "FastComposer"
    paper: ClassVar[str] = "arXiv 2305.10431"
    control_channels: ClassVar[int] = 1  # whose head it is, for the losses alone

    def __init__(self, backbone: Backbone, null_features: Mapping[str, Tensor], settings: Settings) -> None:
        super().__init__(backbone, null_features, settings)
        found, own = attention_layers(backbone.unet), attention_modules(backbone.unet)
        width = next(spec.context for spec in found if spec.context)
        self.fuse = Fuse(len(null_features["embedding"]), width, settings.words)
        self.layers = nn.ModuleDict(
            {spec.name: DecoupledAttention(spec, own[spec.name], settings.rank, branch=False) for spec in found}
        )

    @classmethod
    def encode(cls, frozen: FrozenEncoders, references: Sequence[Reference]) -> Features:
        """The recogniser's and the image encoder's embeddings (R, D + E) of R aligned faces, numbers of about 1."""
        crops = np.stack([reference.crop for reference in references])
        return {"embedding": np.concatenate([frozen.embeddings(crops), frozen.images(crops)], axis=1)}

    @classmethod
    def encode_null(cls, frozen: FrozenEncoders) -> Features:
        """Zeros."""
        return {"embedding": np.zeros(frozen.recogniser.dimension + frozen.image_text.dimension, np.float32)}

    @classmethod
    def render_control(cls, head: Head, people: Sequence[HeadPose], size: tuple[int, int]) -> Pixels:
        """The number of the person whose head a pixel shows."""
        return as_channel(draw_people(head, people, size)[1])[..., None]

    def phases(self) -> tuple[Phase, ...]:
        """Images of one person, then all images."""
        share, rates = self.settings.single_share, {"fuse.*": 1.0, "layers.*": 0.1}
        gentle = {pattern: GROUP_RATE * rate for pattern, rate in rates.items()}
        losses = ("diffusion", "localisation") if self.settings.localisation else ("diffusion",)
        return Phase("single", share, (1, 1), rates, losses), Phase("groups", 1 - share, (1, 4), gentle, losses)

    def condition(self, batch: Batch) -> Condition:
        """The caption with people's words; beside it the caption alone, for the first part of the sampling."""
        hidden = batch.text.hidden
        places = word_places(batch.text, min(self.settings.words, hidden.shape[1] // 2))
        change = self._change(words_at(hidden, places), batch.people)
        fused = replace(batch.text, hidden=with_change(hidden, places, change))
        return Condition(fused, words=places, caption=batch.text)

    def condition_at(self, condition: Condition, progress: float) -> Condition:
        """The caption alone at first."""
        return condition if progress >= self.settings.delay else Condition(condition.caption or condition.text)

    def _change(self, words: Tensor, people: People) -> Tensor:
        """What people (B, N) make of the words (B, W, D) that they share, beside what no reference would."""
        whose, present = shares(people.present, words.shape[1]), people.present
        embedding = mean_over_references(people.features["embedding"][present], people.given[present])
        identity = scatter_to_slots(self.fuse.identity(embedding), present)  # (B, N, words, D)
        rows = torch.arange(len(words), device=words.device).unsqueeze(1)
        null_features = self.fuse.identity(self.null_features["embedding"][None])[0, whose.number]
        change = self.fuse(words, identity[rows, whose.person, whose.number]) - self.fuse(words, null_features)
        return change * whose.used.unsqueeze(-1)

    def loss(self, step: ModelOutput) -> dict[str, Tensor]:
        """The diffusion loss, at times where people are only, and L_loc."""
        assert step.batch.control_image is not None
        present = step.batch.people.present
        masks = people_masks(step.batch.control_image[:, 0], present.shape[1])
        people = cells(masks.amax(1, keepdim=True), step.batch.size)
        terms = {"diffusion": step.diffusion(people if bool(torch.rand(()) < self.settings.masked) else None)}
        if step.maps and self.settings.localisation:
            whose = shares(present, step.maps[0].shape[1])
            each = (whose.means(found, present.shape[1]) for found in step.maps)
            losses = [
                localisation_loss(found, cells(masks, self.attention_state.grid(found.shape[-1])), present)
                for found in each
            ]
            terms["localisation"] = self.settings.localisation * torch.stack(losses).mean()
        return terms


METHOD = FastComposer
