"""What the pack's backbone is told about its people in training: tokens beside the caption's, made of who they are.

The captions of the web name the people whom they show, and so SD 1.5 draws thousands of them by name: its
cross-attention carries identity, and adapters only have to steer it. The world's captions never say who is shown. In
their place a person's shape and albedo (the truth) become a few tokens, which are thrown away after training: what
stays in the UNet is that its cross-attention can draw anybody. The people of the pack are never those of a demo.

In a group the tokens of a person are read in that person's part of the picture only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from diffusers.models.attention_processor import Attention
from numpy.typing import NDArray
from torch import Tensor, nn

from pipeline.backbone.inject import (
    AttentionLayer,
    Wires,
    attach,
    attend,
    merge_heads,
    region_masks,
    sites,
    split_heads,
)
from pipeline.world import population
from pipeline.world.pack import draw


@dataclass(frozen=True)
class Told:
    """What the attention layers read."""

    tokens: Tensor  # (B, N, T, D)
    present: Tensor  # (B, N) bool: false in empty slots and for people of whom nothing is told
    boxes: Tensor  # (B, N, 4) fractions of the picture


class Telling(nn.Module):
    """From a person's coefficients to tokens of the text's width."""

    def __init__(self, coefficients: int, tokens: int, width: int) -> None:
        super().__init__()
        self._size = tokens, width
        self.map = nn.Linear(coefficients, tokens * width)
        self.norm = nn.LayerNorm(width)

    def forward(self, people: Tensor) -> Tensor:
        """(..., K) to (..., T, D)."""
        found: Tensor = self.norm(self.map(people).unflatten(-1, self._size))
        return found


class Reading(AttentionLayer):
    """Cross-attention to the caption and, in each person's part of the picture, to that person's tokens."""

    def forward(self, attn: Attention, hidden: Tensor, context: Tensor | None) -> Tensor:
        """(B, L, C), as AttentionLayer says."""
        assert context is not None
        told: Told = self.wires.faces
        source = torch.cat([context, told.tokens.flatten(1, 2).to(context)], dim=1)
        query, key, value = (
            split_heads(each, attn.heads) for each in (attn.to_q(hidden), attn.to_k(source), attn.to_v(source))
        )
        bias = reading_bias(told, context.shape[1], self.wires.grid(hidden.shape[1])).to(query)
        out: Tensor = attn.to_out[0](merge_heads(attend(query, key, value, bias)))
        return out


def reading_bias(told: Told, words: int, grid: tuple[int, int]) -> Tensor:
    """What is added to the logits (B, 1, L, words + N * T): minus infinity at tokens that a position must not read."""
    mine = region_masks(told.boxes, grid).flatten(2).bool() & told.present.unsqueeze(-1)  # (B, N, L)
    people = mine.transpose(1, 2).repeat_interleave(told.tokens.shape[2], dim=2)  # (B, L, N * T)
    readable = torch.cat([people.new_ones(*people.shape[:2], words), people], dim=2)
    return torch.zeros(readable.shape, device=readable.device).masked_fill(~readable, -torch.inf).unsqueeze(1)


def tell(unet: nn.Module) -> Wires:
    """Let the cross-attention of `unet` read what lies on the wires that are returned."""
    wires = Wires()
    attach(unet, {site.name: Reading() for site in sites(unet) if site.context}, wires)
    return wires


@dataclass(frozen=True)
class Cast:
    """Who is in each photograph, and where; empty slots are zeros."""

    people: NDArray[np.float32]  # (photos, N, K)
    boxes: NDArray[np.float32]  # (photos, N, 4) fractions of the picture
    present: NDArray[np.bool_]  # (photos, N)


def cast(data: draw.Drawn, seed: int) -> Cast:
    """The people of all photographs of one kind, of the population of a seed."""
    known = coefficients(seed, sorted(set(data.person.tolist())))
    counts = np.bincount(data.photo, minlength=len(data.captions))
    slot = np.arange(len(data.photo)) - np.repeat(np.cumsum(counts) - counts, counts)
    height, width = data.images.shape[1:3]
    size = len(counts), int(counts.max())
    people = np.zeros((*size, next(iter(known.values())).size), np.float32)
    boxes, present = np.zeros((*size, 4), np.float32), np.zeros(size, np.bool_)
    people[data.photo, slot] = np.stack([known[person] for person in data.person.tolist()])
    boxes[data.photo, slot] = data.box / np.array([width, height, width, height], np.float32)
    present[data.photo, slot] = True
    return Cast(people, boxes, present)


def coefficients(seed: int, indices: Sequence[int]) -> dict[int, NDArray[np.float32]]:
    """Shape and albedo (K,) of people, in standard deviations."""
    people = [population.person(seed, index) for index in indices]
    return {one.index: np.concatenate([one.shape, one.albedo]) for one in people}
