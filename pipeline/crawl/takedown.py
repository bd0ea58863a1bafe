"""What must never be kept again: a text file with one URL, sha256 or photo id per line; # begins a comment.

A listed URL is not asked; a listed picture is not kept, nor is any equal or nearly equal one that is known, and its
bytes are erased from the ledger.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from pipeline.crawl import urls
from pipeline.crawl.ledger import Visit
from pipeline.errors import MissingInput, SettingsError
from pipeline.files import read_text


@dataclass(frozen=True)
class Takedown:
    """The listed URLs (canonical) and hashes (whole sha256, or photo ids, their first 16 hex digits)."""

    urls: frozenset[str] = frozenset()
    hashes: frozenset[str] = frozenset()

    def names(self, visit: Visit) -> bool:
        """Whether a visit's URL or bytes are listed."""
        by_hash = bool(visit.sha256) and not self.hashes.isdisjoint((visit.sha256, visit.sha256[:16]))
        return by_hash or visit.url in self.urls or visit.final_url in self.urls


def read(path: str) -> Takedown:
    """Read the file; an empty path lists nothing.

    Raises:
        MissingInput: there is no such file.
        SettingsError: a line is neither a URL nor a hash.
    """
    if not path:
        return Takedown()
    if not Path(path).exists():
        raise MissingInput(f"crawl.takedown: {path} does not exist: make it, or leave the setting empty")
    lines = [line.split("#")[0].strip() for line in read_text(path).splitlines()]
    for number, line in enumerate(lines, 1):
        if line and not _is_hash(line) and "://" not in line:
            raise SettingsError(f"{path}, line {number}: {line!r} is neither a URL nor 16 or 64 hex digits")
    hashes = frozenset(line for line in lines if _is_hash(line))
    return Takedown(frozenset(urls.canonical(line) or line for line in lines if "://" in line), hashes)


def _is_hash(line: str) -> bool:
    return re.fullmatch("[0-9a-f]{16}|[0-9a-f]{64}", line) is not None
