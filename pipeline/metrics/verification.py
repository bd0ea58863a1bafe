"""Would a recogniser let the generated face pass for the person? Accuracy at a fixed rate of false acceptance."""

import numpy as np

from pipeline.metric import ENCODERS, Card, Evidence, Score, cosines, mean_of, per_person

CARDS = (
    Card(
        "id_accuracy",
        "Verified at FAR 0.001",
        "Share of the pairs of generated face and held-out photograph whose cosine exceeds the recogniser's threshold, "
        "mean of B and C. The threshold lets 1 in 1,000 pairs of different real test people pass. Comparable between "
        "recognisers, other than a cosine. A person without a face counts as 0.",
        "share",
        "higher",
        0,
        1,
        absent="counts as 0",
    ),
)


def score(evidence: Evidence) -> list[Score]:
    """Share of accepted pairs, per person."""
    accepted = {
        name: np.stack(
            [
                (cosines(person.held_out[name], evidence.faces[name]) > evidence.calibration[name].threshold).mean(0)
                for person in evidence.people
            ]
        )
        for name in ENCODERS
    }
    return per_person("id_accuracy", mean_of(accepted), evidence, 0.0)
