"""URLs: one spelling for each, an id, and the reasons for which one is never asked."""

import hashlib
import ipaddress
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from posixpath import normpath
from urllib.parse import SplitResult, quote, urljoin, urlsplit, urlunsplit

from pipeline.images import ENDINGS as IMAGE_ENDINGS

SCHEMES = {"http": 80, "https": 443}
PORTS = {80, 443, 8080, 8443}
MAX_LENGTH = 2000
# Links that name nothing to fetch: they are no URLs of the crawl and get no row.
IGNORED = ("mailto:", "javascript:", "data:", "tel:", "blob:", "about:")


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
        self.reason, self.detail, self.permanent = reason, detail, permanent
        self.status, self.retry_after = status, retry_after


def canonical(link: str, base: str = "") -> str | None:
    """The one spelling of a link found on the page `base`; None for links that name nothing to fetch.

    Scheme and host in lower case, no fragment, no default port, no dot segments, unsafe characters percent-encoded.
    What cannot be parsed comes back as it was found: `refuse_unsafe` then says why it is not asked.
    """
    link = re.sub(r"[\t\r\n]", "", link).strip()
    if not link or link.startswith("#") or link.lower().startswith(IGNORED):
        return None
    try:
        return _spelled(urlsplit(urljoin(base, link)))
    except ValueError:
        return link


def _spelled(parts: SplitResult) -> str:
    scheme, host = parts.scheme.lower(), (parts.hostname or "").rstrip(".")
    host = f"[{host}]" if ":" in host else host.encode("idna").decode() if not host.isascii() else host
    port = "" if parts.port in (None, SCHEMES.get(scheme)) else f":{parts.port}"
    user = f"{parts.username or ''}:{parts.password or ''}@" if "@" in parts.netloc else ""
    query = quote(parts.query, safe="=&?/:;,+%@!$'()*~-._[]")
    return urlunsplit((scheme, f"{user}{host}{port}", _path(parts.path), query, ""))


def _path(path: str) -> str:
    clean = normpath(path) if path else "/"
    folder = clean != "/" and path.endswith(("/", "/.", "/.."))
    return quote(re.sub("^//+", "/", clean) + ("/" if folder else ""), safe="/%:@!$&'()*+,;=~-._")


def url_id(url: str) -> str:
    """16 hex digits that name a canonical URL."""
    return hashlib.sha256(url.encode()).hexdigest()[:16]


def host_of(url: str) -> str:
    """The host of a canonical URL, without port."""
    return urlsplit(url).hostname or ""


def origin_of(url: str) -> str:
    """Scheme, host and port: what one robots.txt speaks for."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def looks_like_image(url: str) -> bool:
    """Whether a link's ending names a picture."""
    return urlsplit(url).path.lower().endswith(IMAGE_ENDINGS)


def matches(host: str, patterns: Sequence[str]) -> bool:
    """Whether a host matches one of the patterns, such as *.world.test."""
    return any(fnmatchcase(host, pattern) for pattern in patterns)


def refuse_unsafe(url: str, scope: Sequence[str]) -> None:
    """Check everything about a canonical URL that needs no network.

    Raises:
        Refused: scheme, length, credentials, port, private_address or out_of_scope.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or SCHEMES.get(parts.scheme, 0)
    except ValueError as error:
        raise Refused("malformed", "not a URL that can be parsed") from error
    if parts.scheme not in SCHEMES:
        raise Refused("scheme", f"{parts.scheme or 'no scheme'}: only http and https are asked")
    if len(url) > MAX_LENGTH:
        raise Refused("too_long", f"longer than {MAX_LENGTH} characters")
    if "@" in parts.netloc:
        raise Refused("credentials", "a user name stands in the URL")
    if port not in PORTS:
        raise Refused("port", f"port {port} is not one of {', '.join(map(str, sorted(PORTS)))}")
    _refuse_numeric(host)
    if not matches(host, scope):
        raise Refused("out_of_scope", f"{host or 'no host'} is not in crawl.scope")


def _refuse_numeric(host: str) -> None:
    # 127.1, 0x7f000001 and 2130706433 all mean this machine, and an HTTP client takes them for addresses that need no
    # look-up: whatever ends in a number must be a plain address, and a public one.
    last = host.rsplit(".", 1)[-1]
    if not (":" in host or last.isdigit() or re.fullmatch("0x[0-9a-f]*", last)):
        return
    try:
        address = ipaddress.ip_address(host)
    except ValueError as error:
        raise Refused("private_address", f"{host} is not a plainly written address") from error
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
