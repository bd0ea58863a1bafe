"""A gate per host: how many requests at once, how many per second, and when to hold off altogether."""

import asyncio
import time
from collections.abc import Awaitable, Callable

BURST_SECONDS = 0.05  # timers are coarse: a late waker may catch up this much
BROKEN_AFTER = 6  # requests in a row without any answer


class Gate:
    """Paces the requests to one host; every request is made inside `async with gate`."""

    def __init__(
        self,
        per_second: float,
        connections: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._interval = 1.0 / per_second
        self._slots = asyncio.Semaphore(connections)
        self._turn = asyncio.Lock()
        self._next = 0.0
        self._clock, self._sleep = clock, sleep
        self._silent = 0

    async def __aenter__(self) -> None:
        """Wait for a free connection, then for the next moment at which the host may be asked."""
        await self._slots.acquire()
        try:
            async with self._turn:
                # Looked at again after each sleep: meanwhile an answer may have asked for a longer pause.
                while (wait := self._next - self._clock()) > 0:
                    await self._sleep(wait)
                self._next = max(self._next, self._clock() - BURST_SECONDS) + self._interval
        except BaseException:
            self._slots.release()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._slots.release()

    def slow_down(self, interval: float) -> None:
        """Leave at least `interval` seconds between requests, for instance a robots.txt Crawl-delay."""
        if interval > self._interval:
            self._interval = interval
            self._next = max(self._next, self._clock() + interval)

    def pause(self, seconds: float) -> None:
        """Ask the host nothing for a while (Retry-After)."""
        self._next = max(self._next, self._clock() + seconds)

    def answered(self) -> None:
        """The host answered something: it is alive."""
        self._silent = 0

    def unanswered(self) -> None:
        """A request got no answer."""
        self._silent += 1

    @property
    def broken(self) -> bool:
        """Whether the host has been silent so long that the rest of its URLs wait for another run."""
        return self._silent >= BROKEN_AFTER
