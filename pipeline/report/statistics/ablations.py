"""Ablations: each compared with its own full method, beside what the paper says of it.

A run names `<method>` (the full form), `<method>-<variant>` (other settings) and `<method>-<n>_references` (the
same weights, fewer photos of each person). What a paper claims stands in its method's file.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline import method as contract
from pipeline.method import Claim
from pipeline.report import board, manifest, tables
from pipeline.report.tables import DifferenceShown
from pipeline.settings import parse_reference_count

COLUMNS = (
    "protocol", "people", "method", "ablation", "change", "metric", "better", "mean", "low", "high", "p", "verdict",
    "paper",
)  # fmt: skip
CARD = "card.json"  # beside the weights; what was trained, on what, how


@dataclass(frozen=True)
class Judged:
    """A claim as text, and what is found of it here."""

    paper: str
    here: str
    holds: bool | None  # None where it is neither shown nor refuted


@dataclass(frozen=True)
class Line:
    """One ablation: what was changed, full minus ablation per column, and what becomes of the paper's claims."""

    name: str
    change: str
    differences: tuple[DifferenceShown | None, ...]  # None where the metric does not apply or scores are missing
    claims: tuple[Judged, ...]


@dataclass(frozen=True)
class Heading:
    """One cell and main metric: a column."""

    protocol: str
    people: int
    metric: str
    better: str


@dataclass(frozen=True)
class Family:
    """The ablations of one method."""

    method: str
    metrics: int  # columns of each cell
    columns: tuple[Heading, ...]
    lines: tuple[Line, ...]


def families(cells: Sequence[board.Cell], inputs: board.Inputs, changed: Mapping[str, str]) -> list[Family]:
    """A table for every method that has ablations."""
    found = {(*_place(each), each.other): each for cell in cells for each in cell.ablated()}
    main = tables.main(cells, inputs.cards)
    columns = tuple(Heading(cell.protocol, cell.people, card.name, card.better) for cell in cells for card in main)

    def line(name: str) -> Line:
        row = [found.get((column.protocol, column.people, column.metric, name)) for column in columns]
        differences = tuple(None if each is None else tables.difference(each, inputs.cards) for each in row)
        claims = tuple(
            judged(claim, found.get((claim.protocol, claim.people, claim.metric, name)))
            for claim in contract.claims(name)
        )
        return Line(name, changed[name], differences, claims)

    return [
        Family(method, len(main), columns, tuple(line(name) for name in names))
        for method in inputs.methods
        if (names := inputs.ablations_of(method))
    ]


def judged(claim: Claim, found: board.Difference | None) -> Judged:
    """Whether a paper's claim holds here, in words: its direction must show, and apart from chance (else None)."""
    verdict = tables.NO_NUMBER if found is None else tables.verdict(found)
    if found is None or verdict == tables.NO_NUMBER:
        return Judged(str(claim), "not tested here", None)
    numbers = f"{found.mean:+.3f} ({tables.number(found.low)} to {tables.number(found.high)})"
    where = f"{claim.metric}, {claim.protocol}, {claim.people} {'person' if claim.people == 1 else 'people'}"
    if claim.margin is not None:
        return _as_good(claim, found, f"{numbers} in {where}")
    if verdict == "better":
        return Judged(str(claim), f"holds here: {numbers} in {where}", True)
    if verdict == "worse":
        return Judged(str(claim), f"does not hold here: the full form is worse, {numbers} in {where}", False)
    return Judged(str(claim), f"not shown here: {numbers} in {where} is not separable from none", None)


def _as_good(claim: Claim, found: board.Difference, numbers: str) -> Judged:
    """That the full form is as good: the interval holds 0 or more, and nothing that is worse than the margin."""
    assert claim.margin is not None
    least, most = (found.low, found.high) if found.better == "higher" else (-found.high, -found.low)
    if most < 0:
        return Judged(str(claim), f"does not hold here: the full form is worse, {numbers}", False)
    if least > -claim.margin:
        return Judged(str(claim), f"holds here: {numbers}", True)
    return Judged(str(claim), f"not shown here: {numbers} is not apart from worse", None)


def changes(ablations: Mapping[str, str], weights: Path, references: int) -> dict[str, str]:
    """What each ablation changed, like `route_weight 10 -> 0`, from the cards beside the trained weights.

    `references` is how many photos of a person the run gives to a method.
    """
    return {name: change(name, full, weights, references) for name, full in ablations.items()}


def change(name: str, full: str, weights: Path, references: int) -> str:
    """What one ablation changed against its full method."""
    trained, fewer = parse_reference_count(name)
    words = [] if trained == full else _differing(_settings(weights / full), _settings(weights / trained))
    if fewer:
        words.append(f"references {references} -> {fewer}")
    return ", ".join(words)


def rows(cells: Sequence[board.Cell], changed: Mapping[str, str]) -> list[tuple[Any, ...]]:
    """The lines of ablations.csv: every metric, full minus ablation; a claim stands in the line that tests it."""
    return [
        (
            each.protocol, each.people, each.method, each.other, changed[each.other], each.metric, each.better,
            each.mean, each.low, each.high, each.p, tables.verdict(each),
            _claimed(each),
        )
        for cell in cells
        for each in cell.ablated()
    ]  # fmt: skip


def _claimed(each: board.Difference) -> str:
    claims = {(claim.protocol, claim.people, claim.metric): str(claim) for claim in contract.claims(each.other)}
    return claims.get(_place(each), "")


def _place(each: board.Difference) -> tuple[str, int, str]:
    return each.protocol, each.people, each.metric


def _settings(folder: Path) -> Mapping[str, Any] | None:
    path = folder / CARD
    return json.loads(path.read_text()).get("settings") if path.is_file() else None


def _differing(full: Mapping[str, Any] | None, other: Mapping[str, Any] | None) -> list[str]:
    if full is None or other is None:
        return ["settings not known"]
    names = [name for name in sorted({*full, *other}) if full.get(name) != other.get(name)]
    texts = [f"{name} {manifest.text(full.get(name))} -> {manifest.text(other.get(name))}" for name in names]
    return texts or ["no setting differs"]
