"""The order in which every method sees the training photos: batches of one size, any step found directly."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

KEPT = 4  # epochs that are remembered: a batch across two needs both
Order = NDArray[Any]


class BucketBatchSampler:
    """Which photos make up step k of a phase: epochs of shuffled photos, cut into batches of one size.

    Any step is found without walking through those before it. The photos of a size that an epoch leaves over begin the
    first batch of that size in the next one, so that all photos are seen equally often. No batch holds a photo twice,
    unless fewer photos have its size than a batch takes.
    """

    def __init__(
        self, photos: Sequence[int], sizes: Sequence[tuple[int, int]], batch: int, seed: Sequence[int]
    ) -> None:
        self._buckets = [
            [photo for photo, found in zip(photos, sizes, strict=True) if found == size] for size in sorted(set(sizes))
        ]
        self._batch, self._seed = batch, list(seed)
        self._shuffled = lru_cache(maxsize=KEPT)(self._shuffle)
        self._epoch = lru_cache(maxsize=1)(self._batches)

    def at(self, step: int) -> list[int]:
        """The photos of a step, as many as a batch has."""
        epoch = self._epoch_of(step)
        return self._epoch(epoch)[step - self.steps(epoch)]

    def steps(self, epochs: int) -> int:
        """How many steps the first epochs have."""
        return sum(self._cuts(bucket, epochs) for bucket in self._buckets)

    def _epoch_of(self, step: int) -> int:
        low, high = 0, 1
        while self.steps(high) <= step:
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.steps(middle) <= step else (low, middle)
        return low

    def _cuts(self, bucket: Sequence[int], epochs: int) -> int:
        """Whole batches of a size in the first epochs."""
        return epochs * len(bucket) // self._batch

    def _batches(self, epoch: int) -> list[list[int]]:
        found = [
            self._stream(number, cut * self._batch)
            for number, bucket in enumerate(self._buckets)
            for cut in range(self._cuts(bucket, epoch), self._cuts(bucket, epoch + 1))
        ]
        return [found[index] for index in self._rng_after(epoch).permutation(len(found))]

    def _stream(self, number: int, start: int) -> list[int]:
        """A batch of the photos of a size, epoch after epoch, from the photo `start` on."""
        count, stop = len(self._buckets[number]), start + self._batch
        epochs = range(start // count, (stop - 1) // count + 1)
        parts = [self._order(number, e)[max(start - e * count, 0) : stop - e * count] for e in epochs]
        return np.concatenate(parts).tolist()

    def _order(self, number: int, epoch: int) -> Order:
        """The photos of a size in an epoch; those that begin it are none that the epoch before leaves over."""
        count = len(self._buckets[number])
        if count % self._batch and count < 2 * self._batch:
            # too few to choose from: windows of one order that is repeated hold no photo twice
            return self._shuffled(0)[0][number]
        shuffled, over = self._shuffled(epoch)[0][number], epoch * count % self._batch
        if not over:
            return shuffled
        before = self._shuffled(epoch - 1)[0][number][-over:]
        return _begun_without(before, shuffled, self._batch - over, (epoch + 1) * count % self._batch)

    def _shuffle(self, epoch: int) -> tuple[list[Order], np.random.Generator]:
        rng = np.random.default_rng([*self._seed, epoch])
        return [rng.permutation(bucket) for bucket in self._buckets], rng

    def _rng_after(self, epoch: int) -> np.random.Generator:
        return self._shuffle(epoch)[1]


def _begun_without(before: Order, photos: Order, begin: int, over: int) -> Order:
    """The photos in their order, but that the first `begin` are not in `before`; the last `over` stay."""
    body = photos[: len(photos) - over]
    first = body[~np.isin(body, before)][:begin]
    return np.concatenate([first, body[~np.isin(body, first)], photos[len(photos) - over :]])
