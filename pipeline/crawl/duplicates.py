"""Equal and nearly equal pictures, and which one of them is kept.

The perceptual hash is the classic DCT hash: the signs of the 64 lowest frequencies of a 32 x 32 grey picture against
their median (C. Zauner, Implementation and benchmarking of perceptual image hash functions, 2010). Hashes that differ
in at most b bits agree wholly in at least one of b + 1 bands of bits (pigeonhole), so neighbours are found exactly by
b + 1 dictionary look-ups, not by comparing all pairs. Portraits of different people with one framing can share a
hash; a pair therefore counts only if its thumbnails agree too.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline import images
from pipeline.crawl.ledger import Ledger, Visit
from pipeline.images import Pixels
from pipeline.settings import CrawlSettings

SIDE, KEPT = 32, 8
THUMBNAIL = 16  # pixels
# Root mean square difference of thumbnails in grey levels. Measured on 600 drawn photos, re-encoded and resized: at
# most 3.1; on different ones of 4,400 whose hashes are within 6 bits: at least 33.
ALIKE = 8.0


@cache
def _cosines() -> NDArray[np.float64]:
    """The first 8 rows of the orthogonal DCT-II of length 32."""
    frequency, position = np.arange(KEPT)[:, None], np.arange(SIDE)[None]
    return np.cos(np.pi * frequency * (2 * position + 1) / (2 * SIDE))


def perceptual_hash(pixels: Pixels) -> int:
    """64 bits of RGB pixels, uint8 (H, W, 3); re-encoding or resizing changes few of them."""
    grey = np.asarray(Image.fromarray(pixels).convert("L").resize((SIDE, SIDE), Image.Resampling.BOX), np.float64)
    low = (_cosines() @ grey @ _cosines().T).ravel()
    bits = low > np.median(low[1:])  # the first is the mean brightness: it says nothing about the picture
    return int(np.packbits(bits).view(">u8")[0])


def thumbnail(pixels: Pixels) -> NDArray[np.float32]:
    """RGB pixels, uint8 (H, W, 3), as float32 (16, 16, 3) grey levels in [0, 255]."""
    small = Image.fromarray(pixels).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    return np.asarray(small, np.float32)


def alike(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    """Whether two thumbnails show the same photo."""
    return float(np.sqrt(np.mean((one - other) ** 2))) <= ALIKE


@dataclass(frozen=True)
class Candidate:
    """One distinct file that decodes; `url` is the smallest of those that gave it."""

    sha256: str
    phash: int
    pixels: int  # width times height
    length: int  # bytes
    url: str
    source: int = 0  # the first that gave it

    @property
    def rank(self) -> tuple[int, int, int, str]:
        """The best of equals comes first, whatever the order of arrival.

        That of the first source, under whose terms it is then kept, then most pixels, most bytes, smallest URL.
        """
        return (self.source, -self.pixels, -self.length, self.url)


def winners(candidates: Iterable[Candidate], bits: int, same: Callable[[Candidate, Candidate], bool]) -> dict[str, str]:
    """The sha256 of every file -> the sha256 of the file that is kept for it (itself for the kept ones).

    Args:
        candidates: distinct files.
        bits: perceptual hashes may differ in so many bits, 0 to 15.
        same: looks at the pictures of a pair whose hashes are near.
    """
    kept = _Index(bits)
    chosen: dict[str, str] = {}
    for candidate in sorted(candidates, key=lambda item: item.rank):
        winner = next((near for near in kept.near(candidate) if same(candidate, near)), candidate)
        chosen[candidate.sha256] = winner.sha256
        if winner is candidate:
            kept.add(candidate)
    return chosen


class _Index:
    """Candidates by the bands of their hash."""

    def __init__(self, bits: int) -> None:
        self._bits = bits
        edges = [round(64 * band / (bits + 1)) for band in range(bits + 2)]
        self._bands = list(pairwise(edges))
        self._found: dict[tuple[int, int], list[Candidate]] = defaultdict(list)

    def add(self, candidate: Candidate) -> None:
        for key in self._keys(candidate.phash):
            self._found[key].append(candidate)

    def near(self, candidate: Candidate) -> Sequence[Candidate]:
        """Those within the allowed number of bits, nearest first, better ones first among equally near ones."""
        found = {item for key in self._keys(candidate.phash) for item in self._found.get(key, ())}
        distance = {item: (item.phash ^ candidate.phash).bit_count() for item in found}
        return sorted((item for item in found if distance[item] <= self._bits), key=lambda i: (distance[i], i.rank))

    def _keys(self, phash: int) -> Iterator[tuple[int, int]]:
        return ((start, phash >> start & ((1 << stop - start) - 1)) for start, stop in self._bands)


@dataclass(frozen=True)
class Choice:
    """Which file stands for each distinct file: sha256 -> sha256 of the kept one; `banned` holds kept ones that are
    taken down, and with them everything that they stand for."""

    winner: Mapping[str, str]
    candidates: Mapping[str, Candidate]
    banned: frozenset[str]


def choose(
    visits: Sequence[Visit], ledger: Ledger, settings: CrawlSettings, sources: Mapping[str, int] | None = None
) -> Choice:
    """Find equal and nearly equal pictures among the visits, and the one of each that is kept.

    Args:
        sources: URL -> the number of its source; one that is not in it is of the first.
    """
    source = sources or {}
    files: dict[str, Candidate] = {}
    by_hash: dict[str, Visit] = {}
    decoded = (visit for visit in visits if _decoded(visit, settings))
    for visit in sorted(decoded, key=lambda item: (source.get(item.url, 0), item.url)):
        size, number = visit.width * visit.height, source.get(visit.url, 0)
        files.setdefault(visit.sha256, Candidate(visit.sha256, visit.phash, size, visit.length, visit.url, number))
        by_hash.setdefault(visit.sha256, visit)

    def same(one: Candidate, other: Candidate) -> bool:
        pair = [by_hash[one.sha256], by_hash[other.sha256]]
        if any(visit.reject == "takedown" for visit in pair):  # erased, or soon to be: its hash is all that is left
            return True
        return alike(*[thumbnail(images.decode(ledger.body(visit))) for visit in pair])

    winner = winners(files.values(), settings.near_duplicate_bits, same)
    banned = frozenset(winner[visit.sha256] for visit in visits if visit.reject == "takedown" and visit.sha256 in files)
    return Choice(winner, files, banned)


def _decoded(visit: Visit, settings: CrawlSettings) -> bool:
    return min(visit.width, visit.height) >= settings.min_side and visit.reject in ("", "takedown")
