"""Which shards of data/crawl are wanted: a row per URL with its outcome, a row per distinct photo.

Shards are leaves of a binary tree over the ids, split where they grow too large: a new photo changes one shard and
leaves all others, name and bytes, as they were.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from pipeline import shards
from pipeline.code import code_fingerprint, schema_parts
from pipeline.crawl import urls
from pipeline.crawl.duplicates import Choice, choose
from pipeline.crawl.ledger import Ledger, Visit
from pipeline.crawl.walk import CrawlResult, Mention
from pipeline.crawl.worker import SCHEMAS, Piece, Row
from pipeline.settings import CrawlSettings

URLS_PER_SHARD = 20_000


def tasks(
    addresses: Sequence[Row], photos: Sequence[Row], settings: CrawlSettings, labels: Sequence[Row] = ()
) -> dict[str, list[shards.Task]]:
    """The shards to make, by kind, from all rows of URLs, of photos and of labels in the order of their ids."""
    pieces = {
        "labels": leaves(labels, "photo_id", URLS_PER_SHARD),
        "urls": leaves(addresses, "url_id", URLS_PER_SHARD),
        "photos": leaves(photos, "photo_id", settings.photos_per_shard),
    }
    code = code_fingerprint("pipeline.crawl.worker")

    def task(kind: str, some: Sequence[Row]) -> shards.Task:
        return shards.Task(shards.fingerprint(schema_parts(SCHEMAS[kind]), code, some), Piece(kind, some))

    return {kind: [task(kind, some) for some in found] for kind, found in pieces.items()}


def rows(found: CrawlResult, ledger: Ledger, settings: CrawlSettings) -> tuple[list[Row], list[Row]]:
    """The rows of URLs and those of photos."""
    choice = choose(list(found.visits.values()), ledger, settings, found.sources)
    return url_rows(found, choice, settings), photo_rows(found, choice, settings)


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
    if visit.kind != "image":
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
    return [_photo_row(found.visits[choice.candidates[sha256].url], shown[sha256], found, settings) for sha256 in kept]


def _photo_row(visit: Visit, shown: Sequence[tuple[str, Mention]], found: CrawlResult, settings: CrawlSettings) -> Row:
    number = found.sources.get(visit.url, 0)
    terms = settings.sources[number - 1] if number else settings
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
        "collection_mode": terms.collection_mode,
        "legal_basis": terms.legal_basis,
        "licence": found.licences.get(visit.url) or terms.licence,
    }


def label_rows(addresses: Sequence[Row], found: CrawlResult) -> list[Row]:
    """A row per photo and person that sources see in it (worker.LABELS), from the rows of URLs."""
    known = {
        (row["photo_id"], label) for row in addresses if row["photo_id"] for label in found.labels.get(row["url"], ())
    }
    return [{"photo_id": photo, "label": label} for photo, label in sorted(known)]


def leaves(rows: Sequence[Row], key: str, limit: int, depth: int = 0) -> Iterator[Sequence[Row]]:
    """Rows, sorted by a hexadecimal id of 64 bits, in pieces of at most `limit`, cut at powers of two of the id."""
    if len(rows) <= limit or depth == 64:
        yield from [rows] if rows else []
        return
    middle = sum(not int(row[key], 16) >> (63 - depth) & 1 for row in rows)
    yield from leaves(rows[:middle], key, limit, depth + 1)
    yield from leaves(rows[middle:], key, limit, depth + 1)
