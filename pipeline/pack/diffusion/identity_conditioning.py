"""What the pack's backbone is told about its people in training: tokens beside the caption's, made of who they are.

The captions of the web name the people whom they show, and so SD 1.5 draws thousands of them by name: its
cross-attention carries identity, and adapters only have to steer it. The world's captions never say who is shown. In
their place a person's shape and albedo (the truth) become a few tokens, which nothing reads after training: what
stays in the UNet is that its cross-attention can draw anybody. The people of the pack are never those of a demo.

In a group the tokens of a person are read in that person's part of the picture only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from diffusers.models.attention_processor import Attention
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.backbone.inject import (
    AttentionLayer,
    AttentionState,
    attach,
    attend,
    attention_layers,
    merge_heads,
    split_heads,
)
from pipeline.backbone.masks import region_masks
from pipeline.encoders.recogniser import kps_from_landmarks68
from pipeline.pack import dataset
from pipeline.world import population


@dataclass(frozen=True)
class IdentityCondition:
    """What the attention layers read."""

    tokens: Tensor  # (B, N, T, D)
    present: Tensor  # (B, N) bool: false in empty slots and for people of whom nothing is told
    boxes: Tensor  # (B, N, 4) fractions of the picture


class IdentityProjector(nn.Module):
    """From a person's coefficients to tokens of the text's width."""

    GAIN = 5.0  # how much faster it learns than the rest

    def __init__(self, coefficients: int, tokens: int, width: int) -> None:
        super().__init__()
        self._size = tokens, width
        self.map = nn.Linear(coefficients, tokens * width)
        # Nearly nothing at first, so that the network is disturbed by no noise that it did not learn with.
        nn.init.normal_(self.map.weight, std=0.002)
        nn.init.zeros_(self.map.bias)

    def forward(self, people: Tensor) -> Tensor:
        """(..., K) to (..., T, D)."""
        found: Tensor = self.GAIN * self.map(people).unflatten(-1, self._size)
        return found


class PlainSelfAttention(AttentionLayer):
    """Self-attention as the network has it, by our `attend`."""

    def forward(self, attn: Attention, hidden: Tensor, context: Tensor | None) -> Tensor:
        """(B, L, C), as AttentionLayer says."""
        query = split_heads(attn.to_q(hidden), attn.heads)
        return attn.to_out[0](merge_heads(attend(query, *_projected(attn, hidden))))


class IdentityCrossAttention(AttentionLayer):
    """Cross-attention to the caption, and beside it, in each person's part of the picture, to that person's tokens.

    Both use the layer's own projections of text. One softmax over caption and people, as if the tokens were words, was
    tried first: after 36,000 photographs nobody was told apart.
    """

    def forward(self, attn: Attention, hidden: Tensor, context: Tensor | None) -> Tensor:
        """(B, L, C), as AttentionLayer says."""
        assert context is not None
        told: IdentityCondition = self.attention_state.faces
        query = split_heads(attn.to_q(hidden), attn.heads)
        out = attend(query, *_projected(attn, context)) + self._people(attn, query, told)
        return attn.to_out[0](merge_heads(out))

    def _people(self, attn: Attention, query: Tensor, told: IdentityCondition) -> Tensor:
        """What people add, (B, heads, L, d)."""
        key, value = _projected(attn, told.tokens)  # (B, N, heads, T, d)
        each = attend(query.unsqueeze(1), key, value)  # (B, N, heads, L, d)
        return (each * shares(told, self.attention_state.grid(query.shape[-2]))[:, :, None, :, None]).sum(1)


def _projected(attn: Attention, source: Tensor) -> tuple[Tensor, Tensor]:
    return split_heads(attn.to_k(source), attn.heads), split_heads(attn.to_v(source), attn.heads)


def shares(told: IdentityCondition, grid: tuple[int, int]) -> Tensor:
    """Which positions are whose, (B, N, L) in {0, 1}: each is its nearest person's, if that person is told of."""
    return region_masks(told.boxes, grid).flatten(2) * told.present.unsqueeze(-1)


def layers(unet: nn.Module) -> dict[str, AttentionLayer]:
    """What reads of people at every attention layer of `unet`, by the layer's name."""
    return {
        site.name: IdentityCrossAttention() if site.context else PlainSelfAttention() for site in attention_layers(unet)
    }


def attach_identity(unet: nn.Module) -> AttentionState:
    """Let the cross-attention of `unet` read what the returned state holds."""
    attention_state = AttentionState()
    attach(unet, layers(unet), attention_state)
    return attention_state


@dataclass(frozen=True)
class Cast:
    """Who is in each photograph, and where; empty slots are zeros."""

    people: NDArray[np.float32]  # (photos, N, K)
    boxes: NDArray[np.float32]  # (photos, N, 4) fractions of the picture
    points: NDArray[np.float32]  # (photos, N, 5, 2) key points in pixels
    present: NDArray[np.bool_]  # (photos, N)


def cast(data: dataset.Drawn, seed: int) -> Cast:
    """The people of all photographs of one kind, of the population of a seed."""
    known = coefficients(seed, sorted(set(data.person.tolist())))
    counts = np.bincount(data.photo, minlength=len(data.captions))
    slot = np.arange(len(data.photo)) - np.repeat(np.cumsum(counts) - counts, counts)
    height, width = data.images.shape[1:3]
    size = len(counts), int(counts.max())
    people = np.zeros((*size, next(iter(known.values())).size), np.float32)
    boxes, present = np.zeros((*size, 4), np.float32), np.zeros(size, np.bool_)
    points = np.zeros((*size, 5, 2), np.float32)
    people[data.photo, slot] = np.stack([known[person] for person in data.person.tolist()])
    boxes[data.photo, slot] = data.box / np.array([width, height, width, height], np.float32)
    points[data.photo, slot] = kps_from_landmarks68(data.landmarks)
    present[data.photo, slot] = True
    return Cast(people, boxes, points, present)


def coefficients(seed: int, indices: Sequence[int]) -> dict[int, NDArray[np.float32]]:
    """Shape and albedo (K,) of people, in standard deviations."""
    people = [population.person(seed, index) for index in indices]
    return {one.index: np.concatenate([one.shape, one.albedo]) for one in people}
