"""Which shards of the drawn world are wanted, and what they are named by."""

from dataclasses import dataclass

from pipeline import records, shards
from pipeline.code import code_fingerprint, schema_parts
from pipeline.settings import WorldSettings
from pipeline.world import population
from pipeline.world.gallery import plan
from pipeline.world.gallery.plan import Shot


@dataclass(frozen=True)
class Chunk:
    """The photographs of one shard, and its number, which names its album pages."""

    number: int
    shots: tuple[Shot, ...]


@dataclass(frozen=True)
class Front:
    """The shard of pages, redirects and traps that need no drawing; a world without people has an empty one."""

    album_pages: list[int]  # of each chunk


def tasks(world: WorldSettings) -> list[shards.Task]:
    """The shards of photographs to draw (Chunk), and last the front."""
    schemas = schema_parts(records.SITE, records.TRUTH)
    code = code_fingerprint("pipeline.world.gallery.worker"), schemas, shards.file_fingerprint([population.MODEL])
    pieces = list(shards.chunks(plan.shots(world), world.photos_per_shard))
    drawn = [
        shards.Task(shards.fingerprint((code, world.seed), number, piece), Chunk(number, tuple(piece)))
        for number, piece in enumerate(pieces)
    ]
    counts = [plan.pages(len(piece)) for piece in pieces]
    return [*drawn, shards.Task(shards.fingerprint("front", code, counts), Front(counts))]
