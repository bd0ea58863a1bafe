"""What the scoring models see in an image: faces with boxes, embeddings of B and C, and the image-text embedding.

Detector and five points come from the directory of recogniser B (of C where B is dlib's); both recognisers align a face
by the same five points. Real and generated images take exactly this road.
"""

from dataclasses import dataclass

import numpy as np
import torch

from pipeline.encoders.image_text import ImageText
from pipeline.encoders.judges import load_judge
from pipeline.encoders.recogniser import face_analysis
from pipeline.images import Pixels, iou, to_unit
from pipeline.licences import is_dlib
from pipeline.metric import ENCODERS, Floats
from pipeline.settings import EvaluateSettings, Models

# A face found at a known place must overlap it by this much, else it is another face.
SAME_FACE = 0.3


@dataclass(frozen=True)
class ScoredDetections:
    """The M faces of an image, from left to right, in pixels of the image."""

    boxes: Floats  # (M, 4)
    keypoints: Floats  # (M, 5, 2)
    scores: Floats  # (M,) of the detector
    embeddings: dict[str, Floats]  # encoder -> (M, D)


class FaceObserver:
    """Finds faces and embeds them with the recognisers that only score.

    Raises:
        MissingInput: a model directory is incomplete.
    """

    def __init__(self, models: Models, settings: EvaluateSettings) -> None:
        detects = models.recogniser_c if is_dlib(models.recogniser_b) else models.recogniser_b
        app = face_analysis(detects, allowed_modules=["detection"])
        side = (settings.detector_size, settings.detector_size)
        app.prepare(ctx_id=-1, det_thresh=settings.detector_threshold, det_size=side)
        self._detector = app.det_model
        self._recognisers = {"b": load_judge(models.recogniser_b), "c": load_judge(models.recogniser_c)}

    def __call__(self, image: Pixels) -> ScoredDetections:
        """The faces of an RGB image (H, W, 3)."""
        boxes, keypoints, scores = self._detect(image)
        return ScoredDetections(boxes, keypoints, scores, self._embed(image, keypoints))

    def at(self, image: Pixels, boxes: Floats, keypoints: Floats) -> tuple[dict[str, Floats], Floats]:
        """Embeddings of faces whose boxes (K, 4) and key points (K, 5, 2) are known, and the aligning points.

        Each is found again with this detector where it can be, so that real faces are aligned as generated ones are.
        """
        found, again, _ = self._detect(image)
        points = np.array(keypoints, np.float32)
        for index, overlaps in enumerate(iou(np.asarray(boxes, np.float64), found)):
            if len(overlaps) and overlaps.max() >= SAME_FACE:
                points[index] = again[overlaps.argmax()]
        return self._embed(image, points), points

    def _detect(self, image: Pixels) -> tuple[Floats, Floats, Floats]:
        rows, points = self._detector.detect(np.ascontiguousarray(image[..., ::-1]))
        order = np.lexsort((rows[:, 1], rows[:, 0] + rows[:, 2]))
        points = np.asarray(points, np.float32).reshape(-1, 5, 2)[order]
        return rows[order, :4].astype(np.float64), points, rows[order, 4].astype(np.float32)

    def _embed(self, image: Pixels, keypoints: Floats) -> dict[str, Floats]:
        points = np.asarray(keypoints, np.float32)
        return {name: self._recognisers[name].embed_faces(image, points) for name in ENCODERS}


class TextObserver:
    """Embeds images and prompts with the image-text model."""

    def __init__(self, models: Models) -> None:
        torch.set_num_threads(1)
        self._model = ImageText(models.image_text)

    @torch.no_grad()
    def image(self, image: Pixels) -> Floats:
        """Unit-length embedding (D,) of an RGB image (H, W, 3)."""
        pixels = torch.from_numpy(to_unit(image).transpose(2, 0, 1))[None]
        return self._model.image(pixels)[0].numpy()

    @torch.no_grad()
    def text(self, prompt: str) -> Floats:
        """Unit-length embedding (D,) of a prompt."""
        return self._model.text([prompt])[0].numpy()
