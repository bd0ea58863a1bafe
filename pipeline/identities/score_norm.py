"""How alike two faces are, measured against how alike impostors are, and from where on that means one person.

Nothing here is fitted on labels. A recogniser's cosines mean nothing by themselves: one puts impostors at 0.0 with a
spread of 0.09, another at 0.06 and 0.15, and some faces are everybody's lookalikes. So a cosine is taken as a number of
standard deviations above the mean of the cosines that each of the two faces has with the cohort, averaged over both
(symmetric score normalisation of speaker verification; Kenny, Odyssey 2010).
"""

import faiss
import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from pipeline.identities.linkage import Floats, Integers, Pairing, sum_rows, unique_edges

COHORT = 1024  # faces that stand for all in the first look
STEP, WIDTH = 0.05, 0.2  # grid and kernel of the density of merges, standard deviations


def s_norm_initial(vectors: Floats) -> Pairing:
    """Likeness before anything is known about identities, for unit-length embeddings (N, D).

    Median and lower half spread of each face's cosines with a part of the cohort: the faces of the same person all lie
    in the upper half, and a family album has many of them.
    """
    rows = np.unique(np.linspace(0, len(vectors) - 1, COHORT).round().astype(int))
    single = vectors.astype(np.float32)
    low, middle = np.quantile(single @ single[rows].T, [norm.cdf(-1), 0.5], axis=1).astype(np.float64)
    return _pairing(vectors, middle, middle - low)


def s_norm_clustered(vectors: Floats, labels: Integers) -> Pairing:
    """Likeness once clusters (N,) are roughly known: every other identity counts once, whatever its photos.

    Mean and spread of a face's cosines with the cohort follow from the cohort's mean m and second moment C, x . m and
    x' C x - (x . m)^2, without the table of all pairs. Its own cluster is taken out of both, as if all its faces lay
    in their mean: among few identities it would look like a wide spread of impostors.
    """
    sizes = np.bincount(labels)
    share = 1.0 / (len(sizes) * sizes[labels])
    moment = (vectors * share[:, None]).T @ vectors
    own = np.einsum("nd,nd->n", vectors, (sum_rows(vectors, labels, len(sizes)) / sizes[:, None])[labels])
    others = max(1.0 - 1.0 / len(sizes), 1e-9)
    mean = (vectors @ (share @ vectors) - own / len(sizes)) / others
    second = (np.einsum("nd,nd->n", vectors @ moment, vectors) - own**2 / len(sizes)) / others
    return _pairing(vectors, mean, np.sqrt(np.maximum(second - mean**2, 0.0)))


def _pairing(vectors: Floats, mean: Floats, spread: Floats) -> Pairing:
    spread = np.maximum(spread, 1e-3)
    return Pairing(vectors / spread[:, None], vectors, -mean / spread / 2)


def impostor_level(count: int) -> float:
    """The likeness that the most alike of `count` impostors stays below in three of four cases, if it is normal."""
    return float(norm.isf(-np.log(0.75) / count))


def genuine_threshold(likeness: Floats, impostors: float) -> float:
    """Where the merges of one person's faces thin out: their most frequent likeness less twice their upper spread.

    Args:
        likeness: of merges (M,); those above `impostors` are mostly of one person, and show where its mode lies. Their
            spread is taken above the mode, where no impostors are, and as a median: copies of one photo lie far above.

    Infinite where there is no mode clearly above `impostors`: then the merges do not tell.
    """
    merges = likeness[likeness >= impostors]
    if not len(merges):
        return np.inf
    grid = np.arange(impostors, merges.max() + STEP, STEP)
    # Merges are mirrored at the edge, where the density would seem to fall because nothing is counted beyond it.
    density = norm.pdf(grid[:, None], loc=np.concatenate([merges, 2 * impostors - merges]), scale=WIDTH).sum(axis=1)
    mode = grid[density.argmax()]
    spread = np.median(merges[merges >= mode] - mode) / norm.ppf(0.75)
    return float(mode - 2 * spread) if mode > impostors + 2 * WIDTH else np.inf


def nearest(vectors: Floats, count: int) -> Integers:
    """Pairs (E, 2) of each face with the `count` faces of largest cosine, each pair once, in order; exact."""
    count = min(count + 1, len(vectors))
    single: NDArray[np.float32] = np.ascontiguousarray(vectors, np.float32)
    index = faiss.IndexFlatIP(single.shape[1])
    index.add(single)
    _, found = index.search(single, count)
    return unique_edges(np.stack([np.repeat(np.arange(len(vectors)), count), found.ravel()], axis=1), len(vectors))
