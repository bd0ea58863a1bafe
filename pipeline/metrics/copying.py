"""Is the reference copied? Similarity to the given photographs, and copy-paste after WithAnyone (arXiv 2510.14975).

    M_CP = (theta(g, t) - theta(g, r)) / theta(t, r)

with the angle theta = arccos(cosine), the generated face g, a held-out photograph t and a reference r. +1 is the
reference itself, -1 the held-out photograph itself, 0 as far from one as from the other. Who is given several
photographs may copy any of them, so the one that is copied most counts: a mean over four would call a pasted face 0.2.
"""

from dataclasses import replace

import numpy as np

from pipeline.metric import ENCODERS, LEFT_OUT, Card, Evidence, Floats, Person, Score, cosines, mean_of, per_person

# Where target and reference look the same the ratio says nothing; below this angle (radians) a pair is left out.
LEAST_ANGLE = 0.1
LEAST_SHARE = 0.25  # of the reachable similarity

CARDS = (
    Card(
        "sim_reference",
        "Similarity to references",
        "Cosine between the generated face and the photographs that the generator was given, mean over them, mean of "
        "recognisers B and C. High values alone mean nothing: pasting the reference, where it is the only one, gives "
        "1. A person without a face counts as 0.",
        "cosine",
        "higher",
        -1,
        1,
        absent="counts as 0",
        version=2,
        detail=True,
    ),
    Card(
        "copy_paste",
        "Copy-paste",
        "(angle to held-out photograph - angle to reference) / angle between the two, mean over the held-out "
        "photographs, the largest over the references that the generator was given, mean of recognisers B and C; pairs "
        f"closer than {LEAST_ANGLE} rad are left out. 1 is a reference itself, -1 the held-out photograph itself "
        "(WithAnyone, arXiv 2510.14975). The largest of several is above 0 by chance, too: other_photo shows how far. "
        "People without a face or such a pair are left out and counted. Ranked and compared from a sim_share of "
        f"{LEAST_SHARE} on: who knows nobody copies nobody.",
        "share of the angle",
        "lower",
        -1,
        1,
        absent="is left out",
        version=3,
        ranked_from=("sim_share", LEAST_SHARE),
    ),
)


def score(evidence: Evidence) -> list[Score]:
    """Similarity to references and copy-paste, per person."""
    similarity = mean_of({name: _alike(evidence, name) for name in ENCODERS})
    copied = mean_of({name: _copied(evidence, name) for name in ENCODERS})
    pasted = per_person("copy_paste", copied, evidence, LEFT_OUT)
    return [
        *per_person("sim_reference", similarity, evidence, 0.0),
        *(replace(each, missing=bool(np.isnan(each.value))) for each in pasted),
    ]


def _given(person: Person, encoder: str) -> Floats:
    return person.references[encoder][: person.given]


def _alike(evidence: Evidence, encoder: str) -> Floats:
    """Mean cosine (N, M) of each face to what was given of each person."""
    return np.stack([cosines(_given(p, encoder), evidence.faces[encoder]).mean(0) for p in evidence.people])


def _copied(evidence: Evidence, encoder: str) -> Floats:
    """Copy-paste (N, M) of each face, taken as each person; NaN where all pairs are too close to tell."""
    faces = evidence.faces[encoder]
    return np.stack([copy_paste(faces, p.held_out[encoder], _given(p, encoder)) for p in evidence.people])


def copy_paste(faces: Floats, held_out: Floats, references: Floats) -> Floats:
    """M_CP (M,) of faces (M, D): mean over held-out photographs (H, D), the largest over references (R, D).

    NaN where all pairs are too close to tell.
    """
    between = _angles(held_out, references)[:, :, None]  # (H, R, 1)
    to_held_out = _angles(held_out, faces)[:, None, :]  # (H, 1, M)
    to_reference = _angles(references, faces)[None, :, :]  # (1, R, M)
    apart = between >= LEAST_ANGLE
    if not apart.any():
        return np.full(len(faces), np.nan)
    ratio = np.where(apart, (to_held_out - to_reference) / np.where(apart, between, 1.0), 0.0)
    pairs = apart.sum(0)  # (R, 1)
    return np.where(pairs > 0, ratio.sum(0) / np.maximum(pairs, 1), -np.inf).max(0)


def _angles(left: Floats, right: Floats) -> Floats:
    return np.arccos(np.clip(cosines(left, right), -1.0, 1.0))
