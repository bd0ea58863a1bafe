"""Fetching from servers that misbehave: raw sockets say exactly what is sent, and when."""

import asyncio
import contextlib
import gzip
import time
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from pipeline import images
from pipeline.crawl.urls import Refused
from pipeline.crawl.web.fetch import ACCEPT, Fetcher, Reply
from tests.crawl.conftest import make_settings

Handler = Callable[[str, asyncio.StreamWriter], Awaitable[None]]
ROBOTS = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def answer(body: bytes, *headers: str, status: str = "200 OK", media: str = "image/jpeg") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {media}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def fetch(handler: Handler, url: str = "http://a.test/x", kind: str = "image", **changes: Any) -> Reply:
    """Fetch a URL while every connection to the host is handled by `handler(path, writer)`."""

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            path = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
            if path == "/robots.txt" and not changes.get("own_robots"):
                writer.write(ROBOTS)
            else:
                await handler(path, writer)
            await writer.drain()
        finally:  # the client may have hung up already
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def run() -> Reply:
        server = await asyncio.start_server(connection, "127.0.0.1", 0)
        hosts = {"*.test": ("127.0.0.1", server.sockets[0].getsockname()[1])}
        settings = make_settings(**{name: value for name, value in changes.items() if name != "own_robots"})
        async with server, Fetcher(settings, hosts) as fetcher:
            return await fetcher.get(url, kind)

    return asyncio.run(run())


def sending(data: bytes) -> Handler:
    async def handler(path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(data)

    return handler


def refused(handler: Handler, **changes: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        fetch(handler, **changes)
    return caught.value


def test_a_picture_arrives() -> None:
    assert fetch(sending(answer(b"bytes"))) == Reply("http://a.test/x", 200, "image/jpeg", b"bytes")


@pytest.mark.parametrize("length", ["Content-Length: 64000000", "Transfer-Encoding: chunked"])
def test_reading_stops_at_the_cap(length: str) -> None:
    sent = 0

    async def endless(path: str, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n{length}\r\n\r\n".encode())
        try:
            for _ in range(640):
                writer.write(b"186a0\r\n" + b"x" * 100_000 + b"\r\n")
                sent += 100_000
                await writer.drain()
        except ConnectionError:
            return

    found = refused(endless, max_bytes=10_000)
    assert (found.reason, found.permanent) == ("too_large", True)
    assert sent < 32_000_000  # what fits into the sockets' buffers may be sent


def test_a_compressed_bomb_is_cut_off() -> None:
    bomb = gzip.compress(b"0" * 50_000_000)
    assert len(bomb) < 100_000
    assert refused(sending(answer(bomb, "Content-Encoding: gzip")), max_bytes=100_000).reason == "too_large"


def test_compression_that_was_not_asked_for_is_read_all_the_same() -> None:
    assert fetch(sending(answer(gzip.compress(b"bytes"), "Content-Encoding: gzip"))).body == b"bytes"
    assert refused(sending(answer(b"bytes", "Content-Encoding: gzip"))).reason == "content_encoding"
    assert refused(sending(answer(b"bytes", "Content-Encoding: br"))).reason == "content_encoding"


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(b"one ") + gzip.compress(b"two")),
        ("x-gzip", gzip.compress(b"one two") + b"\0" * 512),
        ("gzip", b"".join(gzip.compress(bytes([each])) for each in b"one two")),
        ("deflate", zlib.compress(b"one two")),
        ("deflate", raw_deflate(b"one two")),
        ("identity", b"one two"),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_all_members_of_a_compressed_body_are_read(coding: str, body: bytes, size: int) -> None:
    async def pieces(path: str, writer: asyncio.StreamWriter) -> None:
        head = f"Content-Type: image/jpeg\r\nContent-Encoding: {coding}\r\nTransfer-Encoding: chunked\r\n\r\n"
        writer.write(f"HTTP/1.1 200 OK\r\n{head}".encode())
        for start in range(0, len(body), size):
            piece = body[start : start + size]
            writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        writer.write(b"0\r\n\r\n")

    assert fetch(pieces).body == b"one two"


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(b"a page" * 100)[:-12]),
        ("gzip", gzip.compress(b"a page")[:5]),
        ("gzip", gzip.compress(b"a page")[:1]),
        ("gzip", gzip.compress(b"one") + gzip.compress(b"two")[:-3]),
        ("deflate", zlib.compress(b"a page" * 100)[:-3]),
        ("deflate", raw_deflate(b"a page" * 100)[:-3]),
    ],
)
def test_a_cut_off_compressed_body_is_refused_for_now(coding: str, body: bytes) -> None:
    found = refused(sending(answer(body, f"Content-Encoding: {coding}")), retries=0)
    assert (found.reason, found.permanent) == ("broken_transfer", False)


