"""This process among those that train together."""

from dataclasses import dataclass

from torch import Tensor, distributed


@dataclass(frozen=True)
class Ranks:
    """This process among those that train together."""

    rank: int = 0
    size: int = 1

    def sum(self, values: Tensor) -> None:
        """Add up `values` over all ranks, in place."""
        if self.size > 1:
            distributed.all_reduce(values)


SINGLE_PROCESS = Ranks()
