"""Which shards of shapes are wanted: one per bucket of whole identities."""

import hashlib
from pathlib import Path

import numpy as np

from pipeline import records, shards
from pipeline.code import code_fingerprint, schema_parts
from pipeline.settings import ShapesSettings
from pipeline.shapes.faces import FaceBatch, Ints, Names


def tasks(faces: FaceBatch, settings: ShapesSettings, head: Path) -> list[shards.Task]:
    """One task per bucket of identities. Landmarks travel with it: 544 bytes per face."""
    code = code_fingerprint("pipeline.shapes.worker"), schema_parts(records.shapes(1, 1))
    model = shards.file_fingerprint([head])
    bucket = buckets(faces.identity_id, settings.identities_per_shard)
    pieces = [faces.take(bucket == number) for number in np.unique(bucket)]
    return [shards.Task(shards.fingerprint(piece.fingerprint(), settings, model, code), piece) for piece in pieces]


def buckets(identity_ids: Names, per_bucket: int) -> Ints:
    """The bucket of every row, by a hash of its identity: a new identity changes no other bucket than its own.

    The number of buckets is a power of two, so that growth rarely moves the others.
    """
    distinct, inverse = np.unique(identity_ids.astype(str), return_inverse=True)
    count = 1 << int(np.ceil(np.log2(max(len(distinct) / per_bucket, 1))))
    hashes = [int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) for name in distinct]
    return (np.array(hashes, np.int64) % count)[inverse]
