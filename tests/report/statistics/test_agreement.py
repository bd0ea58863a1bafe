"""Pairwise and BCubed agreement: by hand, against all pairs, under renaming and shuffling, with arguments swapped."""

import itertools

import numpy as np
import pytest

from pipeline.report.statistics.agreement import bcubed, pairwise

LABELS, TRUTH = [0, 0, 0, 1, 1], ["a", "a", "b", "b", "b"]


def slow_pairwise(labels: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    pairs = list(itertools.combinations(range(len(labels)), 2))
    both = sum(labels[i] == labels[j] and truth[i] == truth[j] for i, j in pairs)
    return both / sum(labels[i] == labels[j] for i, j in pairs), both / sum(truth[i] == truth[j] for i, j in pairs)


def slow_bcubed(labels: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    same_label, same_truth = labels[:, None] == labels, truth[:, None] == truth
    both = (same_label & same_truth).sum(1)
    return float((both / same_label.sum(1)).mean()), float((both / same_truth.sum(1)).mean())


@pytest.fixture
def items() -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    return draw.integers(0, 12, 90), draw.integers(0, 9, 90)


def test_pairwise_by_hand() -> None:
    # Four pairs share a label, four a truth; (a a) and (b b) share both.
    assert pairwise(LABELS, TRUTH) == (0.5, 0.5, 0.5)
    assert pairwise([0, 0, 0], ["a", "a", "b"]) == pytest.approx((1 / 3, 1.0, 0.5))


def test_bcubed_by_hand() -> None:
    # Precision (2/3 + 2/3 + 1/3 + 1 + 1) / 5, recall (1 + 1 + 1/3 + 2/3 + 2/3) / 5.
    assert bcubed(LABELS, TRUTH) == pytest.approx((11 / 15, 11 / 15, 11 / 15))
    assert bcubed([0, 0, 0], ["a", "a", "b"]) == pytest.approx((5 / 9, 1.0, 5 / 7))


def test_like_counting_all_pairs(items: tuple[np.ndarray, np.ndarray]) -> None:
    assert pairwise(*items)[:2] == pytest.approx(slow_pairwise(*items))
    assert bcubed(*items)[:2] == pytest.approx(slow_bcubed(*items))


@pytest.mark.parametrize("score", [pairwise, bcubed])
def test_names_and_order_do_not_count(items: tuple[np.ndarray, np.ndarray], score) -> None:
    labels, truth = items
    order = np.random.default_rng(1).permutation(len(labels))
    renamed = np.array([f"person {99 - label}" for label in labels])
    assert score(renamed[order], truth[order]) == pytest.approx(score(labels, truth))


@pytest.mark.parametrize("score", [pairwise, bcubed])
def test_swapped_arguments_swap_precision_and_recall(score) -> None:
    split = score([0, 1, 2, 3], [0, 0, 1, 1])
    assert split.precision == 1.0
    assert split.recall < 1.0
    swapped = score([0, 0, 1, 1], [0, 1, 2, 3])
    assert (swapped.precision, swapped.recall, swapped.f) == (split.recall, split.precision, split.f)


def test_nothing_to_be_wrong_about() -> None:
    assert pairwise([0, 1, 2], [0, 1, 2]) == (1.0, 1.0, 1.0)
    assert bcubed([0, 1, 2], [0, 1, 2]) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("score", [pairwise, bcubed])
@pytest.mark.parametrize(("labels", "truth"), [([], []), ([0], [0, 1])])
def test_as_many_labels_as_truths(labels: list[int], truth: list[int], score) -> None:
    with pytest.raises(ValueError, match="as many of each"):
        score(labels, truth)