def test_a_dripping_server_runs_out_of_time() -> None:
    async def drip(path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 1000\r\n\r\n")
        try:
            for _ in range(1000):
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.05)
        except ConnectionError:
            return

    started = time.monotonic()
    found = refused(drip, timeout_seconds=0.3, retries=0)
    assert (found.reason, found.permanent) == ("timeout", False)
    assert time.monotonic() - started < 2


def test_a_broken_transfer_is_tried_again() -> None:
    calls = 0

    async def broken_once(path: str, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        writer.write(answer(b"bytes") if calls > 1 else answer(b"bytes")[:-2])

    assert fetch(broken_once).body == b"bytes"
    assert calls == 2


def test_retry_after_is_waited_for() -> None:
    moments: list[float] = []

    async def busy_once(path: str, writer: asyncio.StreamWriter) -> None:
        moments.append(time.monotonic())
        busy = answer(b"", "Retry-After: 1", status="429 Too Many Requests")
        writer.write(busy if len(moments) == 1 else answer(b"bytes"))

    assert fetch(busy_once).body == b"bytes"
    assert moments[1] - moments[0] >= 1.0


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that anybody asks to sleep, none of which pass."""
    asked: list[float] = []
    sleep = asyncio.sleep

    async def nap(seconds: float, *_: object) -> None:
        if seconds > 0:
            asked.append(seconds)
        await sleep(0)

    monkeypatch.setattr(asyncio, "sleep", nap)
    return asked


def test_retries_back_off_further_each_time_by_a_lot_of_its_own(naps: list[float]) -> None:
    """Full jitter: the k-th wait is anything up to 0.5 * 2^k seconds, on average half of that, the same every time."""
    handler = sending(answer(b"", status="500 Oops"))
    waits = []
    for number in range(24):
        naps.clear()
        assert refused(handler, url=f"http://a.test/{number}", retries=3).reason == "server_error"
        waits.append(list(naps))
    assert {len(each) for each in waits} == {3}
    for longest, column in zip((0.5, 1.0, 2.0), zip(*waits, strict=True), strict=True):
        assert max(column) <= longest
        assert sum(column) / len(column) == pytest.approx(longest / 2, rel=0.4)
        assert len(set(column)) == len(column)
    naps.clear()
    refused(handler, url="http://a.test/0", retries=3)
    assert naps == waits[0]


def test_no_wait_between_retries_exceeds_half_a_minute(naps: list[float]) -> None:
    refused(sending(answer(b"", status="500 Oops")), retries=16)
    assert len(naps) == 16
    assert 15 < max(naps) <= 30


def test_a_host_that_wants_hours_is_left_for_another_run() -> None:
    calls = 0

    async def closed(path: str, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        writer.write(answer(b"", "Retry-After: 7200", status="503 Service Unavailable"))

    found = refused(closed)
    assert (found.reason, found.permanent, found.status, calls) == ("busy", False, 503, 1)


@pytest.mark.parametrize(
    ("status", "reason", "permanent"),
    [
        ("404 Not Found", "not_found", True),
        ("410 Gone", "not_found", True),
        ("451 Unavailable", "unavailable_for_legal_reasons", True),
        ("403 Forbidden", "forbidden", True),
        ("204 No Content", "status", True),
        ("500 Oops", "server_error", False),
    ],
)
def test_statuses(status: str, reason: str, permanent: bool) -> None:
    found = refused(sending(answer(b"", status=status)), retries=0)
    assert (found.reason, found.permanent, found.detail) == (reason, permanent, f"status {status[:3]}")


def test_an_opt_out_costs_no_body() -> None:
    async def reserved(path: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nX-Robots-Tag: noai\r\n\r\n")  # no body follows

    started = time.monotonic()
    assert refused(reserved).reason == "opt_out"
    assert time.monotonic() - started < 0.8


def test_kinds_must_fit() -> None:
    assert refused(sending(answer(b"<html>", media="text/html"))).reason == "not_an_image"
    assert refused(sending(answer(b"bytes")), kind="page").reason == "not_a_page"


def redirecting(**targets: str) -> Handler:
    async def handler(path: str, writer: asyncio.StreamWriter) -> None:
        target = targets.get(path[1:])
        found = answer(b"", f"Location: {target}", status="302 Found") if target else answer(b"bytes")
        writer.write(found)

    return handler


@pytest.mark.parametrize(
    "value",
    [
        "²",
        "Wed, 21 Oct 2015 07:28:00",
        "Wed, 21 Oct 2015 07:28:00 -0000",
        "soon",
        "-1",
        "1e9",
        "Fri, 99 Foo 99999 99:99",
        "",
    ],
)
def test_an_odd_retry_after_is_no_more_than_a_wait(value: str, naps: list[float]) -> None:
    busy = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: " + value.encode("latin-1") + b"\r\n\r\n"
    found = refused(sending(busy), retries=1)
    assert (found.reason, found.permanent) == ("busy", False)


def test_what_a_host_says_can_be_written_to_a_file() -> None:
    found = refused(sending(answer(b"", media="text/caf\xe9").replace("é".encode(), b"\xe9")))
    assert found.reason == "not_an_image"
    found.detail.encode()


@pytest.mark.parametrize(
    ("location", "final"),
    [(b"/caf\xe9.jpg", "/caf%E9.jpg"), ("/café.jpg".encode(), "/caf%C3%A9.jpg"), (b"/a b.jpg", "/a%20b.jpg")],
)
def test_a_redirect_to_any_bytes_is_followed(location: bytes, final: str) -> None:
    async def handler(path: str, writer: asyncio.StreamWriter) -> None:
        moved = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + location + b"\r\n\r\n"
        writer.write(moved if path == "/x" else answer(b"bytes"))

    assert fetch(handler).url == f"http://a.test{final}"


def test_redirects_are_followed() -> None:
    assert fetch(redirecting(x="/y", y="//b.test/z?q=1")).url == "http://b.test/z?q=1"


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("/x", "redirect_loop"),
        ("file:///etc/passwd", "scheme"),
        ("http://127.0.0.1:8080/admin", "private_address"),
        ("http://169.254.169.254/latest/", "private_address"),
        ("http://[::1]/", "private_address"),
        ("http://b.other/", "out_of_scope"),
        ("http://a.test:25/", "port"),
        ("http://a..test/", "malformed"),
        ("mailto:a@b.test", "scheme"),
        ("#top", "redirect_loop"),
    ],
)
def test_every_hop_is_checked(target: str, reason: str) -> None:
    assert refused(redirecting(x=target)).reason == reason


def test_redirects_end() -> None:
    assert refused(redirecting(x="/1", **{str(n): f"/{n + 1}" for n in range(1, 9)})).reason == "too_many_redirects"


def robots(text: bytes, status: str = "200 OK") -> tuple[Handler, list[str]]:
    asked: list[str] = []

    async def handler(path: str, writer: asyncio.StreamWriter) -> None:
        asked.append(path)
        body = answer(text, status=status, media="text/plain")
        writer.write(body if path == "/robots.txt" else answer(b"bytes"))

    return handler, asked


def test_robots_is_asked_first_and_obeyed() -> None:
    handler, asked = robots(b"User-agent: *\nDisallow: /x\n")
    assert refused(handler, own_robots=True).reason == "robots"
    assert asked == ["/robots.txt"]


@pytest.mark.parametrize(
    ("status", "reason"), [("404 Not Found", ""), ("403 Forbidden", ""), ("503 Busy", "robots_unavailable")]
)
def test_an_absent_robots_allows_and_an_unreachable_one_forbids(status: str, reason: str) -> None:
    handler, asked = robots(b"", status)
    if reason:
        assert refused(handler, own_robots=True, retries=0).reason == reason
        assert "/x" not in asked
    else:
        assert fetch(handler, own_robots=True).body == b"bytes"


def test_content_usage_of_robots_is_an_opt_out() -> None:
    handler, asked = robots(b"User-agent: *\nAllow: /\nContent-Usage: train-ai=n\n")
    assert refused(handler, own_robots=True).reason == "opt_out"
    assert asked == ["/robots.txt"]


def test_the_pace_that_robots_asks_for_is_kept() -> None:
    moments: dict[str, float] = {}

    async def slow(path: str, writer: asyncio.StreamWriter) -> None:
        moments[path] = time.monotonic()
        body = answer(b"User-agent: *\nCrawl-delay: 0.5\n", media="text/plain")
        writer.write(body if path == "/robots.txt" else answer(b"bytes"))

    assert fetch(slow, own_robots=True).body == b"bytes"
    assert moments["/x"] - moments["/robots.txt"] >= 0.5


def moved_robots(hops: int, ends: bool = True, host: str = "") -> Handler:
    """robots.txt behind so many redirects; the last one is `/robots.txt` again where they do not end."""

    async def handler(path: str, writer: asyncio.StreamWriter) -> None:
        number = 0 if path == "/robots.txt" else int(path[1:]) if path[1:].isdigit() else -1
        if 0 <= number < hops:
            target = f"{host}/{number + 1}"
        elif number == hops and not ends:
            target = "/robots.txt"
        else:
            body = b"User-agent: *\nDisallow: /x\n" if number >= 0 else b"bytes"
            writer.write(answer(body, media="text/plain" if number >= 0 else "image/jpeg"))
            return
        writer.write(answer(b"", f"Location: {target}", status="301 Moved"))

    return handler


@pytest.mark.parametrize("host", ["", "http://c.test"])
@pytest.mark.parametrize("hops", [1, 5])
def test_redirects_of_robots_are_followed_out_of_scope_too(host: str, hops: int) -> None:
    handler = moved_robots(hops, host=host)
    assert refused(handler, own_robots=True, scope=["a.test"]).reason == "robots"


def test_redirects_of_robots_that_lead_nowhere_allow() -> None:
    assert fetch(moved_robots(2, ends=False), own_robots=True).body == b"bytes"
    assert fetch(moved_robots(9), own_robots=True).body == b"bytes"


def test_redirects_of_robots_do_not_lead_into_our_network() -> None:
    handler = moved_robots(1, host="http://10.0.0.1")
    assert refused(handler, own_robots=True).reason == "robots_unavailable"


def test_a_robots_beyond_the_limit_is_read_up_to_it() -> None:
    rules = b"User-agent: *\nDisallow: /x\n" + b"Disallow: /old/00000000/\n" * 25_000
    assert refused(robots(rules)[0], own_robots=True).reason == "robots"
    assert fetch(robots(rules)[0], url="http://a.test/y", own_robots=True).body == b"bytes"


@pytest.mark.parametrize("line", [b"Crawl-delay: 86400", b"Request-rate: 1/2m", b"Crawl-delay: 61"])
def test_a_host_that_asks_for_too_slow_a_pace_waits_for_another_run(line: bytes) -> None:
    handler, asked = robots(b"User-agent: *\n" + line + b"\n")
    found = refused(handler, own_robots=True)
    assert (found.reason, found.permanent) == ("too_slow", False)
    assert asked == ["/robots.txt"]


def test_nobody_listening_is_unreachable() -> None:
    async def run() -> None:
        async with Fetcher(make_settings(retries=0), {"*.test": ("127.0.0.1", 9)}) as fetcher:
            await fetcher.get("http://a.test/x", "image")

    with pytest.raises(Refused) as caught:
        asyncio.run(run())
    assert (caught.value.reason, caught.value.permanent) == ("robots_unavailable", False)


def test_an_unknown_name_is_unreachable() -> None:
    async def run() -> None:
        async with Fetcher(make_settings(retries=0), {}) as fetcher:
            await fetcher._get_with_retries("http://a.invalid/x", "image")

    with pytest.raises(Refused) as caught:
        asyncio.run(run())
    assert (caught.value.reason, caught.value.permanent) == ("unreachable", False)


def test_servers_are_told_of_every_format_that_is_decoded_first_of_those_that_are_stored_as_they_are() -> None:
    named = [each.partition(";") for each in ACCEPT["image"].split(", ")]
    assert {media for media, *_ in named} == set(images.media_types())
    assert [media for media, _, weight in named if not weight] == ["image/jpeg", "image/png", "image/webp"]
