"""URLs: one spelling for each, as the WHATWG URL standard has it, an id, and the reasons why one is never asked."""

import hashlib
import ipaddress
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from urllib.parse import quote, unquote_to_bytes

import ada_url

from pipeline.images import ENDINGS as IMAGE_ENDINGS

SCHEMES = {"http": 80, "https": 443}
PORTS = {80, 443, 8080, 8443}
MAX_LENGTH = 2000
# Links that name nothing to fetch: they are no URLs of the crawl and get no row.
IGNORED = ("mailto:", "javascript:", "data:", "tel:", "blob:", "about:")
CONTROLS_AND_SPACE = "".join(map(chr, range(33)))  # the standard strips these from both ends
MAX_DETAIL = 200  # characters


class Refused(Exception):
    """A URL is not fetched, or not kept: `reason` is the row's reject, `detail` its evidence.

    Permanent refusals are never asked again; the others may be mended by another run. Nothing in here depends on the
    time, a port or the number of attempts, because it ends in a row.
    """

    def __init__(
        self,
        reason: str,
        detail: str = "",
        permanent: bool = True,
        status: int = 0,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail, self.permanent = reason, _writable(detail)[:MAX_DETAIL], permanent
        self.status, self.retry_after = status, retry_after


def canonical(link: str, base: str = "", encoding: str = "utf-8") -> str | None:
    """The one spelling of a link found on the page `base`; None for links that name nothing to fetch.

    Scheme and host in lower case, no fragment, no default port, no dot segments, unsafe characters percent-encoded.
    What cannot be parsed comes back as it was found: `refuse_unsafe` then says why it is not asked.

    Args:
        encoding: the page's, in which the standard encodes queries (and nothing else).
    """
    link = _writable(re.sub(r"[\t\r\n]", "", link).strip(CONTROLS_AND_SPACE))
    if not link or link.startswith("#") or link.lower().startswith(IGNORED):
        return None
    try:
        url = ada_url.URL(_with_query(link, encoding), base or None)
        url.hash = ""
        if url.hostname.endswith("."):
            url.hostname = url.hostname.rstrip(".")
    except ValueError:  # also of a host that is dots alone
        return link
    return str(url.href)


def _writable(text: str) -> str:
    """Lone surrogates, which no file can hold, are replaced as the standard has it."""
    return re.sub("[\ud800-\udfff]", "\ufffd", text)


def _with_query(link: str, encoding: str) -> str:
    head, mark, query = link.partition("?")
    if encoding.lower().startswith(("utf", "ascii")) or query.isascii() or "#" in head:
        return link
    escaped = (each if each.isascii() else quote(each.encode(encoding, "xmlcharrefreplace"), safe="") for each in query)
    return head + mark + "".join(escaped)


def from_header(location: str) -> str:
    """A Location header as a link: its bytes outside ASCII, of whatever encoding, are percent-encoded as they are.

    Args:
        location: as aiohttp gives it, UTF-8 with surrogates for other bytes.
    """
    return "".join(each if each.isascii() else quote(each.encode("utf-8", "surrogateescape")) for each in location)


def url_id(url: str) -> str:
    """16 hex digits that name a canonical URL."""
    return hashlib.sha256(url.encode()).hexdigest()[:16]


def host_of(url: str) -> str:
    """The host of a canonical URL, without port; empty for what cannot be parsed."""
    try:
        return str(ada_url.URL(url).hostname).strip("[]")
    except ValueError:
        return ""


def origin_of(url: str) -> str:
    """Scheme, host and port: what one robots.txt speaks for."""
    return str(ada_url.URL(url).origin)


def looks_like_image(url: str) -> bool:
    """Whether a link's ending names a picture."""
    try:
        return str(ada_url.URL(url).pathname).lower().endswith(IMAGE_ENDINGS)
    except ValueError:
        return False


def loosely(url: str) -> str:
    """What is left of a URL when its spelling is set aside: http or https, www., escapes, a slash at the end.

    Two URLs that agree in it show the same, as far as whoever asks for a picture to go is concerned.
    """
    try:
        parts = ada_url.URL(canonical(url) or url)
    except ValueError:
        return url
    port = "" if parts.port in ("", "80", "443") else f":{parts.port}"
    path = quote(unquote_to_bytes(re.sub("/+", "/", parts.pathname))).rstrip("/")
    query = quote(unquote_to_bytes(parts.search), safe="=&?") if parts.search != "?" else ""
    return f"{parts.hostname.removeprefix('www.')}{port}{path}{query}"


def matches(host: str, patterns: Sequence[str]) -> bool:
    """Whether a host matches one of the patterns, such as *.world.test."""
    return any(fnmatchcase(host, pattern) for pattern in patterns)


def refuse_unsafe(url: str, scope: Sequence[str] | None) -> None:
    """Check everything about a canonical URL that needs no network.

    Args:
        scope: patterns of hosts; None: any host, for robots.txt may lie elsewhere.

    Raises:
        Refused: malformed, scheme, too_long, credentials, port, private_address or out_of_scope.
    """
    if len(url) > MAX_LENGTH:
        raise Refused("too_long", f"longer than {MAX_LENGTH} characters")
    try:
        parts = ada_url.URL(url)
    except ValueError as error:
        raise Refused("malformed", "not a URL that can be parsed") from error
    scheme, host = parts.protocol.rstrip(":"), parts.hostname.strip("[]")
    if scheme not in SCHEMES:
        raise Refused("scheme", f"{scheme}: only http and https are asked")
    if parts.username or parts.password:
        raise Refused("credentials", "a user name stands in the URL")
    if int(parts.port or SCHEMES[scheme]) not in PORTS:
        raise Refused("port", f"port {parts.port} is not one of {', '.join(map(str, sorted(PORTS)))}")
    _refuse_numeric(host)
    if scope is not None and not matches(host, scope):
        raise Refused("out_of_scope", f"{host} is not in crawl.scope")


def _refuse_numeric(host: str) -> None:
    # The standard makes 127.1, 0x7f000001 and 2130706433, which all mean this machine, plain addresses.
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if not all(0 < len(label) < 64 for label in host.split(".")) or len(host) > 253:
            raise Refused("malformed", f"{host} is no host's name: labels have 1 to 63 characters") from None
        return
    refuse_private(host, address)


def refuse_private(host: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    """Refuse addresses of this machine, its networks and its cloud's metadata service, in IPv4 and IPv6.

    Raises:
        Refused: private_address.
    """
    plain = address
    if isinstance(address, ipaddress.IPv6Address):
        plain = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, address))[1]
        if address in ipaddress.ip_network("64:ff9b::/96"):  # NAT64: the last 32 bits are an IPv4 address
            plain = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if not address.is_global or not plain.is_global or plain.is_multicast or address.is_multicast:
        raise Refused("private_address", f"{host} is {address}, which is not a public address")
