"""From a photo and a face in it to an aligned reference that the frozen encoders can read."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from insightface.utils import face_align

from pipeline.backbone.batch import Floats, Reference
from pipeline.encoders.recogniser import SIDE, align
from pipeline.head.head_pose import HeadPose
from pipeline.images import Pixels


def from_row(photo: Pixels, face: Mapping[str, Any]) -> Reference:
    """The aligned face of a photo (H, W, 3); `face` is a row of records.face_struct."""
    keypoints = np.asarray(face["keypoints"], np.float32).reshape(5, 2)
    return cut(photo, keypoints, np.asarray(face["embedding"], np.float32), HeadPose.from_photo(face))


def cut(photo: Pixels, keypoints: Floats, embedding: Floats, pose: HeadPose) -> Reference:
    """The aligned face of a photo (H, W, 3) by its key points (5, 2), with its embedding (D,) and its pose there."""
    turn = face_align.estimate_norm(keypoints, SIDE)  # (2, 3), photo to crop
    return Reference(crop=align(photo, keypoints), embedding=embedding, pose=pose.transformed(turn))
