"""Random numbers of training: each follows from the seed, the step and what it is for, and from nothing before it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

# What one step's random numbers are for: each has its own stream.
REFERENCES, LATENT, NOISE, TIMES, LAYERS, CLOSE_UPS, COUNT = range(7)


class StepKey(NamedTuple):
    """A step, whatever the method: two methods see the same photos and noise where their keys are the same."""

    fewest: int  # people in the photos of its phase
    most: int
    step: int  # how many steps on photos of so many people came before


@dataclass(frozen=True)
class StepRandomness:
    """The random numbers of the steps of a training with one seed."""

    seed: int

    def entropy(self, key: StepKey, stream: int, row: int = 0) -> list[int]:
        """Whole numbers that seed a stream of a step; `row` is a photo of its batch, or a rank."""
        return [self.seed, *key, stream, row]

    def rng(self, key: StepKey, stream: int) -> np.random.Generator:
        """For numpy."""
        return np.random.default_rng(self.entropy(key, stream))

    def generator(self, key: StepKey, stream: int) -> torch.Generator:
        """For torch, on the CPU."""
        return torch.Generator().manual_seed(torch_seed(self.entropy(key, stream)))

    def normal(self, key: StepKey, stream: int, size: Sequence[int]) -> Tensor:
        """Standard normal noise of a whole batch, so that a photo's noise does not depend on the number of ranks."""
        return torch.randn(tuple(size), generator=self.generator(key, stream))


def torch_seed(entropy: Sequence[int]) -> int:
    """One seed for torch, of 32 bits, from a list of whole numbers."""
    return int(np.random.SeedSequence(entropy).generate_state(1)[0])
