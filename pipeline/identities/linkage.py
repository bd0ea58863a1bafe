"""Average linkage on a sparse graph: merge clusters while their faces are, on average over all pairs, alike.

Average linkage (UPGMA; Sokal and Michener, 1958) asks all pairs of two clusters, so that one pair of lookalikes does
not chain two people together as connected components do. Two facts make it cheap without the table of all pairs:
the mean over pairs follows from one sum of vectors per cluster, and it cannot reach a level that no single pair
reaches, so that only pairs of the graph above that level are candidates. Merging all pairs of clusters that are each
other's best at once gives the same tree as merging the best pair first (reciprocal nearest neighbours; Murtagh, 1983).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
CHUNK = 100_000  # pairs scored at once: bounds memory


@dataclass(frozen=True)
class Pairing:
    """What the likeness of two faces i and j is: (left_i . right_j + right_i . left_j) / 2 + bias_i + bias_j.

    Linear in each face, so that a cluster's sums give its mean likeness to another cluster.
    """

    left: Floats  # (N, D)
    right: Floats  # (N, D)
    bias: Floats  # (N,)

    def parts(self) -> tuple[Floats, Floats, Floats]:
        """The arrays, to treat them alike."""
        return self.left, self.right, self.bias

    def mean(self, edges: Integers, sizes: Integers) -> Floats:
        """Mean likeness (E,) of pairs of clusters (E, 2) when rows are sums over `sizes` (N,) faces."""
        pieces = [edges[start : start + CHUNK].T for start in range(0, max(len(edges), 1), CHUNK)]
        return np.concatenate([self._mean(first, second, sizes) for first, second in pieces])

    def _mean(self, first: Integers, second: Integers, sizes: Integers) -> Floats:
        products = np.einsum("ed,ed->e", self.left[first], self.right[second])
        products += np.einsum("ed,ed->e", self.right[first], self.left[second])
        means = self.bias[first] / sizes[first] + self.bias[second] / sizes[second]
        return products / (2 * sizes[first] * sizes[second]) + means


class Tree(NamedTuple):
    """The merges of N faces down to some level: two faces of what became one (M, 2), and how alike they were (M,)."""

    size: int
    pairs: Integers
    likeness: Floats

    def cut(self, level: float) -> Integers:
        """Clusters at a level: labels (N,) from 0, in order of their first face."""
        pairs = self.pairs[self.likeness >= level]
        graph = csr_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(self.size, self.size))
        return connected_components(graph, directed=False)[1].astype(np.int64)


def average_linkage(pairing: Pairing, edges: Integers, level: float) -> Tree:
    """Merge until no two clusters are `level` alike.

    Args:
        pairing: the likeness of faces; their order must not depend on how they arrived (ties go to the first).
        edges: candidate pairs (E, 2), at best every pair of faces whose likeness reaches `level`.
    """
    count = len(pairing.bias)
    sums, sizes = Pairing(*(part.copy() for part in pairing.parts())), np.ones(count, np.int64)
    edges, likeness = _alike(sums, sizes, unique_edges(edges, count), level)
    pairs, heights = [np.empty((0, 2), np.int64)], [np.empty(0)]
    while len(edges):
        best = _mutual_best(edges, likeness, count)
        pairs.append(edges[best])
        heights.append(likeness[best])
        touched, renamed = _merge(sums, sizes, edges[best])
        # Only what merged is scored anew: near the end that is a handful of a large graph.
        changed = touched[edges].any(axis=1)
        anew = _alike(sums, sizes, unique_edges(renamed[edges[changed]], count), level)
        edges = np.concatenate([edges[~changed], anew[0]])
        likeness = np.concatenate([likeness[~changed], anew[1]])
    return Tree(count, np.concatenate(pairs), np.concatenate(heights))


def _alike(sums: Pairing, sizes: Integers, edges: Integers, level: float) -> tuple[Integers, Floats]:
    """The edges of at least this likeness. Below it now means below it for good: a union is never more alike to a
    third cluster than both its parts."""
    likeness = sums.mean(edges, sizes)
    return edges[likeness >= level], likeness[likeness >= level]


def _mutual_best(edges: Integers, likeness: Floats, count: int) -> NDArray[np.bool_]:
    """Edges (E,) whose ends are each other's best; of equal ones that share an end, the first in order of ends."""
    low, high = edges.T
    most = np.full(count, -np.inf)
    np.maximum.at(most, low, likeness)
    np.maximum.at(most, high, likeness)
    mutual = (likeness == most[low]) & (likeness == most[high])
    codes = low * count + high
    first = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(first, low[mutual], codes[mutual])
    np.minimum.at(first, high[mutual], codes[mutual])
    return mutual & (codes == first[low]) & (codes == first[high])


def _merge(sums: Pairing, sizes: Integers, pairs: Integers) -> tuple[NDArray[np.bool_], Integers]:
    """Add the second of each pair (M, 2) to the first, in place; which clusters changed, and their new numbers (N,)."""
    kept, gone = pairs.T
    for part in (*sums.parts(), sizes):
        part[kept] += part[gone]
    touched, renamed = np.zeros(len(sizes), bool), np.arange(len(sizes))
    touched[pairs] = True
    renamed[gone] = kept
    return touched, renamed


def unique_edges(edges: Integers, count: int) -> Integers:
    """Edges (E, 2) among `count` nodes without loops, each once with its lower end first, in order."""
    low, high = edges.min(axis=1), edges.max(axis=1)
    # One number per edge: sorting rows of two takes twice as long (make bench).
    codes = np.unique((low * count + high)[low != high])
    return np.stack([codes // count, codes % count], axis=1)


def sum_rows(values: Floats, label: Integers, count: int) -> Floats:
    """Sums (count, ...) of the rows of values (N, ...) that share a label (N,)."""
    rows = csr_matrix((np.ones(len(label)), (label, np.arange(len(label)))), shape=(count, len(label)))
    return rows @ values
