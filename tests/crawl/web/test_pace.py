import asyncio

from pipeline.crawl.web.pace import Gate


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


async def enter(gate: Gate, clock: Clock, times: list[float]) -> None:
    async with gate:
        times.append(round(clock.now - 100, 6))


def visits(gate: Gate, clock: Clock, count: int) -> list[float]:
    async def all_of_them() -> list[float]:
        times: list[float] = []
        await asyncio.gather(*(enter(gate, clock, times) for _ in range(count)))
        return times

    return asyncio.run(all_of_them())


def test_requests_are_spaced() -> None:
    clock = Clock()
    assert visits(Gate(2.0, 8, clock, clock.sleep), clock, 4)[1:] == [0.45, 0.95, 1.45]


def test_a_pause_holds_everybody_back() -> None:
    clock = Clock()
    gate = Gate(10.0, 8, clock, clock.sleep)
    gate.pause(5.0)
    assert min(visits(gate, clock, 3)) >= 5.0


def test_a_pause_that_comes_while_others_wait_counts_for_them() -> None:
    clock = Clock()
    gate = Gate(1.0, 8, clock, clock.sleep)

    async def pausing() -> list[float]:
        times: list[float] = []

        async def first() -> None:
            async with gate:
                gate.pause(30.0)

        await asyncio.gather(first(), enter(gate, clock, times), enter(gate, clock, times))
        return times

    assert min(asyncio.run(pausing())) >= 30.0


def test_robots_can_slow_down_but_not_speed_up() -> None:
    clock = Clock()
    gate = Gate(1.0, 8, clock, clock.sleep)
    gate.slow_down(0.1)
    gate.slow_down(3.0)
    times = visits(gate, clock, 3)
    assert times[0] >= 3.0
    assert times[2] - times[1] >= 2.9


def test_connections_are_limited() -> None:
    clock = Clock()
    gate = Gate(1e6, 2, clock, clock.sleep)
    inside, most = 0, 0

    async def visit() -> None:
        nonlocal inside, most
        async with gate:
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    async def all_of_them() -> None:
        await asyncio.gather(*(visit() for _ in range(9)))

    asyncio.run(all_of_them())
    assert most == 2


def test_a_silent_host_is_given_up_until_it_answers() -> None:
    gate = Gate(1.0, 1)
    for _ in range(6):
        assert not gate.broken
        gate.unanswered()
    assert gate.broken
    gate.answered()
    assert not gate.broken
