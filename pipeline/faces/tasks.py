"""Which shards of faces are wanted, and what they are named by."""

from collections.abc import Sequence
from pathlib import Path

from pipeline import records, shards
from pipeline.code import code_fingerprint, schema_parts
from pipeline.settings import FacesSettings


def tasks(photos: Sequence[Path], settings: FacesSettings, directory: Path | str) -> list[shards.Task]:
    """One task per shard of photos, named by the photos, the settings, the models and this code.

    Raises:
        MissingInput: the model directory is empty or does not exist.
    """
    code = code_fingerprint("pipeline.faces.worker"), schema_parts(records.faces(1))
    parts = [settings, shards.directory_fingerprint(directory), code]
    if settings.landmarks == "face_alignment":
        parts.append(shards.directory_fingerprint(settings.landmark_weights))
    return [shards.Task(shards.fingerprint(path.name, parts), str(path)) for path in photos]
