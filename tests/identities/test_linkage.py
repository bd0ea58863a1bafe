"""Average linkage on a graph: equal to the textbook's on all pairs, whatever the order, ties included."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from pipeline.identities.linkage import Pairing, average_linkage, sum_rows, unique_edges
from pipeline.report.statistics.agreement import pairwise
from tests.identities.people import faces


def cosine(vectors: np.ndarray) -> Pairing:
    return Pairing(vectors, vectors, np.zeros(len(vectors)))


def pairs_above(likeness: np.ndarray, level: float) -> np.ndarray:
    return np.argwhere(np.triu(likeness >= level, 1))


def textbook(likeness: np.ndarray, level: float) -> np.ndarray:
    distance = np.clip(likeness.max() - likeness, 0, None)
    np.fill_diagonal(distance, 0)
    return fcluster(linkage(squareform(distance, checks=False), "average"), likeness.max() - level, "distance")


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("level", [0.25, 0.45])
def test_like_the_textbook_on_all_pairs(seed: int, level: float) -> None:
    vectors, _ = faces([3, 8, 1, 20, 5, 2] * 6, spread=1.1, dimension=16, seed=seed)
    cosines = vectors @ vectors.T
    labels = average_linkage(cosine(vectors), pairs_above(cosines, level), level).cut(level)
    assert pairwise(labels, textbook(cosines, level)) == (1, 1, 1)


def test_uneven_likeness_is_averaged_over_all_pairs() -> None:
    vectors, _ = faces([6] * 20, spread=1.2, dimension=16)
    draw = np.random.default_rng(1)
    scale, bias = draw.uniform(0.5, 2, (len(vectors), 1)), draw.normal(size=len(vectors)) / 10
    likeness = (vectors @ vectors.T) * (scale + scale.T) / 2 + bias + bias[:, None]
    pairing = Pairing(vectors * scale, vectors, bias)
    labels = average_linkage(pairing, pairs_above(likeness, 0.3), 0.3).cut(0.3)
    assert pairwise(labels, textbook(likeness, 0.3)) == (1, 1, 1)


def test_one_tree_serves_every_level_above() -> None:
    vectors, _ = faces([5] * 15, spread=1.0, dimension=16)
    edges = pairs_above(vectors @ vectors.T, 0.2)
    tree = average_linkage(cosine(vectors), edges, 0.2)
    for level in (0.2, 0.4, 0.6):
        assert (tree.cut(level) == average_linkage(cosine(vectors), edges, level).cut(level)).all()


def test_ties_go_to_the_first_and_end() -> None:
    # A ring of four equal neighbours: 0-1, 1-2, 2-3, 3-0.
    vectors = np.array([[1, 0], [0.5, 0.5], [0, 1], [-0.5, 0.5]]) @ np.array([[1.0, 0.0], [0.0, 1.0]])
    ring = np.array([[0, 1], [1, 2], [2, 3], [0, 3]])
    same = Pairing(np.ones((4, 1)), np.ones((4, 1)), np.zeros(4))
    assert average_linkage(same, ring, 0.5).cut(0.5).tolist() == [0, 0, 0, 0]
    assert average_linkage(cosine(vectors), ring, 0.45).cut(0.45).tolist() == [0, 0, 1, 1]


def test_nothing_to_merge() -> None:
    vectors, _ = faces([1])
    assert average_linkage(cosine(vectors), np.empty((0, 2), np.int64), 0.5).cut(0.5).tolist() == [0]


def test_edges_once_without_loops() -> None:
    found = unique_edges(np.array([[3, 1], [1, 3], [2, 2], [0, 4]]), 5)
    assert found.tolist() == [[0, 4], [1, 3]]


def test_sums_by_label() -> None:
    assert sum_rows(np.array([[1.0], [2.0], [4.0]]), np.array([1, 0, 1]), 3).tolist() == [[2], [5], [0]]
