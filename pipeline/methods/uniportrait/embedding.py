"""The ID embedding module (section 3.2): from frozen features of references to ID tokens, by a Q-Former."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pipeline.backbone.resampler import FeedForward, PerceiverAttention
from pipeline.backbone.tokens import EmbeddingTokens
from pipeline.methods.uniportrait.settings import Settings


@dataclass(frozen=True)
class Keep:
    """Context tokens that may be read, (F, L) bool each; None keeps all."""

    intrinsic: Tensor | None = None
    structure: Tensor | None = None


class QFormerLayer(nn.Module):
    """Queries read the intrinsic tokens, then the structure tokens (scaled by beta), then an FFN follows."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.intrinsic = PerceiverAttention(width)
        self.structure = PerceiverAttention(width)
        self.ffn = FeedForward(width)

    def forward(self, queries: Tensor, intrinsic: Tensor, structure: Tensor | None, keep: Keep, beta: Tensor) -> Tensor:
        """(F, Q, width) of F faces; beta is (F, 1, 1)."""
        queries = queries + self.intrinsic(queries, intrinsic, keep.intrinsic)
        if structure is not None:
            queries = queries + beta * self.structure(queries, structure, keep.structure)
        return queries + self.ffn(queries)


class BranchTokens(nn.Module):
    """A branch's MLP, and learned positions of its tokens within a reference."""

    def __init__(self, null_features: Tensor, width: int, settings: Settings) -> None:
        super().__init__()
        tokens, inputs = null_features.shape
        norm = [nn.LayerNorm(inputs)] if settings.normalised else []
        self.mlp = nn.Sequential(*norm, nn.Linear(inputs, 2 * inputs), nn.GELU(), nn.Linear(2 * inputs, width))
        self.places = nn.Parameter(torch.randn(tokens, width) / width**0.5) if settings.places else None

    def forward(self, features: Tensor) -> Tensor:
        """(F, J, L, inputs) to (F, J * L, width): the tokens of all references one after another."""
        found = self.mlp(features)
        return (found if self.places is None else found + self.places).flatten(1, 2)


class IdEmbedding(nn.Module):
    """The ID embedding module: two MLPs and the Q-Former, from frozen features to ID tokens."""

    def __init__(self, null_features: Mapping[str, Tensor], width: int, settings: Settings) -> None:
        super().__init__()
        sizes = len(null_features["embedding"]), width, settings.queries
        self.first = EmbeddingTokens(*sizes) if settings.embedding else None
        self.intrinsic = BranchTokens(null_features["intrinsic"], width, settings)
        self.structure = BranchTokens(null_features["structure"], width, settings) if settings.structure else None
        self.queries = None if settings.embedding else nn.Parameter(torch.randn(settings.queries, width) / width**0.5)
        depth = settings.depth or max(width // 128, 2)
        self.layers = nn.ModuleList(QFormerLayer(width) for _ in range(depth))
        self.out = nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width))

    def forward(self, embedding: Tensor, intrinsic: Tensor, structure: Tensor, keep: Keep, beta: Tensor) -> Tensor:
        """ID tokens (F, Q, width) of F faces.

        Args:
            embedding: (F, D) mean over the references of a person.
            intrinsic: (F, J, L, C) tokens of each of the references.
            structure: (F, J, M, E) likewise.
            keep: tokens that may be read.
            beta: (F, 1, 1) face structure scale; 0 drops the branch.
        """
        intrinsic = self.intrinsic(intrinsic)  # (F, J * L, width)
        structure_tokens = None if self.structure is None else self.structure(structure)  # (F, J * M, width)
        first = self._first(embedding)
        queries = first
        for layer in self.layers:
            queries = layer(queries, intrinsic, structure_tokens, keep, beta)
        return self.out(queries) if self.first is None else first + self.out(queries)

    def _first(self, embedding: Tensor) -> Tensor:
        """The queries (F, Q, width) before they have read anything."""
        if self.first is not None:
            return self.first(embedding)
        assert self.queries is not None
        return self.queries.expand(len(embedding), -1, -1)
