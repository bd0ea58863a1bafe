"""Poses of heads: as a layout wants them, and as they are measured in an image.

A face is measured as the shapes stage measures a photograph: its 68 landmarks by the landmark model of recogniser A's
directory (or face-alignment, setting faces.landmarks), then the 3D head fitted to them. The wanted poses come from
photographs by the same road, so both sides have the same bias.

Each generated face is fitted alone, with a shape of its own. The other choice is to hold the shape to that of the
person wanted there: a face that is not quite theirs then has to explain its shape as expression. On 498 held-out faces
of the drawn world, against the fit of the shapes stage (which knows all photographs of the person):

    shape                           pose, degrees (95 %)    expression, distance of weights (95 %)
    of its own                      0.33 (0.82)             0.21 (0.45)
    of the references               0.16 (0.38)             0.11 (0.21)
    of another person's references  1.09 (2.90)             0.66 (1.22)
    (no fit: frontal and neutral)   14.9 (28.8)             0.51 (0.92)

So the references' shape is finer where the identity is right and worse than no measurement where it is wrong; a shape
of its own reads the same whoever is shown, and identity is judged elsewhere.

What is drawn is further off, for all of these: 2.2 degrees (4.2 at 95 %) of pose, and 1.08 (1.72) of expression, where
a neutral face is at 1.27, because several weights move the same landmarks. Landmarks lie 0.021 eye distances (0.031)
from the drawn ones.
"""

from pathlib import Path

import numpy as np

from pipeline.faces.find import Finder
from pipeline.head.fit import Array, basis_of, fit, shape_of
from pipeline.head.head_pose import HeadPose
from pipeline.head.model import load_head
from pipeline.images import Pixels
from pipeline.metric import Floats
from pipeline.settings import FacesSettings, Models, ShapesSettings


class PoseObserver:
    """Measures the poses of the faces of an image, and says what pose a layout wants of a person.

    Raises:
        MissingInput: there is no head model or no landmark model.
        SettingsError: the setting faces.landmarks is unknown.
    """

    def __init__(self, models: Models, faces: FacesSettings, shapes: ShapesSettings) -> None:
        self._mark, self._settings = Finder(faces, models.recogniser_a).landmarks, shapes
        self._basis = basis_of(load_head(Path(models.head)))
        self._shapes: dict[bytes, Array] = {}

    def __call__(self, image: Pixels, boxes: Floats) -> list[HeadPose]:
        """The faces in boxes (M, 4) of an RGB image (H, W, 3); M may be 0."""
        points = self._mark(image, boxes.astype(np.float32)).astype(np.float64)
        if not len(points):
            return []
        alone = np.arange(len(points))
        return HeadPose.from_fit(fit(points, alone, self._basis, self._settings), points, alone, self._basis)

    def wanted(self, pose: HeadPose, references: Floats) -> HeadPose:
        """A layout's pose on the head of the person whose references have landmarks (R, 68, 2)."""
        return pose.with_shape(self._shape(references), self._basis)

    def _shape(self, references: Floats) -> Array:
        """The shape (K,) of a person; people appear in several cases, and a fit costs as much as measuring a face."""
        key = references.tobytes()
        if key not in self._shapes:
            self._shapes[key] = shape_of(references.astype(np.float64), self._basis, self._settings)
        return self._shapes[key]
