"""Low-rank changes of frozen linear layers (LoRA, Hu et al., arXiv 2106.09685)."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.backbone.inject import AttentionSpec


class LowRank(nn.Module):
    """A change of rank `rank` of a frozen linear layer, zero at first.

    The change is added to the weight, not run beside it: with the few channels of small UNets one product of the
    weights' size is cheaper than two thin products over all positions, forward and backward, and saves their memory.
    """

    def __init__(self, inputs: int, outputs: int, rank: int) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.randn(rank, inputs) / rank)
        self.up = nn.Parameter(torch.zeros(outputs, rank))

    def forward(self, linear: nn.Linear, states: Tensor) -> Tensor:
        """`linear` with the change added, on (..., inputs)."""
        return F.linear(states, linear.weight + self.up @ self.down, linear.bias)


class Unchanged(nn.Module):
    """A frozen linear layer as it is, called like `LowRank`."""

    def forward(self, linear: nn.Linear, states: Tensor) -> Tensor:
        """`linear` on (..., inputs)."""
        return linear(states)


class AttentionLowRank(nn.Module):
    """Low-rank changes of the four projections of one attention layer; rank at most two fifths of the layer's width.

    A rank of 0 changes nothing and has no parameters.
    """

    def __init__(self, spec: AttentionSpec, rank: int) -> None:
        super().__init__()
        if rank:
            rank = min(rank, max(2 * spec.hidden // 5, 1))
        source = spec.context or spec.hidden
        self.query = _change(spec.hidden, spec.hidden, rank)
        self.key = _change(source, spec.hidden, rank)
        self.value = _change(source, spec.hidden, rank)
        self.out = _change(spec.hidden, spec.hidden, rank)


def _change(inputs: int, outputs: int, rank: int) -> nn.Module:
    return LowRank(inputs, outputs, rank) if rank else Unchanged()
