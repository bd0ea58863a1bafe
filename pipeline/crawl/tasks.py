"""From what was found to the shards of data/crawl: a row per URL with its outcome, a row per distinct photo.

Shards are leaves of a binary tree over the ids, split where they grow too large: a new photo changes one shard and
leaves all others, name and bytes, as they were.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline import images, records, shards
from pipeline.crawl import metadata, urls
from pipeline.crawl.duplicates import Candidate, alike, thumbnail, winners
from pipeline.crawl.ledger import Ledger, Visit
from pipeline.crawl.walk import CrawlResult, Mention
from pipeline.settings import CrawlSettings

URLS_PER_SHARD = 20_000

Row = dict[str, Any]


@dataclass(frozen=True)
class Choice:
    """Which file stands for each distinct file: sha256 -> sha256 of the kept one; `banned` holds kept ones that are
    taken down, and with them everything that they stand for."""

    winner: Mapping[str, str]
    candidates: Mapping[str, Candidate]
    banned: frozenset[str]


def choose(visits: Sequence[Visit], ledger: Ledger, settings: CrawlSettings) -> Choice:
    """Find equal and nearly equal pictures among the visits, and the one of each that is kept."""
    files: dict[str, Candidate] = {}
    by_hash: dict[str, Visit] = {}
    for visit in sorted((visit for visit in visits if _decoded(visit, settings)), key=lambda item: item.url):
        size = visit.width * visit.height
        files.setdefault(visit.sha256, Candidate(visit.sha256, visit.phash, size, visit.length, visit.url))
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


def url_rows(found: CrawlResult, choice: Choice, settings: CrawlSettings) -> list[Row]:
    """A row per URL (records.URLS), in the order of their ids."""
    rows = [_url_row(visit, found, choice, settings) for visit in found.visits.values()]
    return sorted(rows, key=lambda row: str(row["url_id"]))


def _url_row(visit: Visit, found: CrawlResult, choice: Choice, settings: CrawlSettings) -> Row:
    outcome, reject, detail = _outcome(visit, choice, settings)
    kept = choice.winner.get(visit.sha256, "") if outcome in ("kept", "duplicate") else ""
    mentions = found.mentions.get(visit.url)
    return {
        "url": visit.url,
        "url_id": urls.url_id(visit.url),
        "kind": visit.kind,
        "outcome": outcome,
        "reject": reject or None,
        "detail": detail,
        "final_url": visit.final_url,
        "status": visit.status,
        "sha256": visit.sha256 or None,
        "photo_id": kept[:16] or None,
        "page_url": min(mentions).page_url if mentions else found.linked_from.get(visit.url, ""),
    }


def _outcome(visit: Visit, choice: Choice, settings: CrawlSettings) -> tuple[str, str, str]:
    """Outcome, reject and detail of a visit."""
    if visit.reject:
        return ("never" if visit.permanent else "later"), visit.reject, visit.detail
    if visit.kind == "page":
        return "read", "", ""
    if min(visit.width, visit.height) < settings.min_side:
        return "never", "too_small", f"{visit.width} x {visit.height} pixels, at least {settings.min_side} are asked"
    winner = choice.candidates[choice.winner[visit.sha256]]
    if winner.sha256 in choice.banned:
        return "never", "takedown", "shows what crawl.takedown lists"
    if visit.url == winner.url:
        return "kept", "", ""
    return "duplicate", "", f"{'the bytes of' if visit.sha256 == winner.sha256 else 'nearly'} {winner.url}"


def photo_rows(found: CrawlResult, choice: Choice, settings: CrawlSettings) -> list[Row]:
    """A row per kept photo (records.PHOTOS) in the order of their ids, without its bytes."""
    shown: dict[str, list[tuple[str, Mention]]] = defaultdict(list)
    for visit in found.visits.values():
        if winner := choice.winner.get(visit.sha256):
            shown[winner] += [(visit.url, mention) for mention in found.mentions.get(visit.url, ())]
    kept = sorted(set(choice.winner.values()) - choice.banned)
    return [_photo_row(found.visits[choice.candidates[sha256].url], shown[sha256], settings) for sha256 in kept]


def _photo_row(visit: Visit, shown: Sequence[tuple[str, Mention]], settings: CrawlSettings) -> Row:
    # A caption from its own page before that of a duplicate's page, and any caption before none.
    _, mention = min(shown, key=lambda item: (not item[1].caption, item[0] != visit.url, item[1], item[0]))
    return {
        "photo_id": visit.sha256[:16],
        "width": visit.width,
        "height": visit.height,
        "url": visit.url,
        "page_url": mention.page_url,
        "caption": mention.caption,
        "phash": visit.phash,
        "collection_mode": settings.collection_mode,
        "legal_basis": settings.legal_basis,
        "licence": settings.licence,
    }


def write(folder: Path, found: CrawlResult, ledger: Ledger, settings: CrawlSettings) -> dict[str, Any]:
    """Write data/crawl; shards that exist already stay as they are. Returns the stage's metrics."""
    visits = list(found.visits.values())
    choice = choose(visits, ledger, settings)
    addresses, photos = url_rows(found, choice, settings), photo_rows(found, choice, settings)
    _write_kind(folder, "urls", records.URLS, list(leaves(addresses, "url_id", URLS_PER_SHARD)))

    def with_bytes(row: Row) -> Row:
        data = metadata.strip(ledger.body(found.visits[row["url"]]))
        return {**row, "image": {"bytes": data, "path": f"{row['photo_id']}{_ending(row['url'])}"}}

    _write_kind(
        folder, "photos", records.PHOTOS, list(leaves(photos, "photo_id", settings.photos_per_shard)), with_bytes
    )
    return metrics(addresses, photos)


