"""Which shards of identities are wanted: one of each kind, since clusters depend on all faces."""

from pathlib import Path

from pipeline import shards
from pipeline.settings import IdentitiesSettings

CODE = ("pipeline/identities",)


def tasks(faces: list[Path], settings: IdentitiesSettings) -> list[shards.Task]:
    """The one task, named by the shards of faces, the settings and this code."""
    names = [path.name for path in faces]
    return [shards.Task(shards.fingerprint(names, settings, shards.code_version(*CODE)), faces)]
