"""The leaderboard: every method, metric, protocol and number of people with its interval, n and failures.

A cell is one protocol and one number of people: what is compared stands in one cell, and two protocols never do.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pipeline.metric import Card
from pipeline.report.statistics import intervals
from pipeline.report.statistics.intervals import Floats

COLUMNS = ("protocol", "people", "method", "metric", "better", "mean", "low", "high", "n", "missing")
FLOOR, CEILING, SHUFFLED = "no_id", "vae_roundtrip", "shuffled_id"


@dataclass(frozen=True)
class Row:
    """One line of leaderboard.csv. `n` counts the scores in the mean, `missing` the faces or images not there."""

    protocol: str
    people: int
    method: str
    metric: str
    better: str
    mean: float
    low: float
    high: float
    n: int
    missing: int


@dataclass(frozen=True)
class Estimate:
    """A row with what it was made of: its draws, how many units they resample, its rank interval in its cell."""

    row: Row
    draws: Floats
    units: int
    ranks: tuple[int, int] | None = None  # bounds are not ranked


@dataclass(frozen=True)
class Difference:
    """Paired difference, `method` minus `other`, on the same draws.

    The p-value is corrected (Holm) over what it is one of, per metric: a cell's pairs, or one method's ablations in it.
    """

    protocol: str
    people: int
    metric: str
    better: str
    method: str
    other: str
    mean: float
    low: float
    high: float
    p: float
    apart: bool  # p is below the level of the intervals


@dataclass(frozen=True)
class Photographs:
    """Real test photographs that set metrics compare with: features (m, D), and who is on each."""

    features: Floats
    casts: Sequence[intervals.Cast]


Distance = Callable[[Floats, Floats, Floats, Floats], Floats]


@dataclass(frozen=True)
class Inputs:
    """What the board is made from.

    scores: records.SCORES of all methods; features: records.FEATURES of all methods with a column `method`.
    """

    scores: pd.DataFrame
    features: pd.DataFrame
    photographs: Mapping[int, Photographs]  # by number of people
    cards: Sequence[Card]
    distances: Mapping[str, Distance]  # metric -> set distance
    methods: Sequence[str]  # full forms: ranked, and compared with each other
    draws: int
    confidence: float
    seed: int
    ablations: Mapping[str, str] = field(default_factory=dict)  # ablation -> its full method
    elsewhere: Sequence[str] = ()  # trained outside of the fairness contract: compared, not ranked; others are bounds

    @property
    def listed(self) -> tuple[str, ...]:
        """All but the bounds: methods with their ablations, what was made elsewhere, ablations without their method."""
        known = [name for method in self.methods for name in (method, *self.ablations_of(method))]
        return (*known, *self.elsewhere, *(name for name in self.ablations if name not in known))

    def ablations_of(self, method: str) -> list[str]:
        """The ablations of a full method, in the run's order."""
        return [name for name, full in self.ablations.items() if full == method]


