"""Find the faces of a photo: box, five key points and 68 landmarks, through the models of a FaceAnalysis directory.

The detector and the landmark model are called as FaceAnalysis.get calls them, but without its loop over every model
and face: embeddings are made later, for many photos at once.
"""

from pathlib import Path

import numpy as np
from insightface.app.common import Face

from pipeline.encoders.recogniser import face_analysis
from pipeline.errors import MissingInput, SettingsError, did_you_mean
from pipeline.faces.types import Detections, Floats, Landmarker
from pipeline.images import Pixels
from pipeline.settings import FacesSettings

LANDMARK_TASKS = ("landmark_2d_68", "landmark_3d_68")


class Finder:
    """Finds faces with the detector of `directory`, and landmarks as `settings.landmarks` says.

    `landmarks` (photo, boxes) is for faces that another detector found.

    Raises:
        MissingInput: no detector, or no landmark weights.
        SettingsError: `settings.landmarks` is unknown.
    """

    def __init__(self, settings: FacesSettings, directory: Path | str) -> None:
        app = face_analysis(directory, allowed_modules=["detection", *LANDMARK_TASKS])
        # A single size: without det_size insightface detects at two resolutions and merges.
        side = (settings.detector_size, settings.detector_size)
        app.prepare(ctx_id=-1, det_thresh=settings.detector_threshold, det_size=side)
        self._detector = app.det_model
        self.landmarks: Landmarker = _landmarker(settings, app.models, directory)

    def __call__(self, photo: Pixels) -> Detections:
        """The faces of an RGB photo (H, W, 3), from left to right by the middle of their boxes."""
        bgr = np.ascontiguousarray(photo[..., ::-1])
        rows, keypoints = self._detector.detect(bgr)
        order = np.lexsort((rows[:, 1], rows[:, 0] + rows[:, 2]))
        boxes, scores = rows[order, :4].astype(np.float32), rows[order, 4].astype(np.float32)
        keypoints = np.asarray(keypoints, np.float32).reshape(-1, 5, 2)[order]
        return Detections(boxes, keypoints, self.landmarks(photo, boxes), scores)


def _landmarker(settings: FacesSettings, models: dict, directory: Path | str) -> Landmarker:
    if settings.landmarks == "recogniser":
        return pack_landmarker(models, directory)
    if settings.landmarks == "face_alignment":
        # Here, because importing torch takes longer than a small shard, and only this needs it.
        from pipeline.faces.fan import FanLandmarker

        return FanLandmarker(settings.landmark_weights)
    known = did_you_mean(settings.landmarks, ("recogniser", "face_alignment"))
    raise SettingsError(f"params.yaml: faces.landmarks is {settings.landmarks!r}{known}")


def pack_landmarker(models: dict, directory: Path | str) -> Landmarker:
    """The landmark model of a FaceAnalysis directory; of a 3D model x and y are taken.

    Raises:
        MissingInput: the directory has no model of 68 landmarks.
    """
    model = next((models[task] for task in LANDMARK_TASKS if task in models), None)
    if model is None:
        raise MissingInput(
            f"no model of 68 landmarks in {directory}: add one (input 192 x 192, output 136 or 3309), "
            "or set faces.landmarks: face_alignment"
        )

    def landmarks(photo: Pixels, boxes: Floats) -> Floats:
        bgr = photo[..., ::-1]
        found = [model.get(bgr, Face(bbox=box))[:, :2] for box in boxes]
        return np.stack(found).astype(np.float32) if found else np.empty((0, 68, 2), np.float32)

    return landmarks
