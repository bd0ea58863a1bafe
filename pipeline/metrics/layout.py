"""Do faces stand where the layout wants them? Whoever they are: identity is judged elsewhere."""

from pipeline.images import iou
from pipeline.metric import Card, Evidence, Score, matched_to_boxes

# A box of the layout is filled when its overlap with a face's is at least this.
FILLED = 0.5

CARDS = (
    Card(
        "layout_iou",
        "Overlap with the layout",
        "Intersection over union of each box of the layout with that of the face in it; faces are matched to the "
        "layout's boxes one to one so that the sum is largest. A box without a face counts 0. Only where there is a "
        "layout.",
        "IoU",
        "higher",
        0,
        1,
        absent="counts as 0",
    ),
    Card(
        "layout_recall",
        "Places filled",
        "Share of the layout's boxes with a face of an IoU of at least 0.5, matched as for the overlap. Only where "
        "there is a layout.",
        "share",
        "higher",
        0,
        1,
        absent="counts as not filled",
        detail=True,
    ),
)


def score(evidence: Evidence) -> list[Score]:
    """Overlap and recall per box; nothing without a layout."""
    scores = []
    for slot, face in enumerate(matched_to_boxes(evidence)):
        shared = _overlap(evidence, slot, int(face))
        scores.append(Score("layout_iou", slot, shared, bool(face < 0)))
        scores.append(Score("layout_recall", slot, float(shared >= FILLED), bool(face < 0)))
    return scores


def _overlap(evidence: Evidence, slot: int, face: int) -> float:
    box = evidence.people[slot].box
    return float(iou(box[None], evidence.boxes[[face]])[0, 0]) if face >= 0 and box is not None else 0.0
