"""Who is who: scales of the recognisers from real pairs, and one optimal assignment of faces to people per image."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from pipeline.errors import MissingInput
from pipeline.metric import Calibration, Floats, cosines

FALSE_ACCEPTANCE = 1e-3
# Pairs grow with the square; a subset of this many faces has two million of them.
MOST_FACES = 2000


def assign(similarity: Floats) -> NDArray[np.intp]:
    """For each of N people the face (index, or -1) of the one-to-one assignment with the largest sum of (N, M).

    With fewer faces than people somebody stays without one; surplus faces stay without a person. An exact solution:
    a greedy one is wrong in half of the cases as soon as one face is missing.
    """
    matched = np.full(len(similarity), -1, np.intp)
    people, faces = linear_sum_assignment(similarity, maximize=True)
    matched[people] = faces
    return matched


def calibrate(
    embeddings: Floats,
    identities: Sequence[str],
    seed: int = 0,
    settings: str = "models.recogniser_b and models.recogniser_c",
) -> Calibration:
    """The scale of a recogniser from real faces (F, D) of unit length and whose they are; `settings` name it in errors.

    Raises:
        MissingInput: there are not two people, or nobody has two faces, or the recogniser cannot tell people apart.
    """
    if len(embeddings) > MOST_FACES:
        keep = np.sort(np.random.default_rng(seed).choice(len(embeddings), MOST_FACES, replace=False))
        embeddings, identities = embeddings[keep], [identities[index] for index in keep]
    upper = np.triu_indices(len(embeddings), 1)
    same = (np.unique(identities, return_inverse=True)[1][:, None] == np.unique(identities, return_inverse=True)[1])[
        upper
    ]
    values = cosines(embeddings, embeddings)[upper]
    if not same.any() or same.all():
        raise MissingInput(
            f"{len(set(identities))} people with {len(embeddings)} faces in the test split: at least two people, one "
            "of them with two photographs, are needed to calibrate a recogniser; raise samples.test_share"
        )
    impostor, genuine = values[~same], values[same]
    if genuine.mean() <= impostor.mean():
        raise MissingInput(
            f"a recogniser that scores finds two photographs of one person no more alike ({genuine.mean():.3f}) than "
            f"those of two people ({impostor.mean():.3f}): check {settings}"
        )
    threshold = np.quantile(impostor, 1.0 - FALSE_ACCEPTANCE)
    return Calibration(float(impostor.mean()), float(genuine.mean()), float(threshold))
