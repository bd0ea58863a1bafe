"""One URL to its bytes: permission, pace, retries, redirects, and bounds on time, bytes and hops.

Every request, robots.txt and each hop of a redirect included, passes the same checks: URL, address, robots.txt, gate.
"""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
from yarl import URL

from pipeline import images
from pipeline.crawl import urls
from pipeline.crawl.urls import Refused
from pipeline.crawl.web import body, permission
from pipeline.crawl.web.addresses import GuardedResolver
from pipeline.crawl.web.pace import Gate
from pipeline.crawl.web.permission import Rules
from pipeline.settings import CrawlSettings

MAX_HOPS = 5
MAX_CONNECTIONS = 200
MAX_RETRY_AFTER = 120.0  # seconds; a host that wants more is left for another run
FIRST_BACKOFF, MAX_BACKOFF = 0.5, 30.0  # seconds
REDIRECTS = {301, 302, 303, 307, 308}
GONE = {404: "not_found", 410: "not_found", 451: "unavailable_for_legal_reasons"}
RETRYABLE = {408, 425, 429, 500, 502, 503, 504}
# What is stored as it is comes before what is encoded anew.
KEPT = ("image/jpeg", "image/png", "image/webp")
OTHERS = ";q=0.9, ".join(sorted(set(images.media_types()) - set(KEPT)))
ACCEPT = {"page": "text/html", "image": f"{', '.join(KEPT)}, {OTHERS};q=0.9", "robots": "text/plain", "sitemap": "*/*"}


@dataclass(frozen=True)
class Reply:
    """What a URL answered with, after redirects."""

    url: str  # the final one
    status: int
    media: str  # the content type, in lower case, without parameters
    body: bytes
    charset: str = ""  # as the content type has it


@dataclass(frozen=True)
class _Step:
    """One answer: a reply, or where it sends us."""

    reply: Reply
    location: str | None = None


