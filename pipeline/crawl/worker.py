"""One shard of data/crawl: rows of URLs as they are, rows of photos with the bytes of their pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import records, shards
from pipeline.crawl import metadata

LABELS = records.table(
    "data/crawl/labels: whom sources see in a photo; it scores the clustering, and no stage reads it",
    ("photo_id", pa.string(), "as in data/crawl/photos"),
    ("label", pa.string(), "what the source calls the person; a photo with several has a row for each"),
)

SCHEMAS = {"urls": records.URLS, "photos": records.PHOTOS, "labels": LABELS}

Row = dict[str, Any]


@dataclass(frozen=True)
class Piece:
    """The rows of one shard; those of photos are still without their bytes."""

    kind: str  # of SCHEMAS
    rows: Sequence[Row]


class CrawlWorker:
    """Writes a shard into `folder`; `body` finds the bytes of a picture by its URL."""

    def __init__(self, body: Callable[[str], bytes], folder: Path) -> None:
        self._body, self._folder = body, folder

    def __call__(self, task: shards.Task) -> int:
        """Returns the number of rows."""
        piece: Piece = task.inputs
        rows = [self._complete(row) for row in piece.rows] if piece.kind == "photos" else list(piece.rows)
        schema = SCHEMAS[piece.kind]
        table = pa.Table.from_pylist(rows, schema)
        shards.write(shards.path_of(self._folder, piece.kind, task.key), table, schema)
        return len(rows)

    def _complete(self, row: Row) -> Row:
        stored = metadata.store(self._body(row["url"]))
        image = {"bytes": stored.data, "path": f"{row['photo_id']}{stored.ending}"}
        return {**row, "image": image, "width": stored.width, "height": stored.height}
