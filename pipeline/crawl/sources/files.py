"""The files that a source names, and the addresses of what is in them, which do not depend on where the files lie."""

import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from urllib.parse import quote

from pipeline.errors import MissingInput

PLAIN = "/:@!$&()*+,;=~-._"  # of an address, as URLs have it


@dataclass(frozen=True)
class Item:
    """One picture of a source on this machine, or the reason why it is none."""

    address: str  # kind://source/file, or .../file/member
    data: bytes = b""
    caption: str = ""
    licence: str = ""  # of its row; empty: the source's
    label: str = ""  # whom it shows; empty: not said
    reject: str = ""
    detail: str = ""


def address(kind: str, title: str, *parts: str) -> str:
    """A place inside a source, spelled as a URL: `folder://lfw/Ann_Veneman/1.jpg`."""
    return f"{kind}://{title}/{quoted('/'.join(parts))}"


def quoted(name: str) -> str:
    """A file's name as it stands in an address."""
    return quote(name.encode(errors="surrogateescape"), safe=PLAIN)


def matching(where: str, endings: tuple[str, ...], setting: str) -> Iterator[tuple[str, Path]]:
    """The files of a file, folder or pattern in the order of their names, each with its name below that place.

    Args:
        where: a file is taken whatever it is called; of a folder, files with one of `endings` at any depth.
        endings: in lower case, with the dot; empty: every file that is not hidden.
        setting: what names the place, for errors.

    Raises:
        MissingInput: nothing is there.
    """
    path, found = Path(where), False
    if path.is_file():
        named: Iterator[tuple[str, Path]] = iter([(path.name, path)])
    elif path.is_dir():
        named = ((str(each.relative_to(path)), each) for each in _below(path) if _ends(each, endings))
    else:
        fixed = Path(*takewhile(lambda part: not glob.has_magic(part), path.parts[:-1]))
        met = (Path(each) for each in sorted(glob.glob(where, recursive=True)))
        named = ((str(each.relative_to(fixed)), each) for each in met if each.is_file())
    for name, file in named:
        found = True
        yield name, file
    if not found:
        what = f"no file that ends in {' or '.join(endings)} is in it" if path.is_dir() else "does not exist"
        raise MissingInput(f"crawl.sources: {setting}: {where}: {what}")


def _below(folder: Path) -> Iterator[Path]:
    """All files below a folder, sorted within each; links to folders are not followed, which could lead in a circle."""
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(where, name) for name in sorted(names) if not name.startswith("."))


def _ends(path: Path, endings: tuple[str, ...]) -> bool:
    return not endings or path.name.lower().endswith(endings)
