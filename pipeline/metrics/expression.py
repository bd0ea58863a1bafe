"""Does the face make the expression that the layout wants? Distance of the 3D head's expression weights.

Both sides are fits to 68 landmarks with the same priors: the layout's to a photograph, the found one to the generated
image. Landmarks do not say which of two expressions that move the same points is made, and priors keep weights small,
so the distance compares like with like but says little about the truth.

The floor, on 498 held-out faces of drawn photographs: 0.21 (95 of 100 faces: 0.45) where the wanted expression is that
of the same photograph as the shapes stage fitted it, which is how layouts come about; a neutral face is at 0.51 (0.92).
From the drawn weights the measured ones are 1.08 (1.72) away, hardly less than a neutral face, 1.27 (1.99). How
expressions are measured: pipeline/evaluate/poses.py.
"""

import numpy as np

from pipeline.head.head_pose import HeadPose
from pipeline.metric import Card, Evidence, Score, per_box

CARDS = (
    Card(
        "expression_error",
        "Error of the expression",
        "Euclidean distance of the wanted and the found expression weights of the 3D head, which run from 0 to 1 each; "
        "both are fits to 68 landmarks. Faces are matched to the layout's boxes one to one by overlap. Comparable "
        "between runs with the same head and the same fit only. Only where there is a layout. A box without a face "
        "is left out and counted: no distance stands for it.",
        "weights",
        "lower",
        0,
        float("inf"),
        absent="is left out",
    ),
)


def score(evidence: Evidence) -> list[Score]:
    """Distance of the expression weights per box; nothing without a layout."""
    errors = per_box(evidence, apart)
    return [Score("expression_error", slot, error, error != error) for slot, error in enumerate(errors)]


def apart(wanted: HeadPose, found: HeadPose) -> float:
    """Euclidean distance of two sets of expression weights."""
    return float(np.linalg.norm(np.asarray(wanted.expression, np.float64) - found.expression))