class Cell:
    """One protocol and number of people: cases, their weights, and estimates by (metric, method)."""

    def __init__(self, protocol: str, people: int, inputs: Inputs) -> None:
        self.protocol, self.people, self._inputs = protocol, people, inputs
        table = inputs.scores
        self._scores = table[(table["protocol"] == protocol) & (table["people"] == people)]
        casts = self._scores.groupby("case_id", sort=True)["identity_ids"].first()
        self._case = {name: index for index, name in enumerate(casts.index)}
        self.cases = len(self._case)
        self._units = intervals.units([list(cast) for cast in casts])
        # A cell's numbers must not depend on which other cells there are.
        self._rng = np.random.default_rng([inputs.seed, people, *protocol.encode()])
        self._weights = intervals.case_weights([list(cast) for cast in casts], inputs.draws, self._rng)
        self.estimates: dict[tuple[str, str], Estimate] = {}
        for card in inputs.cards:
            self._add(card)

    def _add(self, card: Card) -> None:
        if self.people < card.least_people:
            return
        if card.share_of:
            self._add_shares(card)
        elif card.name in self._inputs.distances:
            self._add_distances(card)
        else:
            self._add_means(card)
        self._rank(card)

    def _add_means(self, card: Card) -> None:
        rows = self._scores[self._scores["metric"] == card.name]
        for method, own in rows.groupby("method", sort=True):
            sums, counts = np.zeros(len(self._case)), np.zeros(len(self._case))
            known = own[np.isfinite(own["value"])]
            places = known["case_id"].map(self._case).to_numpy(dtype=np.intp)
            np.add.at(sums, places, known["value"].to_numpy())
            np.add.at(counts, places, 1.0)
            mean, draws = intervals.per_draw(partial(_mean, sums, counts), self._weights)
            missing = int(own["missing"].sum())
            self._put(card, str(method), mean, draws, len(known), missing, self._independent(counts > 0))

    def _add_shares(self, card: Card) -> None:
        floor, ceiling = (self.estimates.get((card.share_of, name)) for name in (FLOOR, CEILING))
        if floor is None or ceiling is None:
            return
        for (metric, method), found in list(self.estimates.items()):
            if metric == card.share_of:
                mean = _share(np.array([found.row.mean]), floor.row.mean, ceiling.row.mean)[0]
                draws = _share(found.draws, floor.draws, ceiling.draws)
                self._put(card, method, float(mean), draws, found.row.n, found.row.missing, found.units)

    def _add_distances(self, card: Card) -> None:
        photographs = self._inputs.photographs.get(self.people)
        table = self._inputs.features
        own = table[(table["protocol"] == self.protocol) & (table["people"] == self.people)]
        if photographs is None or not len(own):
            return
        rng = np.random.default_rng([self._inputs.seed, self.people])
        real, real_draws = photographs.features, intervals.case_weights(photographs.casts, self._inputs.draws, rng)
        measure = self._inputs.distances[card.name]
        for method, rows in own.groupby("method", sort=True):
            drawn = np.stack(list(rows["embedding"]))
            places = rows["case_id"].map(self._case).to_numpy(dtype=np.intp)
            mean = float(measure(drawn, real, np.ones((1, len(drawn))), np.ones((1, len(real))))[0])
            draws = measure(drawn, real, self._weights[:, places], real_draws)
            there = np.isin(np.arange(len(self._case)), places)
            missing = len(self._case) - int(there.sum())
            self._put(card, str(method), mean, draws, len(drawn), missing, self._independent(there))

    def _independent(self, cases: NDArray[np.bool_]) -> int:
        """How many independent observations some of the cases (C,) are: what is resampled of them, at most one each."""
        return min(int(cases.sum()), len(np.unique(self._units[cases])))

    def _put(self, card: Card, method: str, mean: float, draws: Floats, n: int, missing: int, units: int) -> None:
        low, high = intervals.interval(draws, mean, self._inputs.confidence, units)
        if (card.low, card.high) == (0, 1) and mean in (0, 1):  # all scores are that: no draw differs
            low, high = intervals.wilson(mean, units, self._inputs.confidence)
        low, high = np.clip([low, high], card.low, card.high).tolist()
        row = Row(self.protocol, self.people, method, card.name, card.better, mean, low, high, n, missing)
        self.estimates[card.name, method] = Estimate(row, draws, units)

    def _rank(self, card: Card) -> None:
        if card.outside:
            return
        names = [name for name in self._inputs.methods if self._known(card.name, name) and self._worthy(card, name)]
        if not names:
            return
        found = [self.estimates[card.name, name] for name in names]
        draws, means = np.stack([each.draws for each in found]), np.array([each.row.mean for each in found])
        units = min(each.units for each in found)
        ranked = intervals.rank_intervals(draws, means, card.better, self._inputs.confidence, units)
        for name, each, ranks in zip(names, found, ranked, strict=True):
            self.estimates[card.name, name] = replace(each, ranks=ranks)

    def differences(self) -> Iterator[Difference]:
        """Each method against the floor and against every later method, per metric; ablations are not among them."""
        for card in self._compared_cards():
            yield from self._compared(card, list(self._pairs(card)))

    def ablated(self) -> Iterator[Difference]:
        """Each full method minus each of its ablations, per metric: a family of p-values is one method's ablations."""
        for card in self._compared_cards():
            for method in self._inputs.methods:
                pairs = [(method, other) for other in self._inputs.ablations_of(method)]
                yield from self._compared(card, [pair for pair in pairs if self._comparable(card, *pair)])

    def _compared_cards(self) -> list[Card]:
        return [card for card in self._inputs.cards if not card.outside]

    def _compared(self, card: Card, pairs: Sequence[tuple[str, str]]) -> Iterator[Difference]:
        minus = [_minus(*(self.estimates[card.name, name] for name in pair)) for pair in pairs]
        levels = intervals.holm([intervals.two_sided(*each) for each in minus])
        for (method, other), (draws, mean, units), level in zip(pairs, minus, levels, strict=True):
            low, high = intervals.interval(draws, mean, self._inputs.confidence, units)
            yield Difference(
                self.protocol,
                self.people,
                card.name,
                card.better,
                method,
                other,
                mean,
                low,
                high,
                level,
                level < 1 - self._inputs.confidence,
            )

    def _pairs(self, card: Card) -> Iterator[tuple[str, str]]:
        compared = (*self._inputs.methods, *self._inputs.elsewhere)
        for index, method in enumerate(compared):
            for other in [FLOOR, *compared[index + 1 :]]:
                if self._comparable(card, method, other):
                    yield method, other

    def _known(self, metric: str, name: str) -> bool:
        """Whether a method has a number: one of whose images no face was found has none."""
        return (metric, name) in self.estimates and bool(np.isfinite(self.estimates[metric, name].row.mean))

    def _worthy(self, card: Card, name: str) -> bool:
        """Whether a method has enough of the metric without which this one says nothing."""
        if card.ranked_from is None:
            return True
        needed, least = card.ranked_from
        return self._known(needed, name) and self.estimates[needed, name].row.mean >= least

    def _comparable(self, card: Card, *names: str) -> bool:
        """Whether there are estimates of a metric for all names, and it says something of each."""
        return all((card.name, name) in self.estimates and self._worthy(card, name) for name in names)


