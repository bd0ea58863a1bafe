"""Ablations: each compared with its own full method, beside what the paper says of it.

A run names `<method>` (the published form), `<method>-<variant>` (other settings) and `<method>-<n>_references` (the
same weights, fewer photos of each person).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.report import board, manifest, tables
from pipeline.report.tables import DifferenceShown
from pipeline.settings import references_of

COLUMNS = (
    "protocol", "people", "method", "ablation", "change", "metric", "better", "mean", "low", "high", "p", "verdict",
    "paper",
)  # fmt: skip
CARD = "card.json"  # beside the weights; what was trained, on what, how


@dataclass(frozen=True)
class Claim:
    """What a paper measured of an ablation, and the cell that asks the same: with the papers no layout is given."""

    people: int
    full: float
    ablated: float
    unit: str
    source: str
    protocol: str = "free"
    metric: str = "sim_heldout"

    def __str__(self) -> str:
        return f"{manifest.text(self.full)} -> {manifest.text(self.ablated)} {self.unit} ({self.source})"


# Only figures that were read in the paper itself, with the row that they belong to. The size of a difference depends
# on recogniser, backbone and training, so it is its direction that is tested. UniPortrait's table of ID embeddings is
# left out because its rows cannot be told with certainty; of the two reconstructions no table is known.
CLAIMS: Mapping[str, Claim] = {
    "uniportrait-no_route_loss": Claim(
        2, 67.3, 59.1, "% similarity of the worse of two people", "arXiv 2408.05939, Table 4", metric="sim_worst"
    ),
    "uniportrait-1_references": Claim(
        1, 61.2, 55.5, "% similarity to another photo, 4 references to 1", "arXiv 2408.05939, Table I"
    ),
    "uniportrait-2_references": Claim(
        1, 61.2, 58.5, "% similarity to another photo, 4 references to 2", "arXiv 2408.05939, Table I"
    ),
}


@dataclass(frozen=True)
class Line:
    """One ablation: what was changed, full minus ablation per column, and the paper's figure with what holds here."""

    name: str
    change: str
    differences: tuple[DifferenceShown | None, ...]  # None where the metric does not apply or scores are missing
    paper: str  # empty where no figure is known
    here: str
    holds: bool | None  # None where nothing is claimed, shown or tested


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
        claim = CLAIMS.get(name)
        tested = found.get((claim.protocol, claim.people, claim.metric, name)) if claim else None
        return Line(name, changed[name], differences, str(claim or ""), *judged(claim, tested))

    return [
        Family(method, len(main), columns, tuple(line(name) for name in names))
        for method in inputs.methods
        if (names := inputs.ablations_of(method))
    ]


def judged(claim: Claim | None, found: board.Difference | None) -> tuple[str, bool | None]:
    """Whether a paper's claim holds here, in words: its direction must show, and apart from chance (else None)."""
    if claim is None:
        return "", None
    if found is None:
        return "not tested here", None
    verdict = tables.verdict(found)
    numbers = f"{found.mean:+.3f} ({tables.number(found.low)} to {tables.number(found.high)})"
    where = f"{claim.metric}, {claim.protocol}, {claim.people} {'person' if claim.people == 1 else 'people'}"
    if verdict == ("better" if claim.full > claim.ablated else "worse"):
        return f"holds here: {numbers} in {where}", True
    if verdict in ("not separable", tables.NO_NUMBER):
        return f"not shown here: {numbers} in {where} is not separable from none", None
    return f"does not hold here: the full form is {verdict}, {numbers} in {where}", False


def changes(ablations: Mapping[str, str], weights: Path, references: int) -> dict[str, str]:
    """What each ablation changed, like `route_weight 10 -> 0`, from the cards beside the trained weights.

    `references` is how many photos of a person the run gives to a method.
    """
    return {name: change(name, full, weights, references) for name, full in ablations.items()}


def change(name: str, full: str, weights: Path, references: int) -> str:
    """What one ablation changed against its full method."""
    trained, fewer = references_of(name)
    words = [] if trained == full else _differing(_settings(weights / full), _settings(weights / trained))
    if fewer:
        words.append(f"references {references} -> {fewer}")
    return ", ".join(words)


def rows(cells: Sequence[board.Cell], changed: Mapping[str, str]) -> list[tuple[Any, ...]]:
    """The lines of ablations.csv: every metric, full minus ablation."""
    return [
        (
            each.protocol, each.people, each.method, each.other, changed[each.other], each.metric, each.better,
            each.mean, each.low, each.high, each.p, tables.verdict(each), str(CLAIMS.get(each.other, "")),
        )
        for cell in cells
        for each in cell.ablated()
    ]  # fmt: skip


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
