"""The crawl itself: pages level by level from the seeds, then the pictures that they show.

Each level's pages are all fetched before the next begins and links are taken in sorted order, so that what is found
and where a limit cuts does not depend on which answer came first.
"""

import asyncio
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pipeline.crawl import pages, server, takedown, urls
from pipeline.crawl.ledger import Ledger, Visit
from pipeline.crawl.pictures import inspect, still_decodes
from pipeline.crawl.sources import local, sitemap, table
from pipeline.crawl.sources.result import CrawlResult, Mention
from pipeline.crawl.takedown import Takedown
from pipeline.crawl.urls import Refused
from pipeline.crawl.web import addresses, permission
from pipeline.crawl.web.fetch import Fetcher
from pipeline.errors import LikenessError, MissingInput
from pipeline.files import lines, read_text
from pipeline.settings import CrawlSettings, SourceSettings

# Of what hosts answer, this alone depends on a setting: it is asked again each time.
FORGOTTEN = "too_large"


async def crawl(
    settings: CrawlSettings, hosts: Mapping[str, tuple[str, int]], ledger: Ledger, takedown: Takedown
) -> CrawlResult:
    """Visit everything that the seeds, the URL lists and those of the sources lead to.

    Args:
        settings: the section `crawl`.
        hosts: addresses of hosts on this machine (addresses.loopback_hosts).
        ledger: remembers; what is in it is not fetched again.
        takedown: what must not be asked.
    """
    found = CrawlResult()
    for url, caption in listed(settings.url_lists):
        found.note(url, Mention("", caption), 0)
    for number, source in enumerate(settings.sources, 1):
        _take_in(source, number, found)
    async with Fetcher(settings, hosts) as fetcher:
        walk = _Walk(settings, fetcher, ledger, takedown, found)
        await walk.through_pages(settings.seeds)
        for number, source in enumerate(settings.sources, 1):
            await walk.through_site(source, number)
        await walk.through_pictures()
    return found


@contextmanager
def crawled(settings: CrawlSettings, work: Path) -> Iterator[tuple[CrawlResult, Ledger]]:
    """Crawl, with the memory of earlier crawls in `work`, and serve `settings.serve` meanwhile.

    Yields:
        what was found, and the ledger that holds its bytes, without what is taken down.
    """
    banned = takedown.read(settings.takedown)
    memory = work / (server.contents(Path(settings.serve)) if settings.serve else "web")
    with Ledger(memory) as ledger, server.served(settings.serve, memory / "requests.log") as port:
        found = asyncio.run(crawl(settings, addresses.loopback_hosts(settings.hosts, port), ledger, banned))
        local.read(settings, found, ledger, banned)
        ledger.purge(banned.names)
        found.unmatched = banned.unmatched(chain(found.visits.values(), ledger))
        yield found, ledger


def _take_in(source: SourceSettings, number: int, found: CrawlResult) -> None:
    """The rows of a source's tables."""
    for row in table.read(source) if source.table else ():
        if row.reject:
            found.visits[row.address] = Visit(row.address, "image", row.reject, row.detail, permanent=False)
        else:
            found.note(row.address, Mention("", row.caption), number, row.licence, row.label)


def listed(where: str) -> Iterator[tuple[str, str]]:
    """The URLs and captions of a URL list, or of a folder's lists: a URL per line, a tab and a caption may follow it.

    Args:
        where: `crawl.url_lists`; empty: none.

    Raises:
        MissingInput: the list does not exist.
    """
    path = Path(where)
    for each in [] if not where else sorted(path.iterdir()) if path.is_dir() else [path]:
        if not each.exists():
            raise MissingInput(f"crawl.url_lists: {each} does not exist")
        for link, caption in map(table.link_and_caption, lines(read_text(each))):
            if url := urls.canonical(link):
                yield url, caption


