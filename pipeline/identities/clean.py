"""Clean clusters: what is no person, no sure member or twice in one photo is rejected with its reason.

| reason | rule |
|---|---|
| same_photo_twice | another face of the same photo is more like the rest of the identity: nobody is twice in a photo |
| outlier | on average less like the rest of its identity than clusters had to be in order to merge |
| incoherent | the mean cosine over the pairs of its identity is below min_cohesion |
| alone | its identity has fewer than min_faces faces left |
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.identities.linkage import Floats, Integers, Pairing, sum_rows
from pipeline.settings import IdentitiesSettings

REASONS = ("same_photo_twice", "outlier", "incoherent", "alone")


@dataclass
class Cleaned:
    """Cluster of each face (N,), the same as before, and why it is rejected (N,), '' where it is not."""

    labels: Integers
    reject: NDArray[np.str_]

    @property
    def kept(self) -> NDArray[np.bool_]:
        """Which faces (N,) have an identity."""
        return self.reject == ""

    def mark(self, which: NDArray[np.bool_], reason: str) -> None:
        """Reject faces for the first reason that applies to them."""
        self.reject[which & self.kept] = reason


def clean(
    labels: Integers, pairing: Pairing, vectors: Floats, photos: NDArray, level: float, settings: IdentitiesSettings
) -> Cleaned:
    """Apply the rules in the order of the table.

    Args:
        labels: cluster of each face (N,), 0 to C - 1.
        pairing: the likeness that the clusters were made by, and `level` where merging stopped.
        vectors: unit-length embeddings (N, D).
        photos: the photo of each face (N,).
    """
    result = Cleaned(labels, np.full(len(labels), "", dtype=f"<U{max(map(len, REASONS))}"))
    result.mark(_twice(labels, mean_likeness(pairing, result), photos), "same_photo_twice")
    result.mark(mean_likeness(pairing, result) < level, "outlier")
    result.mark(cohesion(vectors, result)[labels] < settings.min_cohesion, "incoherent")
    result.mark(_counts(result)[labels] < settings.min_faces, "alone")
    return result


def mean_likeness(pairing: Pairing, found: Cleaned) -> Floats:
    """Mean likeness (N,) of each kept face to the other kept faces of its cluster; infinite without any."""
    labels, kept, counts = found.labels, found.kept, _counts(found)
    sums = (sum_rows((values.T * kept).T, labels, len(counts)) for values in pairing.parts())
    left, right, bias = (total[labels] - values for total, values in zip(sums, pairing.parts(), strict=True))
    total = (np.einsum("nd,nd->n", pairing.left, right) + np.einsum("nd,nd->n", pairing.right, left)) / 2 + bias
    others = counts[labels] - 1
    return np.where(kept & (others > 0), total / np.maximum(others, 1) + pairing.bias, np.inf)


def cohesion(vectors: Floats, found: Cleaned) -> Floats:
    """Mean cosine over the pairs of kept faces of each cluster (C,); 1 for fewer than two."""
    counts = _counts(found).astype(float)
    sums = sum_rows(vectors * found.kept[:, None], found.labels, len(counts))
    pairs = counts * (counts - 1)
    return np.where(pairs > 0, ((sums**2).sum(axis=1) - counts) / np.maximum(pairs, 1), 1.0)


def _counts(found: Cleaned) -> Integers:
    return np.bincount(found.labels[found.kept], minlength=found.labels.max(initial=-1) + 1)


def _twice(labels: Integers, likeness: Floats, photos: NDArray) -> NDArray[np.bool_]:
    """Faces (N,) that share cluster and photo with one that is more like the rest; of equals the first stays."""
    photo = np.unique(photos, return_inverse=True)[1]
    order = np.lexsort((np.arange(len(labels)), -likeness, photo, labels))
    again = (labels[order][1:] == labels[order][:-1]) & (photo[order][1:] == photo[order][:-1])
    twice = np.zeros(len(labels), bool)
    twice[order[1:][again]] = True
    return twice
