"""Text that somebody wrote, in whatever encoding: a caption that cannot be read is none."""

import codecs
import gzip
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, TextIO, cast

import charset_normalizer

MAX_CAPTION = 1000  # characters
MAX_BYTES = 1_000_000  # of a file beside a picture
SAMPLE = 1 << 16  # bytes from which the encoding of a table is told
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}

# A short text fits many encodings: those of old DOS and of large machines are nobody's captions.
USUAL = (
    "cp1251", "koi8_r", "gb18030", "big5", "shift_jis", "euc_jp", "euc_kr", "cp1252", "cp1250", "cp1253", "cp1254",
    "cp1255", "cp1256", "cp1257", "cp874",
)  # fmt: skip


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


def encoding_of(data: bytes) -> str:
    """What bytes are written in: by their mark, else UTF-8 if they are, else a guess; Latin-1 where nothing fits."""
    marked = next((name for mark, name in MARKS.items() if data.startswith(mark)), "")
    if marked:
        return marked
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data)  # a character may be cut at the end of a sample
        return "utf-8"
    except UnicodeDecodeError:
        best = charset_normalizer.from_bytes(data, cp_isolation=list(USUAL)).best()
        return best.encoding if best else "latin-1"


def open_text(path: Path) -> TextIO:
    """A text file of any encoding, compressed by gzip where its name ends so; newlines as they are."""
    opener = gzip.open if path.suffix.lower() == ".gz" else open
    with cast(BinaryIO, opener(path, "rb")) as stream:
        encoding = encoding_of(stream.read(SAMPLE))
    return io.TextIOWrapper(cast(BinaryIO, opener(path, "rb")), encoding=encoding, errors="replace", newline="")
