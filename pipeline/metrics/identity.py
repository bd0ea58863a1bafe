"""Is it the person? Similarity of each generated face to photographs of the person that no generator was given.

Scoring against the reference itself rewards pasting it (Same-photo similarity flatters: 71.1 against 55.5 on another
photograph of the same person in one paper), so the target here is held out. A person without a face scores 0: leaving
such faces out would reward a method for not drawing difficult people.
"""

from collections.abc import Sequence

from pipeline.metric import ENCODERS, LEFT_OUT, WHOLE_IMAGE, Card, Evidence, Floats, Score, mean_of, per_person

_HOW = (
    "Cosine between the embeddings of the generated face and of the person's held-out photographs, mean over those "
    "photographs. Faces are given to people by one optimal assignment per image; of faces too many those who fit best "
    "are taken, so read it beside count_exact. "
)
_ZERO = "A person without a face counts as 0."


def _card_of(encoder: str) -> Card:
    """What one recogniser alone says."""
    return Card(
        f"sim_heldout_{encoder}",
        f"Similarity, {encoder.upper()}",
        f"{_HOW}Recogniser {encoder.upper()}. {_ZERO}",
        "cosine",
        "higher",
        -1,
        1,
        absent="counts as 0",
        detail=True,
    )


CARDS = (
    Card(
        "sim_heldout",
        "Similarity to held-out photographs",
        f"{_HOW}Mean of recognisers B and C. {_ZERO}",
        "cosine",
        "higher",
        -1,
        1,
        absent="counts as 0",
        main=True,
    ),
    Card(
        "sim_share",
        "Share of the reachable similarity",
        "(sim_heldout - no_id) / (vae_roundtrip - no_id) of the same images' cases: 0 is an image that knows nothing "
        "of the person, 1 is a real other photograph of them after the backbone's autoencoder.",
        "share",
        "higher",
        float("-inf"),  # floor and ceiling are other images, which an image may be below and above
        float("inf"),
        absent="counts as a sim_heldout of 0",
        main=True,
        share_of="sim_heldout",
    ),
    *(_card_of(encoder) for encoder in ENCODERS),
    Card(
        "sim_detected",
        "Similarity, detected only",
        f"{_HOW}Mean of recognisers B and C. A person without a face is left out and counted, so this number flatters "
        "methods that lose faces.",
        "cosine",
        "higher",
        -1,
        1,
        absent="is left out",
        detail=True,
    ),
    Card(
        "sim_worst",
        "Similarity of the least similar",
        f"{_HOW}Mean of recognisers B and C, the smallest of the people of an image, at least 0 (after FastComposer, "
        f"arXiv 2305.10431). {_ZERO}",
        "cosine",
        "higher",
        0,
        1,
        absent="counts as 0",
        detail=True,
        least_people=2,
    ),
)


def score(evidence: Evidence) -> list[Score]:
    """Similarity to held-out photographs, per person, and the smallest of an image of several."""
    by_encoder: dict[str, Floats] = {name: evidence.to_held_out(name) for name in ENCODERS}
    mean = mean_of(by_encoder)
    scores = per_person("sim_heldout", mean, evidence, 0.0) + per_person("sim_detected", mean, evidence, LEFT_OUT)
    for name, values in by_encoder.items():
        scores += per_person(f"sim_heldout_{name}", values, evidence, 0.0, name)
    return scores + _worst([each for each in scores if each.metric == "sim_heldout"])


def _worst(scores: Sequence[Score]) -> list[Score]:
    """The smallest similarity of two or more people, for the image; nothing for one person."""
    if len(scores) < 2:
        return []
    worst = max(min(each.value for each in scores), 0.0)
    return [Score("sim_worst", WHOLE_IMAGE, worst, any(each.missing for each in scores), "b+c")]
