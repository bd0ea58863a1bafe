"""Are there as many faces as people were asked for? One detector for all methods; no face is filtered by size."""

from pipeline.metric import WHOLE_IMAGE, Card, Evidence, Score

CARDS = (
    Card(
        "count_exact",
        "Right number of people",
        "Share of images with exactly as many detected faces as people asked for. No image counts as wrong.",
        "share",
        "higher",
        0,
        1,
        absent="counts as no face",
    ),
    Card(
        "count_error",
        "Error of the number of people",
        "Mean of |detected faces - people asked for|. No image counts as no face.",
        "people",
        "lower",
        0,
        float("inf"),
        absent="counts as no face",
        detail=True,
    ),
    Card(
        "no_face",
        "No face at all",
        "Share of images in which no face is detected; no image counts as such.",
        "share",
        "lower",
        0,
        1,
        absent="counts as no face",
    ),
)


def score(evidence: Evidence) -> list[Score]:
    """Counts of one image."""
    error = abs(evidence.found - len(evidence.people))
    values = {"count_exact": error == 0, "count_error": error, "no_face": evidence.found == 0}
    return [Score(name, WHOLE_IMAGE, float(value), not evidence.present) for name, value in values.items()]
