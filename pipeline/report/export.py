"""The report's tables as files: CSVs, figures.json, a short metrics.json for DVC, and plots for `dvc plots show`."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import shards
from pipeline.report import board, manifest, tables
from pipeline.report.audit import Figure
from pipeline.report.sources import Sources
from pipeline.report.statistics import ablations, orders

# Of the stages, and of the tables (protocol and people), what stands in metrics.json.
HEADLINE = (
    ("faces", "Detection recall"),
    ("identities", "Pairwise F"),
    ("identities", "BCubed F"),
    ("samples", "Test people in training"),
)
CELLS = ("free_1", "free_2")


def write(folder: Path, sources: Sources) -> None:
    """Write every table below `folder`."""
    cells, inputs = sources.cells, sources.inputs
    rows = board.rows(cells)
    table(folder / "leaderboard.csv", board.COLUMNS, [astuple(row) for row in rows])
    differences = [each for cell in cells for each in cell.differences()]
    names = [field.name for field in fields(board.Difference)]
    table(folder / "differences.csv", names, [astuple(each) for each in differences])
    told = [astuple(each) for cell in cells for each in orders.accords(cell, inputs)]
    table(folder / "outside.csv", orders.COLUMNS, told)
    table(folder / "ablations.csv", ablations.COLUMNS, ablations.rows(cells, sources.changed))
    numbers = tables.main_numbers(cells, inputs.cards, inputs.listed)
    figures = audited(sources.figures)
    shards.write_json(folder / "figures.json", {"results": numbers, "stages": figures})
    shards.write_json(folder / "metrics.json", headline(numbers, figures, sources.settings.methods))
    similarity = [
        (f"{row.protocol}, {row.people}: {row.method}", row.mean)
        for row in rows
        if row.metric == "sim_heldout" and np.isfinite(row.mean)
    ]
    table(folder / "plots" / "similarity.csv", ("method", "sim_heldout"), similarity)
    lines = [line for method in sources.settings.methods for line in _losses(sources.data / "weights", method)]
    table(folder / "plots" / "training.csv", ("images", "method", "loss"), lines)


def table(path: Path, header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A CSV file with numbers of six digits; a number that is not known is empty."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([_plain(value) for value in row] for row in rows)


def headline(
    numbers: Mapping[str, Mapping[str, Mapping[str, float]]],
    figures: Mapping[str, Mapping[str, float]],
    methods: Sequence[str],
) -> dict[str, float]:
    """What `dvc metrics show` and `dvc exp show` print: a few figures of the stages, and of each method one or two.

    Args:
        numbers: tables.main_numbers.
        figures: audited.
        methods: all that were trained; ablations are left to figures.json.
    """
    found = {f"{stage}: {name}": figures.get(stage, {}).get(name) for stage, name in HEADLINE}
    for method in (name for name in methods if "-" not in name):
        for cell in CELLS:
            found[f"sim_heldout: {method}, {cell}"] = numbers.get(cell, {}).get(method, {}).get("sim_heldout")
    return {name: value for name, value in found.items() if value is not None}


def audited(figures: Sequence[Figure]) -> Mapping[str, Mapping[str, float]]:
    """stage -> name -> value of the audit."""
    result: dict[str, dict[str, float]] = {}
    for each in figures:
        if np.isfinite(each.value):
            result.setdefault(each.stage, {})[each.name] = each.value
    return result


def _losses(weights: Path, method: str) -> list[tuple[int, str, float]]:
    """Images seen, method and the sum of the loss terms."""
    curve = manifest.curve(weights / method)
    terms = [name for name in curve.columns if name != "images"]
    return [
        (int(images), method, float(total))
        for images, total in zip(curve["images"], curve[terms].sum(axis=1), strict=True)
    ]


def _plain(value: Any) -> Any:
    return tables.plain(value) if isinstance(value, float) else value