def cells(inputs: Inputs) -> list[Cell]:
    """All cells, by protocol and number of people."""
    keys = inputs.scores[["protocol", "people"]].drop_duplicates().sort_values(["protocol", "people"])
    return [Cell(str(protocol), int(people), inputs) for protocol, people in keys.itertuples(index=False)]


def rows(found: Sequence[Cell]) -> list[Row]:
    """The leaderboard's lines: cells, metrics in the order of their cards, then methods."""
    return [estimate.row for cell in found for estimate in cell.estimates.values()]


def named(table: pd.DataFrame, methods: Sequence[str]) -> pd.DataFrame:
    """Scores with the first method's shuffled rows named `shuffled_id`; the others keep `shuffled_id:<method>`."""
    first = f"{SHUFFLED}:{methods[0]}" if methods else ""
    return table.assign(method=table["method"].replace({first: SHUFFLED}))


def _minus(one: Estimate, other: Estimate) -> tuple[Floats, float, int]:
    """The draws of a difference, itself, and how many units it rests on."""
    return one.draws - other.draws, one.row.mean - other.row.mean, min(one.units, other.units)


def _mean(sums: Floats, counts: Floats, weights: Floats) -> Floats:
    """Weighted means (W,) of scores given as sums and counts per case (C,), for weights (W, C)."""
    return _ratio(weights @ sums, weights @ counts)


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(denominator > 0, numerator / denominator, np.nan)


def _share(value: Floats, floor: Floats | float, ceiling: Floats | float) -> Floats:
    """(value - floor) / (ceiling - floor); NaN where the ceiling is not above the floor."""
    return _ratio(np.asarray(value - floor, np.float64), np.asarray(ceiling - floor, np.float64))
