"""Tars as img2dataset and WebDataset write them: files with one stem, one after the other, are one sample.

A tar is read once, from its beginning, and never unpacked: one sample is in memory at a time.
"""

import tarfile
import zlib
from collections.abc import Iterator
from itertools import groupby
from lzma import LZMAError
from pathlib import Path
from typing import Any

from pipeline.crawl.sources import files, table, text
from pipeline.crawl.sources.files import Item
from pipeline.crawl.sources.folder import PICTURES
from pipeline.settings import SourceSettings

ENDINGS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
BESIDE = (".txt", ".caption", ".json")
BROKEN = (tarfile.TarError, EOFError, OSError, zlib.error, LZMAError, ValueError, OverflowError)

Piece = tuple[str, str, bytes | int]


class _Member(tarfile.TarInfo):
    """A header that is checked: tarfile takes damage behind the first member for the end of the tar."""

    @classmethod
    def frombuf(cls, buf: Any, encoding: str, errors: str) -> "_Member":
        try:
            found = super().frombuf(buf, encoding, errors)
        except (tarfile.EOFHeaderError, tarfile.EmptyHeaderError):  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from error
        if not found.isreg() and found.size > text.MAX_BYTES:  # names and attributes: tarfile reads them at once
            raise tarfile.ReadError(f"a header of {found.size} bytes")
        return found


def read(source: SourceSettings, max_bytes: int) -> Iterator[Item]:
    """The samples of all tars; a broken tar ends there, with a row that says so.

    Raises:
        MissingInput: there is no tar.
    """
    for name, path in files.matching(source.tar, ENDINGS, "tar"):
        where = files.address("tar", source.title, *Path(name).parts)
        try:
            yield from _samples(path, where, source, max_bytes)
        except BROKEN as error:
            yield Item(where, reject="broken_tar", detail=f"the rest is lost: {type(error).__name__}: {error}"[:200])


def _samples(path: Path, where: str, source: SourceSettings, max_bytes: int) -> Iterator[Item]:
    broken: list[Exception] = []
    with tarfile.open(path, "r|*", tarinfo=_Member) as tar:
        for stem, group in groupby(_pieces(tar, max_bytes, broken), lambda piece: piece[0]):
            found = {ending: piece for _, ending, piece in group}
            beside = {ending: found.pop(ending) for ending in BESIDE if ending in found}
            for ending, piece in found.items():
                yield _item(f"{where}/{files.quoted(stem + ending)}", piece, beside, source)
    for error in broken:
        raise error


def _pieces(tar: tarfile.TarFile, max_bytes: int, broken: list[Exception]) -> Iterator[Piece]:
    """Stem, ending and bytes of the files that are of use, or the size of one that is too large, up to the damage.

    The damage is put into `broken`, so that the sample before it is not lost with it.
    """
    try:
        for member in tar:
            stem, ending = _split(member.name)
            limit = max_bytes if ending.lower().endswith(PICTURES) else text.MAX_BYTES if ending in BESIDE else -1
            if limit >= 0 and member.isreg() and not Path(member.name).name.startswith("."):
                file = tar.extractfile(member) if member.size <= limit else None
                yield stem, ending, file.read() if file else member.size
    except BROKEN as error:
        broken.append(error)


def _item(where: str, piece: bytes | int, beside: dict[str, bytes | int], source: SourceSettings) -> Item:
    held = {ending: data for ending, data in beside.items() if isinstance(data, bytes)}
    fields = text.fields_of(held.get(".json", b""))
    caption = next(filter(None, (text.caption_of(held.get(ending, b"")) for ending in (".txt", ".caption"))), "")
    named, licence, label = table.said(fields, source)
    said = (caption or named, licence, label)
    if isinstance(piece, int):
        return Item(where, b"", *said, "too_large", f"{piece} bytes, which is more than are read")
    return Item(where, piece, *said)


def _split(name: str) -> tuple[str, str]:
    """Stem and ending: WebDataset's end at the first dot of the file's name."""
    folder, slash, file = name.removeprefix("./").rpartition("/")
    stem, dot, ending = file.partition(".")
    return f"{folder}{slash}{stem}", dot + ending
