"""The parameters that a phase trains: their gradients, their optimiser, and their learning rate over the steps."""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from pipeline.method import Method, Phase, trainable
from pipeline.training.distributed import Ranks
from pipeline.weights import checkpoint

WARM_UP = 0.05  # of a phase's steps
CLIP = 1.0  # norm of the gradient
BETAS = (0.9, 0.99)
WEIGHT_DECAY = 0.01


class Gradients:
    """The gradients of some parameters as views of one flat buffer, with room for the loss terms behind them."""

    def __init__(self, parameters: list[torch.nn.Parameter], terms: int) -> None:
        sizes = [parameter.numel() for parameter in parameters]
        self.buffer = torch.zeros(sum(sizes) + terms, device=parameters[0].device)
        self.flat, self.terms = self.buffer[: sum(sizes)], self.buffer[sum(sizes) :]
        for parameter, part in zip(parameters, self.flat.split(sizes), strict=True):
            parameter.grad = part.view_as(parameter)

    def share(self, ranks: Ranks) -> None:
        """Mean over the ranks."""
        ranks.sum(self.buffer)
        self.buffer.div_(ranks.size)

    def clip(self) -> float:
        """Scale to a norm of at most CLIP; the norm that it was."""
        norm = self.flat.norm()
        self.flat.mul_((CLIP / norm.clamp(min=1e-12)).clamp(max=1.0))
        return norm.item()


class PhaseOptimiser:
    """AdamW over what a phase trains, at the phase's own factors of the learning rate.

    All other parameters of the method are frozen.

    Args:
        state: of a checkpoint, as `checkpoint.state_of` gives it; empty where the phase begins.
    """

    def __init__(self, method: Method, phase: Phase, learning_rate: float, state: Mapping[str, Tensor]) -> None:
        rates = trainable(method, phase)
        for name, parameter in method.named_parameters():
            parameter.requires_grad_(name in rates)
        named = {name: parameter for name, parameter in method.named_parameters() if name in rates}
        groups = [
            {"params": [named[name] for name in named if rates[name] == factor], "factor": factor}
            for factor in sorted(set(rates.values()))
        ]
        self.parameters = list(named.values())
        self.adamw = torch.optim.AdamW(groups, betas=BETAS, weight_decay=WEIGHT_DECAY, fused=True)
        self._learning_rate = learning_rate
        checkpoint.restore(self.adamw, state)

    def step(self, step: int, steps: int) -> None:
        """Change the parameters by their gradients, at the learning rate of step `step` of `steps`."""
        factor = learning_rate_factor(step, steps)
        for group in self.adamw.param_groups:
            group["lr"] = self._learning_rate * group["factor"] * factor
        self.adamw.step()

    def state(self) -> dict[str, Tensor]:
        """For a checkpoint."""
        return checkpoint.state_of(self.adamw)


def learning_rate_factor(step: int, steps: int) -> float:
    """Factor of the learning rate: a short linear rise, then a cosine to zero."""
    rise = max(WARM_UP * steps, 1.0)
    if step < rise:
        return (step + 1) / (rise + 1)
    return 0.5 + 0.5 * math.cos(math.pi * (step - rise) / max(steps - rise, 1.0))
