"""Pictures of a local folder, with what stands beside them: `1.jpg`, and `1.txt`, `1.caption` or `1.json`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.crawl.sources import files, text
from pipeline.crawl.sources.files import Item
from pipeline.errors import MissingInput
from pipeline.settings import SourceSettings

# What is taken for a picture; whether it can be read is another question, and a row.
PICTURES = (
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".heic", ".heif", ".avif", ".gif", ".bmp", ".tif", ".tiff",
)  # fmt: skip


def read(source: SourceSettings, max_bytes: int) -> Iterator[Item]:
    """Every file that is called a picture, in the order of names; larger ones than `max_bytes` are not read.

    Raises:
        MissingInput: there is no such folder, or no picture in it.
    """
    if not Path(source.folder).is_dir():
        raise MissingInput(f"crawl.sources: folder: {source.folder} is no folder")
    for name, path in files.matching(source.folder, PICTURES, "folder"):
        where = files.address("folder", source.title, *Path(name).parts)
        label = path.parent.name if source.people == "folder" and path.parent != Path(source.folder) else ""
        try:
            if (size := path.stat().st_size) > max_bytes:
                yield Item(where, label=label, reject="too_large", detail=f"{size} bytes, at most {max_bytes} are read")
            else:
                yield Item(where, path.read_bytes(), _caption(path, source), label=label)
        except OSError as error:
            yield Item(where, label=label, reject="unreadable", detail=error.strerror or type(error).__name__)


def _caption(path: Path, source: SourceSettings) -> str:
    """The first caption that can be read beside a picture."""
    plain = (text.caption_of(_beside(path, ending)) for ending in (".txt", ".caption"))
    found = next(filter(None, plain), "")
    return found or text.tidy(_fields(path).get(source.caption_column))


def _fields(path: Path) -> Mapping[str, Any]:
    return text.fields_of(_beside(path, ".json"))


def _beside(path: Path, ending: str) -> bytes:
    try:
        with path.with_suffix(ending).open("rb") as file:
            return file.read(text.MAX_BYTES)
    except OSError:
        return b""
