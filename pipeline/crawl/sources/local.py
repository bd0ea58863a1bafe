"""Pictures on this machine through the same checks as those of the web, into the same ledger.

Every picture is read at each run, as it may be another one by now, and decoded only where its bytes are new.
"""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from tqdm import tqdm

from pipeline.crawl.ledger import Ledger, Visit
from pipeline.crawl.pictures import inspect, still_decodes
from pipeline.crawl.sources import folder, parquet, tar
from pipeline.crawl.sources.files import Item
from pipeline.crawl.sources.result import CrawlResult, Mention
from pipeline.crawl.takedown import Takedown
from pipeline.settings import CrawlSettings, SourceSettings

READERS: dict[str, Callable[[SourceSettings, int], Iterator[Item]]] = {
    "folder": folder.read,
    "tar": tar.read,
    "parquet": parquet.read,
}
WAITING = 32  # pictures that are held in memory at once


def read(settings: CrawlSettings, found: CrawlResult, ledger: Ledger, takedown: Takedown) -> None:
    """Add the pictures of all local sources to what was found, in the order of the settings.

    Raises:
        MissingInput: a source holds nothing.
        SettingsError: a Parquet file lacks a column.
    """
    bar: tqdm[Any] = tqdm(desc="read pictures", unit="picture", mininterval=1.0, disable=not _any(settings))
    with bar, ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for number, source in enumerate(settings.sources, 1):
            items = READERS[source.kind](source, settings.max_bytes) if source.local else iter(())
            for item, visit in _ahead(pool, items, ledger, takedown):
                if visit.url in found.visits:  # a name twice in one tar
                    continue
                found.visits[visit.url] = _remembered(visit, item.data, ledger)
                found.note(visit.url, Mention("", item.caption), number, item.licence, item.label)
                bar.update()


def _any(settings: CrawlSettings) -> bool:
    return any(source.local for source in settings.sources)


def _ahead(
    pool: ThreadPoolExecutor, items: Iterator[Item], ledger: Ledger, takedown: Takedown
) -> Iterator[tuple[Item, Visit]]:
    """Each item with its visit, in their order, while the next ones are decoded."""
    waiting: deque[tuple[Item, Future[Visit]]] = deque()
    for item in items:
        waiting.append((item, pool.submit(_visit, takedown, item, ledger.find(item.address, "image"))))
        if len(waiting) >= WAITING:
            first, done = waiting.popleft()
            yield first, done.result()
    yield from ((first, done.result()) for first, done in waiting)


def _visit(takedown: Takedown, item: Item, known: Visit | None) -> Visit:
    if item.reject:
        return Visit(item.address, "image", item.reject, item.detail, permanent=False)
    sha256 = hashlib.sha256(item.data).hexdigest()
    visit = Visit(item.address, "image", final_url=item.address, sha256=sha256, length=len(item.data))
    if known and known.sha256 == sha256 and not known.reject:
        visit = still_decodes(known, item.data)
    else:
        visit = inspect(visit, item.data)
    if takedown.names(visit):
        return replace(visit, reject="takedown", detail="listed in crawl.takedown", permanent=True)
    return visit


def _remembered(visit: Visit, body: bytes, ledger: Ledger) -> Visit:
    """The visit as it is in the ledger, which gets it, and its body, where it has not; what is taken down stays out."""
    return visit if visit.reject or visit.offset >= 0 else ledger.record(visit, body)
