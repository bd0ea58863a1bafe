"""The body of an answer, decompressed as it arrives and bounded: what is larger costs no more than the limit."""

import zlib

import aiohttp

from pipeline.crawl.urls import Refused

GZIP = b"\x1f\x8b"


async def read(response: aiohttp.ClientResponse, limit: int, cut: bool = False) -> bytes:
    """The body, decompressed; reading stops where it exceeds `limit`, whatever Content-Length says.

    Args:
        cut: a longer body is cut, not refused; one byte more than `limit` tells that it was.
    """
    if (response.content_length or 0) > limit and not cut:
        raise Refused("too_large", f"more than {limit} bytes", status=response.status)
    encoding = response.headers.get("Content-Encoding", "identity")
    inflate = _inflater(encoding, response.status)
    body = bytearray()
    async for chunk in response.content.iter_any():
        try:
            body += inflate.feed(chunk, limit + 1 - len(body)) if inflate else chunk[: limit + 1 - len(body)]
        except zlib.error as error:
            said = "the body is not what Content-Encoding says"
            raise Refused("content_encoding", said, status=response.status) from error
        if len(body) > limit and cut:
            return bytes(body)
        if len(body) > limit:
            raise Refused("too_large", f"more than {limit} bytes", status=response.status)
    if inflate and not inflate.whole:
        raise Refused("broken_transfer", "the compressed body is cut off", permanent=False, status=response.status)
    return bytes(body)


def _inflater(encoding: str, status: int) -> "_Inflater | None":
    # We ask for identity; some servers compress all the same.
    names = [name.strip() for name in encoding.lower().split(",")]
    kinds = [name for name in names if name not in ("", "identity")]
    if not kinds:
        return None
    if len(kinds) > 1 or kinds[0] not in ("gzip", "x-gzip", "deflate"):
        raise Refused("content_encoding", f"{encoding}, though only identity was asked for", status=status)
    return _Inflater(raw=kinds[0] == "deflate")


class _Inflater:
    """Decompresses a body as it arrives, gzip with all its members; `whole` says whether the end was reached."""

    def __init__(self, raw: bool) -> None:
        """raw: whether a stream without any header is one, too, as some servers take deflate to mean."""
        self._raw = raw
        self._waiting = b""  # too few bytes to know their format
        self._stream: zlib._Decompress | None = None
        self._gzip = self._begun = self._over = False

    @property
    def whole(self) -> bool:
        """Whether nothing is missing at the end; an empty body misses nothing."""
        return not self._begun or self._over or (self._stream is not None and self._stream.eof)

    def feed(self, chunk: bytes, room: int) -> bytes:
        """What a piece decompresses to, at most `room` bytes, which is at least 1.

        Raises:
            zlib.error: it is no such format.
        """
        self._begun = self._begun or bool(chunk)
        found = bytearray()
        data = self._waiting + chunk
        while data and not self._over and len(found) < room:
            if self._stream is None or self._stream.eof:
                if len(data) < len(GZIP):
                    break
                if not self._start(data):
                    data = b""
                    break
            assert self._stream
            found += self._stream.decompress(data, room - len(found))
            data = self._stream.unused_data
        self._waiting = data if not self._over else b""
        return bytes(found)

    def _start(self, data: bytes) -> bool:
        """Begin a stream; what follows a gzip member and is none itself (padding, say) is nothing."""
        first = self._stream is None
        if not first and not (self._gzip and data.startswith(GZIP)):
            self._over = True
            return False
        self._gzip = data.startswith(GZIP)
        zlib_header = data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
        bits = zlib.MAX_WBITS | 32 if self._gzip or zlib_header or not self._raw else -zlib.MAX_WBITS
        self._stream = zlib.decompressobj(bits)
        return True
