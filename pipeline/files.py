"""Text and JSON files that a person may have written or broken: whatever is wrong with one is said with its name."""

import codecs
import json
import re
from pathlib import Path
from typing import Any

from charset_normalizer import from_bytes

from pipeline.errors import MissingInput, ShardError, input_error

MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}  # UTF-32's little-endian mark begins with UTF-16's: it is looked for first
GUESSES = ["cp1251", "koi8_r", "gb18030", "big5", "shift_jis", "euc_jp", "euc_kr", "cp1250", "cp1253", "cp1255"]
GUESSES += ["cp1256", "cp1254", "cp1252"]
SAMPLE = 65_536  # bytes from which an encoding is guessed
WESTERN = "cp1252"


def read_text(path: Path | str) -> str:
    """A file's text, in any encoding, without a byte order mark.

    Raises:
        MissingInput: there is no such file, it is a folder, or it may not be read.
        ShardError: it is not text.
    """
    text = decode(_read(path))
    if "\0" in text:
        raise ShardError(f"{path} is not text (it holds bytes of zero): check its path, or mend it")
    return text


def lines(text: str) -> list[str]:
    """A text's lines; unlike in `str.splitlines`, no other character than CR and LF ends one."""
    return re.split("\r\n|\n|\r", text)


def decode(data: bytes) -> str:
    """The text that bytes hold, by their mark, else as UTF-8, else by a guess; what fits nowhere becomes U+FFFD."""
    return data.decode(encoding_of(data), "replace")


def encoding_of(data: bytes) -> str:
    """What bytes are written in: by their mark, else UTF-8 if they are, else a guess."""
    return next((name for mark, name in MARKS.items() if data.startswith(mark)), "") or guess_encoding(data)


def guess_encoding(data: bytes) -> str:
    """The encoding of bytes that neither a mark nor anybody else names."""
    if halves := _utf16(data):
        return halves
    try:
        codecs.getincrementaldecoder("utf-8")().decode(data)  # a sample may end within a character
        return "utf-8"
    except UnicodeDecodeError:
        pass
    # Western words have one or two accents at once. Whoever guesses from so few takes Spanish for Hungarian.
    if not re.search(rb"[\x80-\xff]{3}", data):
        return WESTERN
    sample = data if len(data) <= SAMPLE else data[:SAMPLE].rpartition(b"\n")[0] or data[:SAMPLE]
    best = from_bytes(sample, cp_isolation=GUESSES).best()
    return best.encoding if best else WESTERN


def _utf16(data: bytes) -> str:
    """UTF-16 without a mark, which shows by the zeros of its ASCII characters: every other byte."""
    even, odd = data[:SAMPLE:2], data[1:SAMPLE:2]
    for name, zeros, others in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if len(data) % 2 == 0 and zeros.count(0) > len(zeros) // 2 and not others.count(0):
            return name
    return ""


def _read(path: Path | str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise input_error(error) or MissingInput(f"cannot read {path}: {error}") from error


def read_json(path: Path | str) -> dict[str, Any]:
    """The object that a JSON file holds.

    Raises:
        MissingInput: as `read_text` has it.
        ShardError: it is not text, not JSON or no object.
    """
    try:
        found = json.loads(_utf8(path))
    except ValueError as error:
        raise ShardError(f"{path} is not JSON ({error}): mend it, or delete it and make it anew") from error
    if not isinstance(found, dict):
        raise ShardError(f"{path} must hold an object, found {type(found).__name__}: mend it, or delete it")
    return found


def _utf8(path: Path | str) -> str:
    try:
        return _read(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ShardError(f"{path} is not text in UTF-8 ({error}): mend it") from error
