"""What must never be kept again: a text file with one URL, sha256 or photo id per line; # begins a comment.

A listed URL is not asked; a listed picture is not kept, nor is any equal or nearly equal one that is known, and its
bytes are erased from the ledger. Lines that name nothing that was seen are told: they may be misspelt.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.crawl import urls
from pipeline.crawl.ledger import Visit
from pipeline.errors import MissingInput, SettingsError
from pipeline.files import lines, read_text

NAMED = 20  # lines that a warning names
HASH = "(?:sha256:)?([0-9a-f]{64}|[0-9a-f]{16})"


@dataclass(frozen=True)
class Takedown:
    """The listed URLs (urls.loosely) and hashes (whole sha256, or photo ids, their first 16 hex digits), each with the
    line that lists it."""

    urls: Mapping[str, str] = field(default_factory=dict)
    hashes: Mapping[str, str] = field(default_factory=dict)

    def lists(self, url: str) -> bool:
        """Whether a URL is listed, in whatever spelling."""
        return bool(self.urls) and urls.loosely(url) in self.urls

    def names(self, visit: Visit) -> bool:
        """Whether a visit's URL or bytes are listed."""
        by_hash = bool(visit.sha256) and not self.hashes.keys().isdisjoint((visit.sha256, visit.sha256[:16]))
        return by_hash or self.lists(visit.url) or self.lists(visit.final_url)

    def unmatched(self, visits: Iterable[Visit]) -> list[str]:
        """The lines that name none of the visits."""
        seen: set[str] = set()
        for visit in visits if self.urls or self.hashes else ():
            seen |= {urls.loosely(visit.url), urls.loosely(visit.final_url), visit.sha256, visit.sha256[:16]}
        listed = {**self.urls, **self.hashes}
        return [line for key, line in listed.items() if key not in seen]


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
    by_url: dict[str, str] = {}
    by_hash: dict[str, str] = {}
    for number, raw in enumerate(lines(read_text(path)), 1):
        # A '#' within a URL is part of it.
        line = re.sub(r"(^|\s)#.*", "", raw).strip()
        if hexadecimal := _hash(line):
            by_hash[hexadecimal] = line
        elif url := _url(line):
            by_url[urls.loosely(url)] = line
        elif line:
            raise SettingsError(f"{path}, line {number}: {line!r} is neither a URL nor 16 or 64 hex digits")
    return Takedown(by_url, by_hash)


def warning(path: str, unmatched: list[str]) -> str:
    """The sentence that counts and names lines that match nothing; empty when all do."""
    if not unmatched:
        return ""
    more = f" and {len(unmatched) - NAMED} more" if len(unmatched) > NAMED else ""
    return (
        f"warning: crawl.takedown: {len(unmatched)} lines of {path} match nothing that was seen: "
        f"{', '.join(unmatched[:NAMED])}{more}: look whether they are spelt as the crawl's URLs are"
    )


def _hash(line: str) -> str:
    """A hash in either case, with spaces within, or with a file's name behind it as sha256sum writes it."""
    found = re.fullmatch(HASH, re.sub(r"\s", "", line).lower()) or re.fullmatch(rf"{HASH}\s.*", line.lower())
    return found[1] if found else ""


def _url(line: str) -> str:
    if "://" in line:
        return line
    return f"http://{line.lstrip('/')}" if re.match(r"(//)?[\w-]+(\.[\w-]+)+(:\d+)?/", line) else ""
