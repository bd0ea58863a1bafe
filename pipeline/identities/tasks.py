"""Which shards of identities are wanted: one of each kind, since clusters depend on all faces."""

from pathlib import Path

from pipeline import records, shards
from pipeline.code import code_fingerprint, schema_parts
from pipeline.settings import IdentitiesSettings


def tasks(faces: list[Path], settings: IdentitiesSettings) -> list[shards.Task]:
    """The one task, named by the shards of faces, the settings and this code."""
    names = [path.name for path in faces]
    schemas = schema_parts(records.CHANGES, records.PEOPLE, records.IDENTITIES)
    code = code_fingerprint("pipeline.identities.worker")
    return [shards.Task(shards.fingerprint(names, settings, schemas, code), faces)]
