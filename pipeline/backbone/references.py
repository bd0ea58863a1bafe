"""From a photo and a face's row to an aligned reference that the frozen encoders can read."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from insightface.utils import face_align

from pipeline.backbone.batch import Reference
from pipeline.encoders.recogniser import SIDE, align
from pipeline.head.head_pose import in_photo, transformed
from pipeline.images import Pixels


def cut(photo: Pixels, face: Mapping[str, Any]) -> Reference:
    """The aligned face of a photo (H, W, 3); `face` is a row of records.face_struct."""
    keypoints = np.asarray(face["keypoints"], np.float32).reshape(5, 2)
    turn = face_align.estimate_norm(keypoints, SIDE)  # (2, 3), photo to crop
    return Reference(
        crop=align(photo, keypoints),
        embedding=np.asarray(face["embedding"], np.float32),
        posed=transformed(in_photo(face), turn),
    )
