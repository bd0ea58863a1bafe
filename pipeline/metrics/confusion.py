"""Are the people kept apart? Swapped, confused, blended and doubled faces in images of two or more people."""

import numpy as np

from pipeline.images import iou
from pipeline.metric import (
    ENCODERS,
    LEFT_OUT,
    WHOLE_IMAGE,
    Card,
    Evidence,
    Floats,
    Score,
    cosines,
    mean_of,
    per_person,
)

_FEWEST = 2
# A face belongs to a box of the layout when the two overlap by at least this.
LEAST_OVERLAP = 0.1

CARDS = (
    Card(
        "swap",
        "Swapped",
        "Share of the layout's boxes whose face (best overlap, at least 0.1) is more similar to held-out photographs "
        "of another person of the case than to those of the person wanted there. Calibrated mean of B and C. Boxes "
        "without a face are left out and counted. Only where there is a layout.",
        "share",
        "lower",
        0,
        1,
        absent="is left out",
        least_people=_FEWEST,
    ),
    Card(
        "confusion",
        "Confused",
        "Share of the people whose assigned face is more similar to held-out photographs of another person of the same "
        "case. Calibrated mean of B and C. People without a face are left out and counted.",
        "share",
        "lower",
        0,
        1,
        absent="is left out",
        least_people=_FEWEST,
    ),
    Card(
        "margin",
        "Margin to the second face",
        "How far the face that is most similar to a person's held-out photographs is ahead of the next one: "
        "(s1 - s2) / s1 of the mean cosines of B and C, from 0 to 1 (ID-Conf of UMO, arXiv 2509.06818, which takes "
        "references). Two faces of one person, or one face for two people, have none. A person counts as 0 in an image "
        "with fewer than two faces.",
        "share",
        "higher",
        0,
        1,
        absent="counts as 0",
        detail=True,
        least_people=_FEWEST,
    ),
    Card(
        "blending",
        "Blended",
        "Cosine of the assigned face to held-out photographs of the other people of the case, less the cosine between "
        "real photographs of those people and of this one, so that look-alikes do not count. Mean of B and C. People "
        "without a face are left out and counted (after WithAnyone, arXiv 2510.14975).",
        "cosine",
        "lower",
        -2,
        2,
        absent="is left out",
        detail=True,
        least_people=_FEWEST,
    ),
    Card(
        "blending_raw",
        "Blended, look-alikes too",
        "Mean cosine of the assigned face to held-out photographs of the other people of the case, mean of B and C: "
        "M_Bld of WithAnyone, arXiv 2510.14975, in which look-alikes count as blended. People without a face are left "
        "out and counted.",
        "cosine",
        "lower",
        -1,
        1,
        absent="is left out",
        detail=True,
        least_people=_FEWEST,
    ),
    Card(
        "duplicate",
        "Doubled",
        "Share of images in which two faces pass for one person: the mean over B and C of their cosine less the "
        "threshold at FAR 0.001 is above 0 for some pair. Missing images are left out and counted.",
        "share",
        "lower",
        0,
        1,
        absent="is left out",
        version=2,
        least_people=_FEWEST,
    ),
)


def score(evidence: Evidence) -> list[Score]:
    """Swap, confusion, margin and blending per person, duplicates per image; nothing for images of one person."""
    if len(evidence.people) < _FEWEST:
        return []
    wrong = _closest_is_another(evidence)
    scores = per_person("confusion", wrong, evidence, LEFT_OUT)
    raw = {name: _to_others(evidence, name) for name in ENCODERS}
    own = {name: values - _alike(evidence, name)[:, None] for name, values in raw.items()}
    scores += per_person("blending", mean_of(own), evidence, LEFT_OUT)
    scores += per_person("blending_raw", mean_of(raw), evidence, LEFT_OUT)
    scores += [*_margins(evidence), *_swaps(evidence, wrong)]
    doubled = float(_doubled(evidence)) if evidence.present else LEFT_OUT
    return [*scores, Score("duplicate", WHOLE_IMAGE, doubled, not evidence.present, "b+c")]


def _closest_is_another(evidence: Evidence) -> Floats:
    """(N, M): 1 where a face, taken as a person, is closer to another person of the case."""
    similarity = evidence.calibrated({name: evidence.to_held_out(name) for name in ENCODERS})
    best = similarity.max(0, initial=-np.inf, keepdims=True)
    return (similarity < best).astype(np.float64)


def _to_others(evidence: Evidence, encoder: str) -> Floats:
    """(N, M): a face's mean similarity to the people of the case but the one it stands for."""
    to_faces = evidence.to_held_out(encoder)
    return (to_faces.sum(0) - to_faces) / (len(to_faces) - 1)


def _alike(evidence: Evidence, encoder: str) -> Floats:
    """(N,): how much a person's real photographs are like those of the others."""
    held_out = [person.held_out[encoder] for person in evidence.people]
    real = np.array([[cosines(one, other).mean() for other in held_out] for one in held_out])
    return (real.sum(1) - np.diag(real)) / (len(held_out) - 1)


def _margins(evidence: Evidence) -> list[Score]:
    similarity = mean_of({name: evidence.to_held_out(name) for name in ENCODERS})  # (N, M)
    few = evidence.found < _FEWEST
    values = [0.0 if few else margin(own) for own in similarity]
    return [Score("margin", slot, value, few, "b+c") for slot, value in enumerate(values)]


def margin(similarity: Floats) -> float:
    """(s1 - s2) / s1 of the two highest cosines among (M,), M >= 2, in [0, 1]; 0 where even the highest is below 0."""
    second, first = np.sort(similarity)[-2:]
    return float(min((first - second) / first, 1.0)) if first > 0 else 0.0


def _swaps(evidence: Evidence, wrong: Floats) -> list[Score]:
    boxes = [person.box for person in evidence.people]
    if any(box is None for box in boxes):
        return []
    scores = []
    for slot, box in enumerate(boxes):
        shared = iou(np.asarray(box)[None], evidence.boxes)[0]
        face = int(shared.argmax()) if len(shared) and shared.max() >= LEAST_OVERLAP else -1
        value = float(wrong[slot, face]) if face >= 0 else LEFT_OUT
        scores.append(Score("swap", slot, value, face < 0, "b+c"))
    return scores


def _doubled(evidence: Evidence) -> bool:
    if evidence.found < _FEWEST:
        return False
    above = np.mean(
        [cosines(evidence.faces[e], evidence.faces[e]) - evidence.calibration[e].threshold for e in ENCODERS], axis=0
    )
    return bool(above[np.triu_indices(len(above), 1)].max() > 0)
