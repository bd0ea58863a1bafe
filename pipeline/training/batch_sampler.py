"""The order in which every method sees the training photos: batches of one size, any step found directly."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray


class BucketBatchSampler:
    """Which photos make up step k of a phase: epochs of shuffled photos, cut into batches of one size.

    Any step is found without walking through those before it. The last batch of a size wraps round.
    """

    def __init__(
        self, photos: Sequence[int], sizes: Sequence[tuple[int, int]], batch: int, seed: Sequence[int]
    ) -> None:
        self._buckets = [
            [photo for photo, found in zip(photos, sizes, strict=True) if found == size] for size in sorted(set(sizes))
        ]
        self._batch, self._seed = batch, list(seed)
        self._plan = [number for number, bucket in enumerate(self._buckets) for _ in range(-(-len(bucket) // batch))]
        self._epoch = lru_cache(maxsize=1)(self._shuffle)

    def at(self, step: int) -> list[int]:
        """The photos of a step, as many as a batch has."""
        return self._epoch(step // len(self._plan))[step % len(self._plan)]

    def _shuffle(self, epoch: int) -> list[list[int]]:
        rng = np.random.default_rng([*self._seed, epoch])
        batches = [part for bucket in self._buckets for part in self._cut(rng.permutation(bucket))]
        return [batches[index] for index in rng.permutation(len(batches))]

    def _cut(self, photos: NDArray[Any]) -> list[list[int]]:
        count = -(-len(photos) // self._batch)
        return np.resize(photos, (count, self._batch)).tolist()
