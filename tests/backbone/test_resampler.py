"""Perceiver attention."""

import torch

from pipeline.backbone.resampler import PerceiverAttention


def test_tokens_that_are_not_kept_are_not_read() -> None:
    attention = PerceiverAttention(8)
    queries, context = torch.randn(2, 3, 8), torch.randn(2, 5, 8)
    keep = torch.tensor([[True, True, False, False, True]]).expand(2, -1)
    shorter = attention(queries, context[:, [0, 1, 4]])
    assert torch.allclose(attention(queries, context, keep), shorter, atol=1e-6)


def test_without_any_token_the_queries_read_themselves() -> None:
    attention = PerceiverAttention(8)
    queries, context = torch.randn(1, 3, 8), torch.randn(1, 5, 8)
    nothing = attention(queries, context[:, :0])
    assert torch.allclose(attention(queries, context, torch.zeros(1, 5, dtype=torch.bool)), nothing, atol=1e-6)


def test_heads_follow_the_width() -> None:
    assert (PerceiverAttention(768).heads, PerceiverAttention(16).heads) == (12, 1)
