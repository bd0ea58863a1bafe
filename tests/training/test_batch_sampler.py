"""Batches of one size: no photo twice, all equally often, and any step without those before it."""

from collections import Counter
from math import log

import numpy as np
import pytest

from pipeline.samples import framing
from pipeline.samples.framing import Frame, Rect, Size
from pipeline.training.batch_sampler import BucketBatchSampler


def web(count: int) -> list[tuple[Size, Rect]]:
    """Photographs of the web's many sizes, each of one person."""
    rng = np.random.default_rng(11)
    common = [(1024, 768), (800, 600), (600, 800), (1200, 800), (940, 464), (1080, 1080), (1600, 1067), (640, 853)]
    found = []
    for _ in range(count):
        if rng.random() < 0.4:
            width, height = common[int(rng.integers(len(common)))]
        else:
            width, height = (int(value) for value in np.exp(rng.uniform(log(520), log(2600), 2)))
        side = min(width, height) * rng.uniform(0.1, 0.3)
        x, y = rng.uniform(0.3, 0.7) * width, rng.uniform(0.3, 0.6) * height
        found.append(((width, height), Rect(x - side / 2, y - side / 2, x + side / 2, y + side / 2)))
    return found


@pytest.fixture(scope="module")
def sizes() -> list[Size]:
    rules, photos = framing.framing(512, 64, 32.0), web(20_000)
    assert len({size for size, _ in photos}) > 11_000
    frames = [rules.frame(size, [face]) for size, face in photos]
    return [frame.size for frame in frames if isinstance(frame, Frame)]


def test_photographs_of_the_webs_sizes(sizes: list[Size]) -> None:
    """20,000 photographs of 11,000 sizes: few sizes, no batch of copies, epochs of the right length."""
    assert len(sizes) > 19_000
    assert len(set(sizes)) <= 12
    order = BucketBatchSampler(range(len(sizes)), sizes, 16, [0, 1, 1])
    seen: Counter[int] = Counter()
    for epoch in range(3):
        assert order.steps(epoch + 1) - order.steps(epoch) == pytest.approx(len(sizes) / 16, rel=0.03)
        for step in range(order.steps(epoch), order.steps(epoch + 1)):
            batch = order.at(step)
            assert len(set(batch)) == 16
            assert len({sizes[photo] for photo in batch}) == 1
            seen.update(batch)
        counts = [seen[photo] for photo in range(len(sizes))]
        assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize("counts", [(4, 8, 12), (5, 7, 9), (10, 4), (6, 31, 4), (2, 9), (1, 3)])
def test_all_photos_are_seen_equally_often(counts: tuple[int, ...]) -> None:
    sizes = [(64, 64 + number) for number, count in enumerate(counts) for _ in range(count)]
    order, seen = BucketBatchSampler(range(len(sizes)), sizes, 4, [3]), Counter[int]()
    for epoch in range(12):
        for step in range(order.steps(epoch), order.steps(epoch + 1)):
            batch = order.at(step)
            assert len({sizes[photo] for photo in batch}) == 1
            assert len(set(batch)) == min(4, counts[sizes[batch[0]][1] - 64])
            seen.update(batch)
        assert all(max(of) - min(of) <= 1 for of in by_size(seen, sizes))
    for photos, of in zip(counts, by_size(seen, sizes), strict=True):
        assert sum(of) == 12 * photos // 4 * 4


def by_size(seen: Counter[int], sizes: list[Size]) -> list[list[int]]:
    return [[seen[n] for n, found in enumerate(sizes) if found == size] for size in sorted(set(sizes))]


def test_a_step_is_found_without_those_before_it() -> None:
    sizes = [(64, 64)] * 37 + [(128, 64)] * 11 + [(64, 128)] * 5
    walked = BucketBatchSampler(range(53), sizes, 8, [0, 1])
    batches = [walked.at(step) for step in range(80)]
    for step in (79, 0, 41, 6):
        assert BucketBatchSampler(range(53), sizes, 8, [0, 1]).at(step) == batches[step]
    assert BucketBatchSampler(range(53), sizes, 8, [0, 2]).at(41) != batches[41]
    assert len({tuple(batch) for batch in batches}) > 70


def test_whole_batches_are_ordered_as_ever() -> None:
    """Where nothing is left over: a permutation of each size by one generator per epoch, then one of the batches."""
    sizes = [(128, 64)] * 8 + [(64, 64)] * 12
    order, rng = BucketBatchSampler(range(20), sizes, 4, [0, 1, 1]), np.random.default_rng([0, 1, 1, 1])
    parts = [*rng.permutation(range(8, 20)).reshape(3, 4).tolist(), *rng.permutation(range(8)).reshape(2, 4).tolist()]
    assert [order.at(step) for step in range(5, 10)] == [parts[index] for index in rng.permutation(5)]
