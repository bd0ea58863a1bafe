"""Low-rank changes."""

import torch
from torch import nn

from pipeline.backbone.inject import AttentionSpec
from pipeline.backbone.lora import AttentionLowRank, LowRank


def test_a_new_change_changes_nothing() -> None:
    linear, states = nn.Linear(6, 5), torch.randn(2, 3, 6)
    assert torch.equal(LowRank(6, 5, 2)(linear, states), linear(states))


def test_a_change_is_a_product_beside_the_layer() -> None:
    linear, states, change = nn.Linear(6, 5), torch.randn(2, 3, 6), LowRank(6, 5, 2)
    nn.init.normal_(change.up)
    beside = linear(states) + states @ change.down.T @ change.up.T
    assert torch.allclose(change(linear, states), beside, atol=1e-5)


def test_ranks_follow_the_width_up_to_the_one_asked_for() -> None:
    change = AttentionLowRank(AttentionSpec("x", 60, 128, 2), rank=128)
    assert change.query.down.shape == (24, 60)
    assert change.key.down.shape == (24, 128)
    assert change.key.up.shape == (60, 24)
    assert AttentionLowRank(AttentionSpec("x", 320, 768, 8), rank=128).query.down.shape == (128, 320)  # as published
