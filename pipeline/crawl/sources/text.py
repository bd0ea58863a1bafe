"""Text that somebody wrote, in whatever encoding: a caption that cannot be read is none."""

import gzip
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

from pipeline.files import encoding_of

MAX_CAPTION = 1000  # characters
MAX_BYTES = 1_000_000  # of a file beside a picture
SAMPLE = 1 << 16  # bytes from which the encoding of a table is told


def caption_of(data: bytes) -> str:
    """What a text file says, in one line; empty where it is no text."""
    try:
        return tidy(data[:MAX_BYTES].decode(encoding_of(data[:MAX_BYTES])))
    except (UnicodeError, LookupError):
        return ""


def tidy(text: object) -> str:
    """A caption in one line of at most MAX_CAPTION characters; empty for what is no text."""
    return " ".join(text.split())[:MAX_CAPTION] if isinstance(text, str) else ""


def fields_of(data: bytes) -> Mapping[str, Any]:
    """The object of a JSON file beside a picture; empty where it is none."""
    try:
        found = json.loads(data[:MAX_BYTES].decode(encoding_of(data[:MAX_BYTES])))
    except (ValueError, LookupError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def open_text(path: Path) -> TextIO:
    """A text file of any encoding, compressed by gzip where its name ends so; newlines as they are."""
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    with cast(BinaryIO, opener(path, "rb")) as stream:
        encoding = encoding_of(stream.read(SAMPLE))
    return io.TextIOWrapper(cast(BinaryIO, opener(path, "rb")), encoding=encoding, errors="replace", newline="")
