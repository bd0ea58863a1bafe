"""ConsistentID: a face as a whole, and its parts as words of the caption.

Huang et al., arXiv 2404.16771, and the authors' code. ID tokens as in IP-Adapter-FaceID-Plus; beside them a fine facial
prompt: the image encoder's view of each of five parts (face, eyes, ears, nose, mouth) is fused with a word of the
caption (section 3.2), and cross-attention maps of these words are held to the parts in training (L_facial, balanced L1,
weight 0.01, section 3.3). Low-rank changes (rank 128) of all attention; half of the training images count only
within faces (their removed background).

Sizes follow the backbone and the encoders. Deviations and choices:
- Parts are cut out by the fitted head's regions (BiSeNet in the paper), and so is the background.
- The captions have no <facial> word: the parts' words are those that fill the caption up behind its end, and are
  relative to those of no reference.
- Drawing does not begin with the caption alone (their delayed conditioning), so that the ID tokens' start is that of
  IP-Adapter-FaceID-Plus, beside which the parts are to be judged.
- L_facial compares cross-attention, as the paper says; the released code hooks self-attention.
- ID tokens are relative to those of no reference, K_id and V_id begin as the backbone's projections of text, and both
  and the low-rank set learn a tenth as fast: as for every method here (reports/decisions/methods-and-training.md).
- Of several references embeddings and parts are averaged. The parts' words cannot be confined to a place: of several
  people only the ID tokens are given, each where their place is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.backbone.batch import Batch, Condition, Floats, People, Reference
from pipeline.backbone.decoupled import DecoupledAttention, IdCondition
from pipeline.backbone.frozen import Features, FrozenEncoders
from pipeline.backbone.inject import attention_layers, attention_modules
from pipeline.backbone.load import Backbone
from pipeline.backbone.tokens import FaceIdPlus, Mlp, concatenate_references, mean_over_references, minus_null
from pipeline.backbone.words import localisation_loss, with_change, word_places, words_at
from pipeline.head.head_pose import HeadPose
from pipeline.head.maps import draw_head, region_map
from pipeline.head.model import Head
from pipeline.head.paint import as_bytes
from pipeline.head.people import cells
from pipeline.images import Pixels
from pipeline.method import Method, ModelOutput, Phase, Placing

# The parts, and the regions of the head that they are made of: names that hold one of these words.
PARTS = {
    "face": ("skin", "brow", "eye", "nose", "lip", "mouth"),
    "eyes": ("eye",),
    "ears": ("ear",),
    "nose": ("nose",),
    "mouth": ("lip", "mouth"),
}
GREY = 128  # around a part


@dataclass(frozen=True)
class Settings:
    """What is particular to ConsistentID."""

    tokens: int = 4  # ID tokens per person
    depth: int = 4  # layers of the perceiver
    rank: int = 128  # of the low-rank changes, at most two fifths of a layer's width
    facial: float = 0.01  # weight of L_facial
    masked: float = 0.5  # share of the training steps whose loss counts only faces
    face_scale: float = 1.0  # of the ID branch in sampling


VARIANTS = {"": Settings(), "no_facial": Settings(facial=0.0)}


class Parts(nn.Module):
    """The image encoder's view of each part and the state of its word to a new state, as FastComposer fuses them."""

    def __init__(self, embedding: int, width: int) -> None:
        super().__init__()
        self.look, self.fuse, self.refine = Mlp(embedding, width), Mlp(2 * width, width), Mlp(width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, words: Tensor, parts: Tensor) -> Tensor:
        """States (F, W, width) of words (F, W, width) and parts (F, W, E)."""
        fused = words + self.fuse(torch.cat([words, self.look(parts)], dim=-1))
        return self.norm(fused + self.refine(fused))


