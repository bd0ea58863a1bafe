"""Perceiver attention: a few queries read any number of context tokens (Flamingo, arXiv 2204.14198)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.backbone.inject import attend, merge_heads, split_heads, token_bias


class PerceiverAttention(nn.Module):
    """Queries attend to context tokens and to themselves; both are normalised first, nothing has a bias."""

    def __init__(self, width: int, head_width: int = 64) -> None:
        super().__init__()
        self.heads = max(width // head_width, 1)
        self.norm_context = nn.LayerNorm(width)
        self.norm_queries = nn.LayerNorm(width)
        self.to_query = nn.Linear(width, width, bias=False)
        self.to_key_value = nn.Linear(width, 2 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)

    def forward(self, queries: Tensor, context: Tensor, keep: Tensor | None = None) -> Tensor:
        """The change of the queries, (B, Q, width).

        Args:
            queries: (B, Q, width).
            context: (B, L, width).
            keep: (B, L) bool, tokens that may be read; None reads all. The queries themselves are always read.
        """
        queries = self.norm_queries(queries)
        source = torch.cat([self.norm_context(context), queries], dim=1)
        key, value = self.to_key_value(source).chunk(2, dim=-1)
        query, key, value = (split_heads(x, self.heads) for x in (self.to_query(queries), key, value))
        bias = None if keep is None else token_bias(F.pad(keep, (0, queries.shape[1]), value=True), query.dtype)
        return self.out(merge_heads(attend(query, key, value, bias)))


class FeedForward(nn.Sequential):
    """LayerNorm, linear to four times the width, GELU, linear back; no biases."""

    def __init__(self, width: int) -> None:
        super().__init__(
            nn.LayerNorm(width),
            nn.Linear(width, 4 * width, bias=False),
            nn.GELU(),
            nn.Linear(4 * width, width, bias=False),
        )


class Perceiver(nn.Module):
    """Queries that read a context layer by layer, an FFN after each reading."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.readings = nn.ModuleList(PerceiverAttention(width) for _ in range(depth))
        self.ffns = nn.ModuleList(FeedForward(width) for _ in range(depth))

    def forward(self, queries: Tensor, context: Tensor, keep: Tensor | None = None) -> Tensor:
        """Queries (F, Q, width) after reading (F, L, width); `keep` (F, L) bool says what may be read."""
        for reading, ffn in zip(self.readings, self.ffns, strict=True):
            queries = queries + reading(queries, context, keep)
            queries = queries + ffn(queries)
        return queries


class Resampler(nn.Module):
    """Learned queries that read context tokens; as many tokens come out as there are queries.

    Args:
        inner: width of the queries while they read; 0: that of the tokens.
    """

    def __init__(self, inputs: int, width: int, queries: int, depth: int, inner: int = 0) -> None:
        super().__init__()
        inner = inner or width
        self.project = nn.Linear(inputs, inner)
        self.queries = nn.Parameter(torch.randn(queries, inner) / inner**0.5)
        self.perceiver = Perceiver(inner, depth)
        self.out = nn.Sequential(nn.Linear(inner, width), nn.LayerNorm(width))

    def forward(self, context: Tensor, keep: Tensor | None = None) -> Tensor:
        """Tokens (F, Q, width) of a context (F, L, inputs); `keep` (F, L) bool says what may be read."""
        return self.out(self.perceiver(self.queries.expand(len(context), -1, -1), self.project(context), keep))
