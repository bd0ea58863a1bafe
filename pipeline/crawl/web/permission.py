"""What may be collected at all, and what a site allows: robots.txt (RFC 9309) and the opt-outs of answers and pages.

Opt-outs that are honoured, in headers and (the first two) in a page's meta elements:

    X-Robots-Tag     noai, noimageai, noindex, noimageindex, none; for all agents or for ours
    tdm-reservation  1 (TDM Reservation Protocol)
    Content-Usage    train-ai=n, or any ...ai=n (IETF AIPREF), also as a line of robots.txt with an optional path
"""

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from protego import Protego

from pipeline.errors import SettingsError
from pipeline.files import decode
from pipeline.settings import CrawlSettings

NO_USE = {"noai", "noimageai", "noindex", "noimageindex", "none"}
MAX_ROBOTS_BYTES = 512_000  # what is beyond is not parsed (RFC 9309, 2.5)
MAX_INTERVAL = 60.0  # seconds between requests; a host that asks for more waits for another run


def check_basis(crawl: CrawlSettings) -> None:
    """Refuse a crawl that nobody answers for.

    Raises:
        SettingsError: no seed or scope; the settings themselves ask for a collection mode and a legal basis.
    """
    asked = crawl.seeds or crawl.url_lists or not all(source.local for source in crawl.sources)
    if not (asked or crawl.sources) or (asked and not crawl.scope):
        raise SettingsError(
            "crawl.seeds (or crawl.url_lists, or crawl.sources) and crawl.scope must name what is collected"
        )


def agent_token(user_agent: str) -> str:
    """The product token by which robots.txt addresses us: LikenessBot of 'LikenessBot/0.1 (...)'."""
    return re.split(r"[/\s(]", user_agent.strip(), maxsplit=1)[0]


@dataclass(frozen=True)
class Rules:
    """What one origin's robots.txt says to us; `reachable` is false when it could not be had, which forbids all."""

    robots: Protego | None
    token: str
    no_training: tuple[str, ...] = ()  # paths whose content must not train models
    reachable: bool = True

    def allows(self, url: str) -> bool:
        """Whether the URL may be asked."""
        return self.reachable and (self.robots is None or self.robots.can_fetch(url, self.token))

    def reserves(self, url: str) -> bool:
        """Whether a Content-Usage line reserves what the URL shows from training."""
        return urlsplit(url).path.startswith(self.no_training) if self.no_training else False

    @property
    def interval(self) -> float:
        """Seconds between requests that Crawl-delay or Request-rate asks for; 0 when neither does."""
        if self.robots is None:
            return 0.0
        rate = self.robots.request_rate(self.token)
        return max(self.robots.crawl_delay(self.token) or 0.0, rate.seconds / rate.requests if rate else 0.0)


def parse_robots(body: bytes, token: str) -> Rules:
    """Rules of a robots.txt that was received; one without any directive allows everything.

    It is UTF-8 by the standard, and its characters beyond ASCII stand for their escapes. Bytes of other encodings are
    escaped as they are, which is how a URL writes them; a byte order mark, also one of UTF-16, is no part of the text.
    """
    if len(body) > MAX_ROBOTS_BYTES:
        body = body[:MAX_ROBOTS_BYTES]
        body = body[: max(body.rfind(b"\n"), body.rfind(b"\r")) + 1]
    if not body.startswith(codecs.BOM_UTF8) and "\0" not in (wide := decode(body)) and b"\0" in body:
        body = wide.encode()
    text = quote(body.removeprefix(codecs.BOM_UTF8), safe=_ASCII)
    return Rules(Protego.parse(text), token, tuple(_reserved_paths(text)))


_ASCII = bytes(range(128))


def _reserved_paths(text: str) -> Iterable[str]:
    # Whichever group such a line stands in, it is taken to speak to us: erring on the side of the right holder.
    for line in re.findall(r"(?im)^\s*content-usage\s*:\s*(.*)$", text):
        path, usage = line.split(None, 1) if line.startswith("/") and " " in line.strip() else ("/", line)
        if _forbids_training(usage):
            yield path


def _forbids_training(usage: str) -> bool:
    return any(re.fullmatch(r"(?:[\w-]*-)?(?:gen)?ai(?:-[\w-]*)?=n", part.strip().lower()) for part in usage.split(","))


def opt_out(headers: Iterable[tuple[str, str]], token: str) -> str | None:
    """The header by which an answer opts out, as evidence; None when none does."""
    for name, value in headers:
        if _opts_out(name.lower(), value, token.lower()):
            return f"{name.lower()}: {value.strip()}"[:200]
    return None


def _opts_out(name: str, value: str, token: str) -> bool:
    if name == "x-robots-tag":
        return _forbids_use(value, token)
    if name == "tdm-reservation":
        return value.strip() == "1"
    return name == "content-usage" and _forbids_training(value)


def _forbids_use(value: str, token: str) -> bool:
    # "otherbot: noai, noindex" speaks to otherbot alone; without a name the words speak to everybody.
    agent, colon, words = value.lower().partition(":")
    if not colon:
        words = agent
    elif agent.strip() not in (token, "*"):
        return False
    return not NO_USE.isdisjoint(word.strip() for word in words.split(","))


def meta_opt_out(name: str, content: str, token: str) -> str | None:
    """The same for a page's <meta name content>: robots, our own name, or tdm-reservation."""
    name = name.lower().strip()
    header = "x-robots-tag" if name in ("robots", token.lower()) else name
    if header not in ("x-robots-tag", "tdm-reservation") or not _opts_out(header, content, token.lower()):
        return None
    return f"meta {name}: {content.strip()}"[:200]