class ConsistentId(Method):
    """ID tokens in a decoupled cross-attention, facial parts in the caption; one stage of training."""

    title: ClassVar[str] = "ConsistentID"
    paper: ClassVar[str] = "arXiv 2404.16771"
    needs_layout: ClassVar[bool] = True  # places several people; one person's place is the whole image
    placing: ClassVar[Placing] = Placing.MASKS
    control_channels: ClassVar[int] = len(PARTS)  # the parts, for the loss alone

    def __init__(self, backbone: Backbone, null_features: Mapping[str, Tensor], settings: Settings) -> None:
        super().__init__(backbone, null_features, settings)
        found, own = attention_layers(backbone.unet), attention_modules(backbone.unet)
        width = next(spec.context for spec in found if spec.context)
        self.identity = FaceIdPlus(
            len(null_features["embedding"]), null_features["patches"].shape[1], width, settings.tokens, settings.depth
        )
        self.parts = Parts(null_features["parts"].shape[1], width)
        self.layers = nn.ModuleDict(
            {spec.name: DecoupledAttention(spec, own[spec.name], settings.rank) for spec in found}
        )

    @classmethod
    def encode(cls, frozen: FrozenEncoders, references: Sequence[Reference]) -> Features:
        """Embedding (R, D), the image encoder's tokens (R, M, E) and its embeddings (R, 5, E) of the parts."""
        crops = np.stack([reference.crop for reference in references])
        parts = np.stack([_look(frozen, reference) for reference in references])
        return {"embedding": frozen.embeddings(crops), "patches": frozen.patches(crops), "parts": parts}

    @classmethod
    def encode_null(cls, frozen: FrozenEncoders) -> Features:
        """Zeros for embedding and parts, the tokens of an image of the mean colour."""
        return {
            "embedding": np.zeros(frozen.recogniser.dimension, np.float32),
            "patches": frozen.null_patches(),
            "parts": np.zeros((len(PARTS), frozen.image_text.dimension), np.float32),
        }

    @classmethod
    def render_control(cls, head: Head, people: Sequence[HeadPose], size: tuple[int, int]) -> Pixels:
        """The parts of all people, one channel each."""
        shown = np.zeros((*size, cls.control_channels), np.float32)
        for person in people:
            shown = np.maximum(shown, part_masks(head, person, size))
        return as_bytes(shown)

    def phases(self) -> tuple[Phase, ...]:
        """One stage."""
        rates = {"identity.*": 1.0, "parts.*": 1.0, "layers.*": 0.1}
        losses = ("diffusion", "facial") if self.settings.facial else ("diffusion",)
        return (Phase("single", 1.0, (1, 1), rates, losses),)

    def condition(self, batch: Batch) -> Condition:
        """ID tokens of every person; for one person also the parts, as words of the caption."""
        tokens = minus_null(batch.people, self.null_features, self._embed)
        scale = 1.0 if self.training else self.settings.face_scale
        faces = IdCondition(tokens, batch.people.present, batch.masks, scale)
        if batch.people.present.shape[1] > 1:
            return Condition(batch.text, faces)
        hidden, places = batch.text.hidden, word_places(batch.text, len(PARTS))
        change = self._change(words_at(hidden, places), batch.people)
        return Condition(replace(batch.text, hidden=with_change(hidden, places, change)), faces, words=places)

    def loss(self, step: ModelOutput) -> dict[str, Tensor]:
        """The diffusion loss, at times within faces only, and L_facial."""
        control = step.batch.control_image
        assert control is not None
        faces = cells(control.amax(1, keepdim=True), step.batch.size)
        terms = {"diffusion": step.diffusion(faces if bool(torch.rand(()) < self.settings.masked) else None)}
        if step.maps and self.settings.facial:
            losses = [_facial(found, control, self.attention_state.grid(found.shape[-1])) for found in step.maps]
            terms["facial"] = self.settings.facial * torch.stack(losses).mean()
        return terms

    def _embed(self, features: Mapping[str, Tensor], given: Tensor) -> Tensor:
        patches, keep = concatenate_references(features["patches"], given)
        return self.identity(mean_over_references(features["embedding"], given), patches, keep)

    def _change(self, words: Tensor, people: People) -> Tensor:
        """What one person's parts make of their words (B, 5, D), beside what no reference would."""
        given = people.given[:, 0]
        parts = mean_over_references(people.features["parts"][:, 0].flatten(2), given).unflatten(-1, (len(PARTS), -1))
        return self.parts(words, parts) - self.parts(words, self.null_features["parts"].expand_as(parts))


METHOD = ConsistentId


def part_masks(head: Head, person: HeadPose, size: tuple[int, int]) -> Floats:
    """The five parts (H, W, 5) of a posed head, 1 where they are."""
    buffers = draw_head(person.vertices(head), head.triangles, person.camera, size)
    regions = region_map(head, buffers)
    return np.stack([np.isin(regions, _numbers(head, words)) for words in PARTS.values()], axis=-1).astype(np.float32)


def _numbers(head: Head, words: Sequence[str]) -> list[int]:
    return [number for number, name in enumerate(head.region_names) if any(word in name for word in words)]


def _look(frozen: FrozenEncoders, reference: Reference) -> Floats:
    """The image encoder's embeddings (5, E) of the parts, of length sqrt(E); zeros where a part is hidden."""
    masks = part_masks(frozen.head, reference.pose, reference.crop.shape[:2]) > 0  # (112, 112, 5)
    seen = np.where(masks.transpose(2, 0, 1)[..., None], reference.crop, np.uint8(GREY))  # (5, 112, 112, 3)
    return frozen.images(seen) * masks.any(axis=(0, 1)).reshape(-1, 1)


def _facial(found: Tensor, control: Tensor, grid: tuple[int, int]) -> Tensor:
    """L_facial of one layer's maps (B, 5, L)."""
    masks = cells(control, grid)
    return localisation_loss(found, masks, masks.flatten(2).any(2))
