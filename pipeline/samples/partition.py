"""Cut people who hang together in group photographs into two sides, so that few photographs show both.

People are vertices, and a photograph is an edge between all whom it shows. Multilevel bisection of such a hypergraph
(Karypis et al. 1999, hMETIS): vertices that many photographs join are merged in pairs until few are left, these are
cut by growing one side, and at every step back the cut is refined by moving vertices one by one, worse moves among
them, of which the best beginning is kept (Fiduccia & Mattheyses 1982). All of it is a function of names and seed.
"""

import heapq
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

COARSEST = 60  # vertices at which merging ends
STARTS = 6  # cuts that are grown at the coarsest level
WORK = 20_000  # people, over all tries: few people are cut many times, and the best is kept
MOST_TRIES = 8
PASSES = 4  # of refinement at every level, at most


@dataclass(frozen=True)
class Graph:
    """People, or merged people, and the photographs that join them."""

    weights: list[int]  # people in each vertex
    photos: list[tuple[tuple[int, ...], int]]  # at least two vertices, and how many photographs show just these

    @cached_property
    def at(self) -> list[list[int]]:
        """For each vertex the numbers of its photos."""
        found: list[list[int]] = [[] for _ in self.weights]
        for number, (members, _) in enumerate(self.photos):
            for vertex in members:
                found[vertex].append(number)
        return found


