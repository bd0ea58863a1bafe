"""Does the image show what the prompt says? CLIP-T with the run's image-text model."""

from pipeline.metric import WHOLE_IMAGE, Card, Evidence, Score

CARDS = (
    Card(
        "clip_t",
        "Prompt similarity",
        "100 x cosine between the embeddings of the image and of the prompt, at least 0, with the run's image-text "
        "model (CLIP-T). Values of different image-text models cannot be compared. No image counts as 0.",
        "100 x cosine",
        "higher",
        0,
        100,
        absent="counts as 0",
    ),
)


def score(evidence: Evidence) -> list[Score]:
    """CLIP-T of one image."""
    image, prompt = evidence.image, evidence.prompt
    value = 0.0 if image is None or prompt is None else 100.0 * max(0.0, float(image @ prompt))
    return [Score("clip_t", WHOLE_IMAGE, value, not evidence.present, "image_text")]
