"""How well labels found without a truth agree with it: pairwise and BCubed precision, recall and F.

Pairwise counts pairs of items, so that large groups weigh most; BCubed (Bagga and Baldwin, 1998) averages over items.
Both take O(n) memory: they work on the table of counts of (label, truth), never on pairs.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Agreement(NamedTuple):
    """Each in [0, 1]. Precision falls when a label mixes truths, recall when a truth is spread over labels."""

    precision: float
    recall: float
    f: float


def pairwise(labels: Sequence | NDArray, truth: Sequence | NDArray) -> Agreement:
    """Of the pairs that share a label, how many share their truth (precision), and the other way round (recall).

    Without any pair to be wrong about, precision or recall is 1.
    """
    cells, rows, columns = _counts(labels, truth)
    both, same_label, same_truth = (_pairs(counts) for counts in (cells.number, rows, columns))
    return _agreement(both / same_label if same_label else 1.0, both / same_truth if same_truth else 1.0)


def bcubed(labels: Sequence | NDArray, truth: Sequence | NDArray) -> Agreement:
    """For each item, the share of its label's items with its truth (precision), and of its truth's with its label.

    Raises:
        ValueError: there are no items.
    """
    cells, rows, columns = _counts(labels, truth)
    total = cells.number.sum()
    precision = (cells.number**2 / rows[cells.row]).sum() / total
    recall = (cells.number**2 / columns[cells.column]).sum() / total
    return _agreement(float(precision), float(recall))


class _Cells(NamedTuple):
    """The nonzero cells of the table of counts."""

    row: NDArray[np.int64]
    column: NDArray[np.int64]
    number: NDArray[np.int64]


def _counts(
    labels: Sequence | NDArray, truth: Sequence | NDArray
) -> tuple[_Cells, NDArray[np.int64], NDArray[np.int64]]:
    if len(labels) != len(truth) or not len(labels):
        raise ValueError(f"found {len(labels)} labels and {len(truth)} truths: expected as many of each, at least one")
    _, row = np.unique(np.asarray(labels), return_inverse=True)
    _, column = np.unique(np.asarray(truth), return_inverse=True)
    pairs, count = np.unique(np.stack([row, column]), axis=1, return_counts=True)
    return _Cells(pairs[0], pairs[1], count.astype(np.int64)), np.bincount(row), np.bincount(column)


def _pairs(counts: NDArray[np.int64]) -> int:
    return int((counts * (counts - 1) // 2).sum())


def _agreement(precision: float, recall: float) -> Agreement:
    total = precision + recall
    return Agreement(precision, recall, 2 * precision * recall / total if total else 0.0)
