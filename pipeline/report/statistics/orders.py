"""Whether judges from outside put the methods into the order into which B and C put them: Kendall's tau-b."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from pipeline.report import board
from pipeline.report.statistics import intervals
from pipeline.report.statistics.intervals import Floats

OURS = "sim_heldout"  # by B and C
ALL = "all"  # the mean of all judges' columns
FEWEST = 2


@dataclass(frozen=True)
class Accord:
    """Kendall's tau-b of two orders of methods in one cell, with its interval over resampled people."""

    protocol: str
    people: int
    judge: str  # a judge's column, or ALL
    methods: int  # how many are ordered: methods, their ablations and what was made elsewhere; no bounds
    tau: float
    low: float
    high: float


COLUMNS = tuple(field.name for field in fields(Accord))


def accords(cell: board.Cell, inputs: board.Inputs) -> list[Accord]:
    """Each judge's tau, and that of all together where there are several; none of fewer than two methods.

    Bounds are left out: everybody tells them apart, so that they would raise any tau.
    """
    judges = [card.name for card in inputs.cards if card.outside]
    names = [name for name in inputs.listed if all(_known(cell, metric, name) for metric in (OURS, *judges))]
    if not judges or len(names) < FEWEST:
        return []
    ours = _values(cell, OURS, names)
    theirs = {judge: _values(cell, judge, names) for judge in judges}
    if len(judges) > 1:
        theirs[ALL] = np.mean(list(theirs.values()), axis=0)
    units = min(cell.estimates[OURS, name].units for name in names)
    return [_accord(cell, inputs, judge, tau_b(ours, values), len(names), units) for judge, values in theirs.items()]


def tau_b(one: Floats, other: Floats) -> Floats:
    """Kendall's tau-b (D,) between values (D, M) of M things, row by row; NaN where one side has no order at all.

    (concordant - discordant pairs) / sqrt(pairs not tied in one * pairs not tied in the other), Kendall (1945). As
    scipy.stats.kendalltau, for thousands of draws at once.
    """
    first, second = np.triu_indices(one.shape[1], 1)
    left, right = (np.sign(values[:, first] - values[:, second]) for values in (one, other))
    untied = np.sqrt((left**2).sum(1) * (right**2).sum(1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(untied > 0, (left * right).sum(1) / untied, np.nan)


def _known(cell: board.Cell, metric: str, name: str) -> bool:
    found = cell.estimates.get((metric, name))
    return found is not None and bool(np.isfinite(found.row.mean))


def _values(cell: board.Cell, metric: str, names: Sequence[str]) -> Floats:
    """(1 + D, M): the means, then every draw."""
    found = [cell.estimates[metric, name] for name in names]
    return np.stack([np.concatenate([[each.row.mean], each.draws]) for each in found], axis=1)


def _accord(cell: board.Cell, inputs: board.Inputs, judge: str, taus: Floats, methods: int, units: int) -> Accord:
    tau = float(taus[0])
    low, high = np.clip(intervals.interval(taus[1:], tau, inputs.confidence, units), -1, 1).tolist()
    return Accord(cell.protocol, cell.people, judge, methods, tau, low, high)
