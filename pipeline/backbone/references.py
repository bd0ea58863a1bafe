"""From a photo and a face's row to an aligned reference that the frozen encoders can read."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from insightface.utils import face_align

from pipeline.backbone.batch import Reference
from pipeline.encoders.recogniser import SIDE, align
from pipeline.images import Pixels


def cut(photo: Pixels, face: Mapping[str, Any]) -> Reference:
    """The aligned face of a photo (H, W, 3); `face` is a row of records.face_struct."""
    keypoints = np.asarray(face["keypoints"], np.float32).reshape(5, 2)
    landmarks = np.asarray(face["landmarks"], np.float32).reshape(-1, 2)
    turn = face_align.estimate_norm(keypoints, SIDE)  # (2, 3), photo to crop
    return Reference(
        crop=align(photo, keypoints),
        landmarks=(landmarks @ turn[:, :2].T + turn[:, 2]).astype(np.float32),
        embedding=np.asarray(face["embedding"], np.float32),
        shape=np.asarray(face["shape"], np.float32),
    )
