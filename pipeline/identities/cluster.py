"""From embeddings to identities: two looks at who is alike, a level that the data give, and cleaning."""

import numpy as np
from numpy.typing import NDArray

from pipeline.identities.clean import Cleaned, clean
from pipeline.identities.linkage import Floats, average_linkage
from pipeline.identities.score_norm import genuine_threshold, impostor_level, nearest, s_norm_clustered, s_norm_initial
from pipeline.settings import IdentitiesSettings

BELOW = 1.5  # how far below the impostor level clusters may go on merging at most, standard deviations


def cluster(vectors: Floats, photos: NDArray, settings: IdentitiesSettings) -> tuple[Cleaned, float]:
    """Clusters of faces, cleaned, and the level where merging stopped (standard deviations among impostors).

    Clusters end at the impostor level, where a good recogniser has hardly any pair of either kind. Of a weaker one a
    part of each person's pairs lies below; then they end where the merges of one person thin out.

    Args:
        vectors: unit-length embeddings (N, D), N at least 1, in an order that does not depend on how they arrived.
        photos: the photo of each face (N,).
    """
    edges = nearest(vectors, settings.neighbours)
    level = impostor_level(len(vectors))
    rough = average_linkage(s_norm_initial(vectors), edges, level).cut(level)
    pairing = s_norm_clustered(vectors, rough)
    tree = average_linkage(pairing, edges, level - BELOW)
    level = max(min(level, genuine_threshold(tree.likeness, level)), level - BELOW)
    return clean(tree.cut(level), pairing, vectors, photos, level, settings), level


def canonical(vectors: NDArray[np.float32]) -> Floats:
    """Embeddings as the clustering takes them: float64, of exactly unit length."""
    doubles = vectors.astype(np.float64)
    return doubles / np.linalg.norm(doubles, axis=1, keepdims=True)
