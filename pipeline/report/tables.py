"""Cells of the leaderboard as text: numbers formatted, methods before bounds, missing runs shown as missing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.method import is_method, method_class
from pipeline.metric import Card
from pipeline.report import board, charts
from pipeline.report.statistics import orders

BOUNDS = {
    "no_id": "the backbone with prompt and seed alone: the floor of identity",
    board.SHUFFLED: "the first method's images scored against other people: chance",
    "pasted_reference": "each person's reference pasted into the picture: pure copying",
    "other_photo": "another real photograph of each person, which does not show the prompt; several on a grey canvas",
    "vae_roundtrip": "that photograph through the backbone's autoencoder: the ceiling of identity, and of nothing else",
}


NO_NUMBER = "–"
RECONSTRUCTION = "†"  # after a name


@dataclass(frozen=True)
class Number:
    """One number of a table. `sort` orders it, empty for none; `ranks` is the rank interval, empty for bounds."""

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
    kind: str  # CSS classes, as `kind_of` gives them
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
    accords: tuple[str, ...] = ()  # the orders by judges from outside beside that by B and C


@dataclass(frozen=True)
class DifferenceShown:
    """One paired difference; `verdict` says what `method` is against `other`, `sort` orders it, empty for none."""

    metric: str
    main: bool
    method: str
    other: str
    mean: str
    interval: str
    p: str
    verdict: str
    sort: str


def label(name: str) -> str:
    """A name as tables show it: marked where its method is a reconstruction of a paper that is not public in full."""
    of = name.rpartition(":")[2]  # shuffled_id:<method>
    return f"{name}{RECONSTRUCTION}" if is_method(of) and method_class(of).reconstruction else name


def kind_of(name: str, inputs: board.Inputs) -> str:
    """CSS classes of a name: method, ablation, elsewhere, bound or shuffled; all shuffled casts but one are details."""
    if name in inputs.methods:
        return "method"
    if name in inputs.ablations:
        return "ablation"
    if name in inputs.elsewhere:
        return "elsewhere"
    if name.partition(":")[0] != board.SHUFFLED:
        return "bound"
    return "shuffled" if name == board.SHUFFLED else "shuffled detail"


def main(cells: Sequence[board.Cell], cards: Sequence[Card]) -> list[Card]:
    """The metrics that stand for all: the main ones that have numbers, or else the first one."""
    known = {metric for cell in cells for metric, _ in cell.estimates}
    found = [card for card in cards if card.name in known] or list(cards)
    return [card for card in found if card.main] or found[:1]


def shown(cell: board.Cell, inputs: board.Inputs, wanted: Sequence[str]) -> CellShown:
    """A cell as text; methods of the run without scores have lines without numbers."""
    names = order({name for _, name in cell.estimates} | set(wanted), inputs.listed)
    columns = [card for card in inputs.cards if any(metric == card.name for metric, _ in cell.estimates)]
    lines = tuple(_line(cell, name, columns, kind_of(name, inputs)) for name in names)
    return CellShown(
        key=f"{cell.protocol}-{cell.people}",
        protocol=cell.protocol,
        people=cell.people,
        cases=cell.cases,
        columns=tuple(
            Column(card.name, card.title, card.better, card.unit, card.main, card.detail) for card in columns
        ),
        lines=lines,
        chart=_chart(cell, lines),
        differences=tuple(difference(each, inputs.cards) for each in cell.differences()),
        accords=tuple(accord(each) for each in orders.accords(cell, inputs)),
    )


def order(names: set[str], listed: Sequence[str]) -> list[str]:
    """Methods and ablations as listed, then bounds from floor to ceiling, then other shuffled casts."""
    known = [*listed, *BOUNDS]
    return [name for name in known if name in names] + sorted(names - set(known))


def number(value: float, unit: str = "") -> str:
    """A number for reading: three digits after the point where they say something; a dash for none."""
    if not np.isfinite(value):
        return NO_NUMBER
    digits = 1 if unit in ("10^-3", "100 x cosine") else 3
    return f"{round(value, digits) + 0.0:,.{digits}f}"  # adding 0 makes -0 a plain 0


def plain(value: float) -> str:
    """A number for machines: six digits, empty for none."""
    return f"{value:.6g}" if np.isfinite(value) else ""


def _line(cell: board.Cell, name: str, columns: Sequence[Card], kind: str) -> Line:
    numbers = tuple(_number(cell.estimates.get((card.name, name)), card) for card in columns)
    made = "not of this run, not ranked" if kind == "elsewhere" else ""
    note = BOUNDS.get(name, made if any(numbers) else "no scores in this run")
    return Line(name, kind, note, numbers)


def _number(found: board.Estimate | None, card: Card) -> Number | None:
    if found is None:
        return None
    row = found.row
    low, high = (number(value, card.unit) for value in (row.low, row.high))
    ranks = "" if found.ranks is None else "–".join(str(rank) for rank in dict.fromkeys(found.ranks))
    lost = f", {row.missing} missing" if row.missing else ""
    return Number(number(row.mean, card.unit), low, high, ranks, plain(row.mean), f"n = {row.n}{lost}")


def _chart(cell: board.Cell, lines: Sequence[Line]) -> str:
    # Ablations have a section of their own: a chart of everything would be too long to compare methods in.
    kinds = {line.method: line.kind for line in lines if line.kind in ("method", "elsewhere", "bound", "shuffled")}
    rows = [(name, cell.estimates[key].row) for name in kinds if (key := ("sim_heldout", name)) in cell.estimates]
    dots = [charts.Dot(label(name), row.mean, row.low, row.high, kinds[name]) for name, row in rows]
    return charts.forest(
        dots, f"sim_heldout, {cell.protocol}, {cell.people} {'person' if cell.people == 1 else 'people'}"
    )


def verdict(each: board.Difference) -> str:
    """What the first of two is: better, worse, not separable by the corrected p, or a dash where one has no number."""
    if not np.isfinite(each.mean):
        return NO_NUMBER
    up = each.mean > 0 if each.better == "higher" else each.mean < 0
    return ("better" if up else "worse") if each.apart else "not separable"


def difference(each: board.Difference, cards: Sequence[Card]) -> DifferenceShown:
    """A paired difference as text."""
    return DifferenceShown(
        each.metric,
        any(card.main for card in cards if card.name == each.metric),
        each.method,
        each.other,
        f"{each.mean:+.3f}" if np.isfinite(each.mean) else NO_NUMBER,
        f"{number(each.low)} to {number(each.high)}",
        f"{each.p:.3f}" if np.isfinite(each.p) else NO_NUMBER,
        verdict(each),
        plain(each.mean),
    )


def accord(each: orders.Accord) -> str:
    """How far a judge from outside orders the methods as B and C do, as text."""
    judge = "all of them together" if each.judge == orders.ALL else each.judge
    return f"{judge} {number(each.tau)} ({number(each.low)} to {number(each.high)}), {each.methods} methods"


def main_numbers(
    cells: Sequence[board.Cell], cards: Sequence[Card], names: Sequence[str]
) -> Mapping[str, Mapping[str, Mapping[str, float]]]:
    """<protocol>_<people> -> method -> main metric -> mean, for figures.json; bounds stand in leaderboard.csv."""
    main = [card.name for card in cards if card.main]
    result: dict[str, dict[str, dict[str, float]]] = {}
    for cell in cells:
        for (metric, method), found in cell.estimates.items():
            if metric in main and method in names and np.isfinite(found.row.mean):
                place = result.setdefault(f"{cell.protocol}_{cell.people}", {})
                place.setdefault(method, {})[metric] = found.row.mean
    return result