def leaves(rows: Sequence[Row], key: str, limit: int, depth: int = 0) -> Iterator[Sequence[Row]]:
    """Rows, sorted by a hexadecimal id of 64 bits, in pieces of at most `limit`, cut at powers of two of the id."""
    if len(rows) <= limit or depth == 64:
        yield from [rows] if rows else []
        return
    middle = sum(not int(row[key], 16) >> (63 - depth) & 1 for row in rows)
    yield from leaves(rows[:middle], key, limit, depth + 1)
    yield from leaves(rows[middle:], key, limit, depth + 1)


def _write_kind(
    folder: Path, prefix: str, schema: pa.Schema, pieces: Sequence[Sequence[Row]], complete: Callable[[Row], Row] = dict
) -> None:
    tasks = [
        shards.Task(shards.fingerprint(str(schema), shards.code_version("pipeline/crawl/metadata"), piece), piece)
        for piece in pieces
    ]
    shards.remove_stale(folder, prefix, tasks)
    for task in shards.missing(folder, prefix, tasks):
        table = pa.Table.from_pylist([complete(row) for row in task.inputs], schema)
        shards.write(shards.path_of(folder, prefix, task.key), table, schema)


def _ending(url: str) -> str:
    path = url.split("?")[0].lower()
    return next((ending for ending in urls.IMAGE_ENDINGS if path.endswith(ending)), "")


def metrics(addresses: Sequence[Row], photos: Sequence[Row]) -> dict[str, Any]:
    """Counts by outcome and by reject, for the report."""
    captioned = sum(bool(row["caption"]) for row in photos)
    return {
        "urls": len(addresses),
        "pages": sum(row["kind"] == "page" for row in addresses),
        "photos": len(photos),
        "captioned_share": round(captioned / max(len(photos), 1), 4),
        "outcomes": dict(sorted(Counter(row["outcome"] for row in addresses).items())),
        "rejects": dict(sorted(Counter(row["reject"] for row in addresses if row["reject"]).items())),
    }