class _Walk:
    """One run over the pages, then over the pictures; what it finds goes into `found`."""

    def __init__(
        self, settings: CrawlSettings, fetcher: Fetcher, ledger: Ledger, takedown: Takedown, found: CrawlResult
    ) -> None:
        self._settings, self._fetcher, self._ledger = settings, fetcher, ledger
        self._takedown, self._found = takedown, found
        self._token = permission.agent_token(settings.user_agent)
        self._source = 0  # whose pages are read: its number in CrawlResult.sources

    async def through_site(self, source: SourceSettings, number: int) -> None:
        """The pages of a source that has seeds or sitemaps."""
        self._source = number
        if source.seeds or source.sitemaps:
            await self.through_pages([*source.seeds, *await self._through_sitemaps(source)])

    async def _through_sitemaps(self, source: SourceSettings) -> list[str]:
        """The pages that a source's sitemaps list; the pictures that they list are noted."""
        level, seen, found = await self._named_sitemaps(source), set[str](), list[str]()
        bar: tqdm[Any] = tqdm(desc="crawl sitemaps", unit="sitemap", mininterval=1.0)
        with bar:
            for _ in range(sitemap.MAX_NESTING):
                level = sorted(set(level) - seen)[: sitemap.MAX_SITEMAPS - len(seen)]
                seen.update(level)
                await self._visit_all(level, "sitemap", bar)
                read = [self._read_sitemap(url) for url in level]
                found += [page for each in read for page in each.pages]
                level = [link for each in read for link in each.sitemaps]
        return found

    async def _named_sitemaps(self, source: SourceSettings) -> list[str]:
        """Those of the settings, else those of the robots.txt of the seeds' hosts."""
        links = list(source.sitemaps)
        for seed in () if links else source.seeds:
            links += await self._sitemaps_of(urls.canonical(seed) or "")
        return [url for link in links if (url := urls.canonical(link))]

    async def _sitemaps_of(self, url: str) -> list[str]:
        """Those that the robots.txt of a URL's host names; none where the URL may not be asked."""
        try:
            await self._fetcher.check(url)
        except Refused:
            return []
        robots = (await self._fetcher.rules_of(url)).robots
        return list(robots.sitemaps) if robots else []

    def _read_sitemap(self, url: str) -> sitemap.Sitemap:
        visit = self._found.visits[url]
        try:
            listed = sitemap.parse(self._ledger.body(visit), url) if not visit.reject else sitemap.Sitemap()
        except sitemap.NoSitemap as error:
            self._found.visits[url] = replace(visit, reject="not_a_sitemap", detail=str(error)[:200])
            return sitemap.Sitemap()
        for page, picture, caption in listed.pictures:
            self._found.note(picture, Mention(page, caption), self._source)
        return listed

    async def through_pages(self, seeds: Iterable[str]) -> None:
        """Breadth first from the seeds, within max_depth clicks and, all sources together, max_pages pages."""
        level = sorted({url for seed in seeds if (url := urls.canonical(seed))} - set(self._found.visits))
        bar: tqdm[Any] = tqdm(desc="crawl pages", unit="page", mininterval=1.0)
        with bar:
            for _ in range(self._settings.max_depth + 1):
                room = max(
                    0, self._settings.max_pages - sum(each.kind == "page" for each in self._found.visits.values())
                )
                self._refuse(level[room:], "too_many_pages", f"more than {self._settings.max_pages}")
                await self._visit_all(level[:room], "page", bar)
                level = self._read_pages(level[:room])
                if not level:
                    return
        self._refuse(level, "too_deep", f"more than {self._settings.max_depth} clicks from a seed")

    async def through_pictures(self) -> None:
        """All pictures that pages or lists mention, except those that their pages reserve.

        Where one fails for good its next candidate is asked for.
        """
        found, waiting = self._found, set(self._found.mentions)
        bar: tqdm[Any] = tqdm(total=len(waiting), desc="crawl pictures", unit="picture", mininterval=1.0)
        with bar:
            while waiting:
                found.visits |= {
                    url: Visit(url, "image", "opt_out", found.reserved[url]) for url in waiting & found.reserved.keys()
                }
                await self._visit_all(sorted(waiting - found.reserved.keys()), "image", bar)
                failed = [url for url in sorted(waiting) if _may_be_had_smaller(found.visits[url])]
                waiting = {url for each in failed for url in found.take_instead(each)} - found.visits.keys()

    def _refuse(self, links: Iterable[str], reason: str, detail: str) -> None:
        self._found.visits |= {url: Visit(url, "page", reason, detail, permanent=False) for url in links}

    def _read_pages(self, level: Iterable[str]) -> list[str]:
        """Note what the fetched pages of a level show; returns the pages that they link to and nobody did before."""
        linked: set[str] = set()
        for visit in (self._found.visits[url] for url in level):
            if not visit.reject:
                linked |= self._links_of(visit)
        return sorted(linked - set(self._found.visits))

    def _links_of(self, visit: Visit) -> set[str]:
        """The links of a page, none where it cannot be read: that is the page's row."""
        body = self._ledger.body(visit)
        try:
            return self._read_page(visit, body)
        except Exception as error:
            self._found.visits[visit.url] = failed(visit, error)
            return set()

    def _read_page(self, visit: Visit, body: bytes) -> set[str]:
        page = pages.parse(body, visit.charset, visit.final_url, self._token)
        for picture in page.pictures:
            self._found.note(picture.url, Mention(visit.final_url, picture.caption), self._source)
            self._found.note_smaller([picture.url, *picture.smaller], page.opt_out)
        for link in page.links:
            self._found.linked_from[link] = min(visit.final_url, self._found.linked_from.get(link, visit.final_url))
        return set(page.links)

    async def _visit_all(self, links: Iterable[str], kind: str, bar: "tqdm[Any]") -> None:
        """Visit URLs, several hosts at once; a slow host keeps only its own URLs waiting."""
        by_host: dict[str, list[str]] = defaultdict(list)
        for url in links:
            by_host[urls.host_of(url)].append(url)
        try:
            async with asyncio.TaskGroup() as group:
                for waiting in by_host.values():
                    queue = iter(waiting)
                    for _ in range(min(self._settings.connections_per_host, len(waiting))):
                        group.create_task(self._visit_each(queue, kind, bar))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _visit_each(self, queue: Iterator[str], kind: str, bar: "tqdm[Any]") -> None:
        for url in queue:
            self._found.visits[url] = await self._visit(url, kind)
            bar.update()

    async def _visit(self, url: str, kind: str) -> Visit:
        try:
            if self._takedown.lists(url):
                return self._taken_down(self._ledger.find(url, kind) or Visit(url, kind))
            # Permission is asked anew even for what is remembered: a site may have changed its mind.
            await self._fetcher.check(url)
            visit = self._remembered(url, kind) or await self._fetch(url, kind)
            return self._taken_down(visit) if self._takedown.names(visit) else visit
        except Refused as refusal:
            visit = Visit(url, kind, refusal.reason, refusal.detail, refusal.permanent, status=refusal.status)
            answered = refusal.permanent and refusal.status and refusal.reason != FORGOTTEN
            return self._ledger.record(visit) if answered else visit
        except LikenessError:  # a full disk, a damaged ledger: no URL's fault
            raise
        except Exception as error:
            return failed(Visit(url, kind), error)

    def _remembered(self, url: str, kind: str) -> Visit | None:
        """What the ledger has of a URL; a picture whose decoder is gone since then waits for another run."""
        visit = self._ledger.find(url, kind)
        return visit if visit is None or kind != "image" else still_decodes(visit, self._ledger.start(visit))

    def _taken_down(self, visit: Visit) -> Visit:
        return replace(visit, reject="takedown", detail="listed in crawl.takedown", permanent=True)

    async def _fetch(self, url: str, kind: str) -> Visit:
        reply = await self._fetcher.get(url, kind)
        visit = Visit(url, kind, "", final_url=reply.url, status=reply.status, sha256=_sha256(reply.body))
        if kind != "image":
            return self._ledger.record(replace(visit, charset=reply.charset), reply.body)
        inspected = await asyncio.to_thread(inspect, visit, reply.body)
        if not inspected.permanent:
            return inspected
        return self._ledger.record(inspected, b"" if inspected.reject else reply.body)


def failed(visit: Visit, error: Exception) -> Visit:
    """The row of a URL on which something went wrong that nobody foresaw; it is worth another try."""
    if isinstance(error, Refused):
        return replace(visit, reject=error.reason, detail=error.detail, permanent=error.permanent)
    return replace(visit, reject="error", detail=type(error).__name__, permanent=False)


def _may_be_had_smaller(visit: Visit) -> bool:
    """Whether a picture cannot be had for another reason than that somebody reserves it, or had it taken down."""
    failed = visit.permanent or visit.reject == "bad_image"  # the latter for want of a decoder
    return bool(visit.reject) and failed and visit.reject not in ("opt_out", "takedown")


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
