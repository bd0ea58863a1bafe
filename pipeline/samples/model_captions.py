"""Captions that a model makes, beside the samples: one shard for each of the crawl, so that none is made twice."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import records, shards
from pipeline.code import code_fingerprint, schema_parts
from pipeline.encoders.captioner import Captioner
from pipeline.images import BadImage, Pixels, decode
from pipeline.samples import captions
from pipeline.samples.faces import FaceTable
from pipeline.settings import Settings

KIND = "captions"
BATCH = 8  # pictures at once
SCHEMA = records.table(
    "data/samples/captions: what models.captioner says of the photos that are to have its caption",
    ("photo_id", pa.string(), "of data/crawl/photos"),
    ("caption", pa.string(), "as the model wrote it; null where it wrote none"),
    ("reject", pa.string(), "why there is no caption; else null"),
)


def tasks(data: Path, faces: FaceTable, settings: Settings) -> list[shards.Task]:
    """One task per shard of photos, named by its photos with a face, the model and this code; none for pages' captions.

    Raises:
        MissingInput: the model's directory is empty or does not exist.
    """
    if settings.samples.captions == "page":
        return []
    code = code_fingerprint(__name__), schema_parts(SCHEMA)
    parts = [settings.samples.captions, shards.directory_fingerprint(settings.models.captioner), code]
    shown = set(faces.table.filter(pc.greater_equal(faces.table["index"], 0))["photo_id"].to_pylist())
    found = []
    for path in shards.paths(data / "crawl", "photos"):
        names = [name for name in shards.read(path, ["photo_id"])["photo_id"].to_pylist() if name in shown]
        found.append(shards.Task(shards.fingerprint(path.name, names, parts), (str(path), frozenset(names))))
    return found


def read(folder: Path, todo: Sequence[shards.Task]) -> dict[str, str | None]:
    """The finished captions of these tasks by photo; null where the model wrote none."""
    rows = [row for task in todo for row in shards.read(shards.path_of(folder, KIND, task.key)).to_pylist()]
    return {row["photo_id"]: row["caption"] for row in rows}


class CaptionWorker:
    """Makes data/samples/captions: loads the model of `directory` once, then takes one shard of photos per call."""

    def __init__(self, directory: str, source: str, out: Path) -> None:
        self._captioner, self._source, self._out = Captioner(directory), source, out

    def __call__(self, task: shards.Task) -> None:
        path, names = task.inputs
        table = shards.read(path, ["photo_id", "caption", "image"])
        photos = table.filter(pc.is_in(table["photo_id"], pa.array(sorted(names), pa.string()))).to_pylist()
        wanted = [photo for photo in photos if captions.from_model(self._source, photo["caption"])]
        rows = [row for batch in shards.chunks(wanted, BATCH) for row in self._rows(batch)]
        shards.write(shards.path_of(self._out, KIND, task.key), pa.Table.from_pylist(rows, SCHEMA), SCHEMA)

    def _rows(self, photos: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        pictures: dict[str, Pixels] = {}
        reasons: dict[str, str] = {}
        for photo in photos:
            try:
                pictures[photo["photo_id"]] = decode(photo["image"]["bytes"])
            except BadImage as error:
                reasons[photo["photo_id"]] = str(error)
        found = self._captions(pictures, reasons)
        names = [photo["photo_id"] for photo in photos]
        return [{"photo_id": name, "caption": found.get(name), "reject": reasons.get(name)} for name in names]

    def _captions(self, pictures: dict[str, Pixels], reasons: dict[str, str]) -> dict[str, str | None]:
        """All at once; one by one where that fails, so that one picture costs no other its caption."""
        try:
            written = self._captioner(list(pictures.values())) if pictures else []
        except (ValueError, RuntimeError) as error:
            if len(pictures) > 1:
                alone = [self._captions({name: picture}, reasons) for name, picture in pictures.items()]
                return {name: caption for each in alone for name, caption in each.items()}
            reasons.update(dict.fromkeys(pictures, f"the captioner failed: {type(error).__name__}: {error}"[:200]))
            return {}
        found = {name: caption or None for name, caption in zip(pictures, written, strict=True)}
        reasons.update({name: "the captioner wrote nothing" for name, caption in found.items() if caption is None})
        return found
