"""Cells of the leaderboard as text: numbers formatted, methods before bounds, missing runs shown as missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.metric import Card
from pipeline.report import board, charts

BOUNDS = {
    "no_id": "the backbone with prompt and seed alone: the floor",
    board.SHUFFLED: "the first method's images scored against other people: chance",
    "pasted_reference": "each person's reference pasted into the picture: pure copying",
    "other_photo": "another real photograph of each person",
    "vae_roundtrip": "that photograph through the backbone's autoencoder: the ceiling",
}


@dataclass(frozen=True)
class Number:
    """One number of a table. `sort` orders it; `ranks` is the rank interval, empty for bounds."""

    mean: str
    low: str
    high: str
    ranks: str
    sort: str
    count: str  # n and missing


@dataclass(frozen=True)
class Line:
    """One method's line; a number is None where the metric does not apply or the run is missing."""

    method: str
    kind: str  # method, bound or shuffled
    note: str
    numbers: tuple[Number | None, ...]


@dataclass(frozen=True)
class Column:
    """One metric as a column."""

    name: str
    title: str
    better: str
    unit: str
    main: bool
    detail: bool


@dataclass(frozen=True)
class CellShown:
    """One protocol and number of people."""

    key: str
    protocol: str
    people: int
    cases: int
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    chart: str
    differences: tuple["DifferenceShown", ...]


@dataclass(frozen=True)
class DifferenceShown:
    """One paired difference; `verdict` is better, worse or not separable."""

    metric: str
    main: bool
    method: str
    other: str
    mean: str
    interval: str
    p: str
    verdict: str


def kind_of(name: str, methods: Sequence[str]) -> str:
    """CSS class of a name: method, shuffled or bound."""
    if name in methods:
        return "method"
    return "shuffled" if name.partition(":")[0] == board.SHUFFLED else "bound"


def shown(cell: board.Cell, cards: Sequence[Card], methods: Sequence[str], wanted: Sequence[str]) -> CellShown:
    """A cell as text; methods of the run without scores have lines without numbers."""
    names = order({name for _, name in cell.estimates} | set(wanted), methods)
    columns = [card for card in cards if any(metric == card.name for metric, _ in cell.estimates)]
    lines = tuple(_line(cell, name, columns, methods) for name in names)
    return CellShown(
        key=f"{cell.protocol}-{cell.people}",
        protocol=cell.protocol,
        people=cell.people,
        cases=cell.cases,
        columns=tuple(
            Column(card.name, card.title, card.better, card.unit, card.main, card.detail) for card in columns
        ),
        lines=lines,
        chart=_chart(cell, names, methods),
        differences=tuple(_difference(each, cards) for each in cell.differences()),
    )


def order(names: set[str], methods: Sequence[str]) -> list[str]:
    """Methods as the run lists them, then bounds from floor to ceiling, then other shuffled casts."""
    known = [*methods, *BOUNDS]
    return [name for name in known if name in names] + sorted(names - set(known))


def number(value: float, unit: str = "") -> str:
    """A number for reading: three digits after the point where they say something; a dash for none."""
    if not np.isfinite(value):
        return "–"
    digits = 1 if unit in ("10^-3", "100 x cosine") else 3
    return f"{round(value, digits) + 0.0:,.{digits}f}"  # adding 0 makes -0 a plain 0


def _line(cell: board.Cell, name: str, columns: Sequence[Card], methods: Sequence[str]) -> Line:
    numbers = tuple(_number(cell.estimates.get((card.name, name)), card) for card in columns)
    note = BOUNDS.get(name, "" if any(numbers) else "no scores in this run")
    return Line(name, kind_of(name, methods), note, numbers)


def _number(found: board.Estimate | None, card: Card) -> Number | None:
    if found is None:
        return None
    row = found.row
    low, high = (number(value, card.unit) for value in (row.low, row.high))
    ranks = "" if found.ranks is None else "–".join(str(rank) for rank in dict.fromkeys(found.ranks))
    lost = f", {row.missing} missing" if row.missing else ""
    return Number(number(row.mean, card.unit), low, high, ranks, f"{row.mean:.6g}", f"n = {row.n}{lost}")


def _chart(cell: board.Cell, names: Sequence[str], methods: Sequence[str]) -> str:
    rows = [(name, cell.estimates[key].row) for name in names if (key := ("sim_heldout", name)) in cell.estimates]
    dots = [charts.Dot(name, row.mean, row.low, row.high, kind_of(name, methods)) for name, row in rows]
    return charts.forest(
        dots, f"sim_heldout, {cell.protocol}, {cell.people} {'person' if cell.people == 1 else 'people'}"
    )


def _difference(each: board.Difference, cards: Sequence[Card]) -> DifferenceShown:
    up = each.mean > 0 if each.better == "higher" else each.mean < 0
    apart = each.low > 0 or each.high < 0
    return DifferenceShown(
        each.metric,
        any(card.main for card in cards if card.name == each.metric),
        each.method,
        each.other,
        f"{each.mean:+.3f}" if np.isfinite(each.mean) else "–",
        f"{number(each.low)} to {number(each.high)}",
        "–" if not np.isfinite(each.p) else f"{each.p:.3f}",
        ("better" if up else "worse") if apart else "not separable",
    )


def main_numbers(
    cells: Sequence[board.Cell], cards: Sequence[Card], methods: Sequence[str]
) -> Mapping[str, Mapping[str, Mapping[str, float]]]:
    """<protocol>_<people> -> method -> main metric -> mean, for metrics.json; bounds stand in leaderboard.csv."""
    main = [card.name for card in cards if card.main]
    result: dict[str, dict[str, dict[str, float]]] = {}
    for cell in cells:
        for (metric, method), found in cell.estimates.items():
            if metric in main and method in methods and np.isfinite(found.row.mean):
                place = result.setdefault(f"{cell.protocol}_{cell.people}", {})
                place.setdefault(method, {})[metric] = found.row.mean
    return result
