"""Which timesteps a training batch sees: stratified, and more of those where a face takes its details."""

import torch
from torch import Tensor

# Where a face takes its details, as shares of the schedule (reports/decisions/methods-and-training.md).
FOCUS = (0.1, 0.5)


def stratified_timesteps(count: int, steps: int, focus: tuple[float, float], generator: torch.Generator) -> Tensor:
    """Timesteps (count,) of a schedule of `steps`: half from all over it, half from within the shares `focus` of it.

    Either half has one time in each of its equal parts: less variance than independent ones.
    """
    within = count // 2
    everywhere, focused = _stratified(count - within, generator), _stratified(within, generator)
    times = torch.cat([everywhere, focus[0] + focused * (focus[1] - focus[0])]) * steps
    return times[torch.randperm(count, generator=generator)].long().clamp(max=steps - 1)


def _stratified(count: int, generator: torch.Generator) -> Tensor:
    """One number from each of `count` equal pieces of [0, 1)."""
    return (torch.arange(count) + torch.rand(count, generator=generator)) / count
