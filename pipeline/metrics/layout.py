"""Do faces stand where the layout wants them? Whoever they are: identity is judged elsewhere."""

from pipeline.images import iou
from pipeline.metric import Card, Evidence, Score, matched_to_boxes

# A place is filled when the overlap of its box with a face's is at least this.
FILLED = 0.5

CARDS = (
    Card(
        "layout_iou",
        "Overlap with the layout",
        "Intersection over union of each place's box with that of the face that fills it; faces are dealt out to "
        "places one to one so that the sum is largest. A place without a face counts 0. Only where there is a layout.",
        "IoU",
        "higher",
        0,
        1,
        absent="counts as 0",
    ),
    Card(
        "layout_recall",
        "Places filled",
        "Share of the layout's places with a face of an IoU of at least 0.5, dealt out as for the overlap. Only where "
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
    """Overlap and recall per place; nothing without a layout."""
    scores = []
    for slot, face in enumerate(matched_to_boxes(evidence)):
        shared = _overlap(evidence, slot, int(face))
        scores.append(Score("layout_iou", slot, shared, bool(face < 0)))
        scores.append(Score("layout_recall", slot, float(shared >= FILLED), bool(face < 0)))
    return scores


def _overlap(evidence: Evidence, slot: int, face: int) -> float:
    box = evidence.people[slot].box
    return float(iou(box[None], evidence.boxes[[face]])[0, 0]) if face >= 0 and box is not None else 0.0
