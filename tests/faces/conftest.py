"""The toy pack and the settings that its faces pass."""

from pathlib import Path

import pytest

from pipeline.settings import FacesSettings
from tests import toy_pack

SETTINGS = FacesSettings(
    detector_size=192,
    detector_threshold=0.3,
    landmarks="recogniser",
    landmark_weights="",
    min_score=0.5,
    min_face=18,
    min_sharpness=0.0,
    max_yaw=60.0,
)


@pytest.fixture(scope="session")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A FaceAnalysis directory whose answers are known."""
    return toy_pack.write(tmp_path_factory.mktemp("toy_pack"))
