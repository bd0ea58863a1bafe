"""Do the parts of the face lie where the layout wants them? Normalised mean error of 68 landmarks.

Wanted are the landmarks of the person's own head, with the shape of their references, in the layout's place and
pose; found are those that the landmark model marks in the image, whatever the 3D head makes of them. So the error
holds place, size, pose, expression and shape together.

The floor, on 498 held-out faces of drawn photographs: 0.013 (95 of 100 faces: 0.020) where pose, expression and place
are those of the same photograph as the shapes stage fitted them, which is how layouts come about (with the shape of the
mean head, 0.024); 0.025 (0.042) where they are the drawn ones.
"""

import numpy as np

from pipeline.head.head_pose import HeadPose
from pipeline.head.landmarks import nme
from pipeline.metric import Card, Evidence, Score, per_box

# Above this the landmarks count as failed (FR at 0.1 of the face alignment literature, e.g. WFLW, arXiv 1805.10483).
MET = 0.1

_HOW = (
    "Wanted are the landmarks of the person's head, with the shape of their references, where and as the layout wants "
    "it. Faces are matched to its boxes one to one by overlap. Only where there is a layout. "
)

CARDS = (
    Card(
        "landmark_nme",
        "Landmark error (NME)",
        "Mean distance of the 68 found landmarks to the wanted ones, over the distance between the outer corners of "
        "the wanted eyes as it were with the head seen from the front, so that profiles do not weigh more. "
        f"{_HOW}A box without a face is left out and counted: no distance stands for it.",
        "eye distances",
        "lower",
        0,
        float("inf"),
        absent="is left out",
    ),
    Card(
        "landmarks_met",
        "Landmarks met",
        f"Share of the layout's boxes with a face whose landmark error is at most {MET}. {_HOW}A box without a face "
        "counts as not met.",
        "share",
        "higher",
        0,
        1,
        absent="counts as not met",
        detail=True,
    ),
)


def score(evidence: Evidence) -> list[Score]:
    """Landmark error, and whether it is small, per box; nothing without a layout."""
    scores = []
    for slot, error in enumerate(per_box(evidence, landmark_error)):
        scores.append(Score("landmark_nme", slot, error, error != error))
        scores.append(Score("landmarks_met", slot, float(error <= MET), error != error))
    return scores


def landmark_error(wanted: HeadPose, found: HeadPose) -> float:
    """Mean distance of 68 landmarks, in eye distances of the wanted head."""
    assert wanted.eye_distance is not None
    return float(nme(np.asarray(found.landmarks, np.float64), wanted.landmarks, wanted.eye_distance))
