"""Which shards of faces are wanted, and what they are named by."""

from collections.abc import Sequence
from pathlib import Path

from pipeline import shards
from pipeline.settings import FacesSettings

CODE = ("pipeline/faces", "pipeline/encoders/recogniser", "pipeline/images")


def tasks(photos: Sequence[Path], settings: FacesSettings, directory: Path | str) -> list[shards.Task]:
    """One task per shard of photos, named by the photos, the settings, the models and this code.

    Raises:
        MissingInput: the model directory is empty or does not exist.
    """
    parts = [settings, shards.directory_fingerprint(directory), shards.code_version(*CODE)]
    if settings.landmarks == "face_alignment":
        parts.append(shards.directory_fingerprint(settings.landmark_weights))
    return [shards.Task(shards.fingerprint(path.name, parts), str(path)) for path in photos]