def bisect(people: Iterable[str], groups: Iterable[Sequence[str]], size: float, slack: float, seed: int) -> set[str]:
    """Choose `size` people, `slack` more or less, so that few groups hold both chosen people and others.

    Args:
        groups: the people of each photograph; who is not among `people` does not count.
    """
    names = sorted(set(people))
    number = {name: index for index, name in enumerate(names)}
    shown = Counter(tuple(sorted({number[name] for name in group if name in number})) for group in groups)
    graph = Graph([1] * len(names), sorted((members, count) for members, count in shown.items() if len(members) > 1))
    if size <= slack or size >= len(names):
        return set(names) if size >= len(names) else set()
    tries = min(MOST_TRIES, max(1, WORK // len(names)))
    cuts = [_multilevel(graph, size, slack, random.Random(f"{seed} {turn}")) for turn in range(tries)]
    best = min(cuts, key=lambda cut: cut.cost)
    return {names[vertex] for vertex, inside in enumerate(best.inside) if inside}


class Cut:
    """Which vertices are inside, and what it costs: photographs given up, and people too many or too few.

    `gains` holds for every vertex how many photographs fewer are given up when it changes sides.
    """

    def __init__(self, graph: Graph, inside: Sequence[bool], size: float, slack: float) -> None:
        self.graph, self.inside, self._size, self._slack = graph, list(inside), size, slack
        self._room = max(slack, *graph.weights)  # on the way: else nothing could move where the sizes are right
        self.weight = sum(weight for weight, chosen in zip(graph.weights, inside, strict=True) if chosen)
        self._held = [sum(self.inside[vertex] for vertex in members) for members, _ in graph.photos]
        self.given_up = sum(count for number, (_, count) in enumerate(graph.photos) if self._crosses(number, 0))
        self.gains = [0] * len(graph.weights)
        for number in range(len(graph.photos)):
            self._count(number, 1)

    @property
    def cost(self) -> tuple[float, int]:
        """Too many or too few people first, then photographs given up."""
        return max(0.0, abs(self.weight - self._size) - self._slack), self.given_up

    def move(self, vertex: int) -> None:
        """Bring a vertex to the other side."""
        self.given_up -= self.gains[vertex]
        step = self._step(vertex)
        for number in self.graph.at[vertex]:
            self._count(number, -1)
        self.inside[vertex] = not self.inside[vertex]
        self.weight += step * self.graph.weights[vertex]
        for number in self.graph.at[vertex]:
            self._held[number] += step
            self._count(number, 1)

    def allows(self, vertex: int) -> bool:
        """Whether the sizes stay nearly right when the vertex moves, or come nearer to it."""
        off = abs(self.weight + self._step(vertex) * self.graph.weights[vertex] - self._size)
        return off <= self._room or off < abs(self.weight - self._size)

    def neighbours(self, vertex: int) -> set[int]:
        """Who is in a photograph with the vertex."""
        return {other for number in self.graph.at[vertex] for other in self.graph.photos[number][0]} - {vertex}

    def _step(self, vertex: int) -> int:
        return -1 if self.inside[vertex] else 1

    def _crosses(self, number: int, step: int) -> bool:
        return 0 < self._held[number] + step < len(self.graph.photos[number][0])

    def _count(self, number: int, sign: int) -> None:
        """Add a photo to the gains of all whom it shows, or take it away from them."""
        members, count = self.graph.photos[number]
        now = self._crosses(number, 0)
        for vertex in members:
            self.gains[vertex] += sign * count * (now - self._crosses(number, self._step(vertex)))


def _multilevel(graph: Graph, size: float, slack: float, rng: random.Random) -> Cut:
    levels: list[tuple[Graph, list[int]]] = []
    heaviest = max(1, int(min(size, sum(graph.weights) - size) / 3))
    while len(graph.weights) > COARSEST:
        merged = _match(graph, heaviest, rng)
        coarse = _contract(graph, merged)
        if len(coarse.weights) > 0.95 * len(graph.weights):
            break
        levels.append((graph, merged))
        graph = coarse
    cut = min((_refine(_grow(graph, size, slack, rng)) for _ in range(STARTS)), key=lambda cut: cut.cost)
    for fine, merged in reversed(levels):
        cut = _refine(Cut(fine, [cut.inside[vertex] for vertex in merged], size, slack))
    return cut


def _match(graph: Graph, heaviest: int, rng: random.Random) -> list[int]:
    """For every vertex the number of the pair that it is merged into: with whom it shares most, of light ones."""
    merged = [-1] * len(graph.weights)
    order = list(range(len(graph.weights)))
    rng.shuffle(order)
    pairs = 0
    for vertex in order:
        if merged[vertex] >= 0:
            continue
        merged[vertex] = pairs
        shared: dict[int, float] = {}
        for number in graph.at[vertex]:
            members, count = graph.photos[number]
            for other in members:
                if merged[other] < 0 and graph.weights[vertex] + graph.weights[other] <= heaviest:
                    shared[other] = shared.get(other, 0.0) + count / (len(members) - 1)
        if shared:
            merged[max(shared, key=lambda other: (shared[other] / graph.weights[other], -other))] = pairs
        pairs += 1
    return merged


def _contract(graph: Graph, merged: Sequence[int]) -> Graph:
    weights = [0] * (max(merged) + 1)
    for vertex, pair in enumerate(merged):
        weights[pair] += graph.weights[vertex]
    photos: Counter[tuple[int, ...]] = Counter()
    for members, count in graph.photos:
        photos[tuple(sorted({merged[vertex] for vertex in members}))] += count
    return Graph(weights, sorted((members, count) for members, count in photos.items() if len(members) > 1))


def _grow(graph: Graph, size: float, slack: float, rng: random.Random) -> Cut:
    """From a random vertex outwards: the one next that gives up the fewest photographs more."""
    cut = Cut(graph, [False] * len(graph.weights), size, slack)
    starts = list(range(len(graph.weights)))
    rng.shuffle(starts)
    near: list[tuple[int, int]] = []
    while cut.weight < size and (near or starts):
        gain, vertex = heapq.heappop(near) if near else (0, starts.pop())
        stale = near and -gain != cut.gains[vertex]
        if cut.inside[vertex] or stale or not cut.allows(vertex):
            continue
        cut.move(vertex)
        for other in sorted(cut.neighbours(vertex)):
            if not cut.inside[other]:
                heapq.heappush(near, (-cut.gains[other], other))
    return cut


def _refine(cut: Cut) -> Cut:
    for _ in range(PASSES):
        before = cut.cost
        _pass(cut)
        if cut.cost >= before:
            break
    return cut


def _pass(cut: Cut) -> None:
    """Move every vertex at most once, the best first, and take back what came after the best state."""
    queues: tuple[list[tuple[int, int]], ...] = ([], [])  # of those outside and of those inside
    for number, inside in enumerate(cut.inside):
        queues[inside].append((-cut.gains[number], number))
    for queue in queues:
        heapq.heapify(queue)
    free, moved = [True] * len(cut.inside), list[int]()
    best, kept = cut.cost, 0
    patience = 50 + len(cut.inside) // 50
    while len(moved) - kept < patience and (vertex := _next(cut, queues, free)) is not None:
        cut.move(vertex)
        moved.append(vertex)
        free[vertex] = False
        for other in cut.neighbours(vertex):
            if free[other]:
                heapq.heappush(queues[cut.inside[other]], (-cut.gains[other], other))
        if cut.cost < best:
            best, kept = cut.cost, len(moved)
    for number in reversed(moved[kept:]):
        cut.move(number)


def _next(cut: Cut, queues: Sequence[list[tuple[int, int]]], free: Sequence[bool]) -> int | None:
    """The best vertex that may move, of both sides; None where none may."""
    for queue in queues:
        while queue and not (free[queue[0][1]] and -queue[0][0] == cut.gains[queue[0][1]]):
            heapq.heappop(queue)
    tops = [queue[0] for queue in queues if queue and cut.allows(queue[0][1])]
    return min(tops)[1] if tops else None