class Fetcher:
    """Fetches URLs of one crawl; use as `async with fetcher:`. Gates and robots.txt are kept per host and origin."""

    def __init__(self, settings: CrawlSettings, hosts: Mapping[str, tuple[str, int]]) -> None:
        self._settings, self._hosts = settings, hosts
        self._token = permission.agent_token(settings.user_agent)
        self._gates: dict[str, Gate] = {}
        # Waiting for a free connection must not eat into a request's own time.
        self._connections = asyncio.Semaphore(MAX_CONNECTIONS)
        self._rules: dict[str, asyncio.Task[Rules]] = {}

    async def __aenter__(self) -> "Fetcher":
        connector = aiohttp.TCPConnector(
            resolver=GuardedResolver(self._hosts), limit=MAX_CONNECTIONS, ttl_dns_cache=None
        )
        # No cookies, no proxy of the environment, no decompression beyond our own cap.
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
            headers={"User-Agent": self._settings.user_agent, "Accept-Encoding": "identity"},
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._rules.values():
            task.cancel()
        await self._session.close()

    async def get(self, url: str, kind: str) -> Reply:
        """Fetch a canonical URL as a `page` or an `image`.

        Raises:
            Refused: permanently or for now; its reason and detail are the row's.
        """
        seen: list[str] = []
        while len(seen) <= MAX_HOPS:
            urls.refuse_unsafe(url, self._settings.scope)
            await self._ask_robots(url)
            seen.append(url)
            step = await self._get_with_retries(url, kind)
            if step.location is None:
                return step.reply
            url = _target(step.location, url)
            if url in seen:
                raise Refused("redirect_loop", f"back to {url}"[:200], status=step.reply.status)
        raise Refused("too_many_redirects", f"more than {MAX_HOPS}")

    async def check(self, url: str) -> None:
        """Whether a URL may be asked now, without asking it (its host's robots.txt may be).

        Raises:
            Refused: as `get` does before its first request.
        """
        urls.refuse_unsafe(url, self._settings.scope)
        await self._ask_robots(url)

    async def _ask_robots(self, url: str) -> None:
        rules = await self.rules_of(url)
        if not rules.reachable:
            raise Refused("robots_unavailable", "robots.txt could not be had, which forbids all for now", False)
        if rules.interval > permission.MAX_INTERVAL:
            raise Refused("too_slow", f"robots.txt asks for {rules.interval:g} seconds between requests", False)
        if not rules.allows(url):
            raise Refused("robots", f"robots.txt of {urls.host_of(url)} disallows it to {self._token}")
        if rules.reserves(url):
            raise Refused("opt_out", "robots.txt: content-usage: train-ai=n")

    async def rules_of(self, url: str) -> Rules:
        """What the robots.txt of a URL's origin says."""
        origin = urls.origin_of(url)
        if origin not in self._rules:
            self._rules[origin] = asyncio.create_task(self._fetch_rules(origin))
        # Shielded: many URLs wait for one robots.txt, and one that is cancelled must not take it from the others.
        return await asyncio.shield(self._rules[origin])

    async def _fetch_rules(self, origin: str) -> Rules:
        try:
            reply = await self._follow_robots(f"{origin}/robots.txt")
        except Refused as refusal:
            # RFC 9309, 2.3.1: what is not there allows everything, and so do redirects that lead nowhere; what cannot
            # be reached forbids everything.
            absent = 300 <= refusal.status < 500 and refusal.permanent
            return Rules(None, self._token, reachable=absent)
        rules = permission.parse_robots(reply.body, self._token)
        if rules.interval <= permission.MAX_INTERVAL:
            self._gate(origin).slow_down(rules.interval)
        return rules

    async def _follow_robots(self, url: str) -> Reply:
        """Redirects of robots.txt may leave `crawl.scope`: the file speaks for the origin that sent us there."""
        for _ in range(MAX_HOPS + 1):
            urls.refuse_unsafe(url, None)
            step = await self._get_with_retries(url, "robots")
            if step.location is None:
                return step.reply
            url = _target(step.location, url)
        raise Refused("too_many_redirects", f"more than {MAX_HOPS}", status=step.reply.status)

    def _gate(self, url: str) -> Gate:
        host = urls.host_of(url)
        if host not in self._gates:
            self._gates[host] = Gate(self._settings.requests_per_second, self._settings.connections_per_host)
        return self._gates[host]

    async def _get_with_retries(self, url: str, kind: str) -> _Step:
        gate = self._gate(url)
        for attempt in range(self._settings.retries + 1):
            if gate.broken:
                raise Refused("unreachable", "the host does not answer", permanent=False)
            try:
                async with gate, self._connections:
                    step = await self._once(url, kind)
                gate.answered()
                return step
            except Refused as refusal:
                gate.answered() if refusal.status else gate.unanswered()
                if refusal.permanent or attempt == self._settings.retries:
                    raise
                await self._backoff(gate, url, attempt, refusal)
        raise AssertionError("the loop returns or raises")

    async def _backoff(self, gate: Gate, url: str, attempt: int, refusal: Refused) -> None:
        if refusal.retry_after is None:
            # Full jitter, seeded by the URL: hosts are not hit in step, and a run can be repeated.
            longest = min(MAX_BACKOFF, FIRST_BACKOFF * 2**attempt)
            await asyncio.sleep(random.Random(f"{url} {attempt}").uniform(0, longest))
        elif refusal.retry_after > MAX_RETRY_AFTER:
            raise refusal
        else:
            gate.pause(refusal.retry_after)

    async def _once(self, url: str, kind: str) -> _Step:
        try:
            async with asyncio.timeout(self._settings.timeout_seconds), self._request(url, kind) as response:
                return await self._judge(url, kind, response)
        except TimeoutError as error:
            raise Refused("timeout", "no whole answer within crawl.timeout_seconds", permanent=False) from error
        except aiohttp.ClientPayloadError as error:
            raise Refused("broken_transfer", "the connection ended within the body", permanent=False) from error
        except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
            raise Refused("malformed", "not a URL that can be asked") from error
        except aiohttp.ClientConnectorDNSError as error:
            raise Refused("unreachable", "the host's name is not known", permanent=False) from error
        except (aiohttp.ClientError, OSError) as error:
            raise Refused("unreachable", type(error).__name__, permanent=False) from error
        except ValueError as error:  # of the libraries below: a host that IDNA does not know, say
            raise Refused("malformed", f"cannot be asked: {type(error).__name__}") from error

    @asynccontextmanager
    async def _request(self, url: str, kind: str) -> AsyncIterator[aiohttp.ClientResponse]:
        target = URL(url, encoded=True)
        async with self._session.get(target, headers={"Accept": ACCEPT[kind]}, allow_redirects=False) as response:
            yield response

    async def _judge(self, url: str, kind: str, response: aiohttp.ClientResponse) -> _Step:
        """Everything that headers decide, then the body: what opts out or is refused costs its host no more bytes."""
        status, media = response.status, response.content_type.lower()
        empty = Reply(url, status, media, b"")
        if status in REDIRECTS and (location := response.headers.get("Location")):
            return _Step(empty, location)
        if kind == "robots" and 200 <= status < 300:
            return _Step(Reply(url, status, media, await body.read(response, permission.MAX_ROBOTS_BYTES, cut=True)))
        _refuse_status(status, response.headers.get("Retry-After"))
        if evidence := permission.opt_out(response.headers.items(), self._token):
            raise Refused("opt_out", evidence, status=status)
        _refuse_media(kind, media, status)
        charset = response.charset or ""
        return _Step(Reply(url, status, media, await body.read(response, self._settings.max_bytes), charset))


def _target(location: str, url: str) -> str:
    """Where a redirect leads; one to a link that names nothing to fetch is refused for its scheme."""
    link = urls.from_header(location)
    return urls.canonical(link, url) or (url if link.startswith("#") else link)


def _refuse_status(status: int, retry_after: str | None) -> None:
    if status == 200:
        return
    if status in RETRYABLE:
        seconds = _seconds(retry_after) if retry_after else None
        reason = "busy" if status in (429, 503) else "server_error"
        raise Refused(reason, f"status {status}", permanent=False, status=status, retry_after=seconds)
    reason = GONE.get(status) or ("forbidden" if status in (401, 403) else "status")
    raise Refused(reason, f"status {status}", status=status)


def _seconds(retry_after: str) -> float | None:
    """Retry-After in seconds from now; it is a number or an HTTP date, which is in UTC where it does not say."""
    if re.fullmatch(r"\s*[0-9]+(\.[0-9]+)?\s*", retry_after, re.ASCII):
        return float(retry_after)
    try:
        moment = parsedate_to_datetime(retry_after)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, (aware - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError, OverflowError, IndexError):
        return None


def _refuse_media(kind: str, media: str, status: int) -> None:
    if kind == "page" and media not in ("text/html", "application/xhtml+xml"):
        raise Refused("not_a_page", f"content type {media}", status=status)
    if kind == "image" and media.startswith(("text/", "audio/", "video/")):
        raise Refused("not_an_image", f"content type {media}", status=status)
