"""A run's results, and every number that is worked out of them before anything is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.benchmark import cases as benchmark
from pipeline.benchmark.cases import Benchmark
from pipeline.head.model import load_head
from pipeline.report import audit, board, read
from pipeline.report.statistics import ablations
from pipeline.settings import Settings


@dataclass(frozen=True)
class Sources:
    """Where the run's results lie, and what was worked out of them."""

    data: Path
    settings: Settings
    benchmark: Benchmark
    inputs: board.Inputs
    cells: Sequence[board.Cell]
    changed: Mapping[str, str]  # ablation -> what it changed
    figures: Sequence[audit.Figure]


def load_results(data: Path, settings: Settings) -> Sources:
    """Everything that tables and pages are made from.

    Raises:
        MissingInput: there are no cases, or nothing was scored.
    """
    cases = benchmark.load_cases(data / "samples" / benchmark.CASES_FILE)
    inputs = read.inputs(data / "scores", settings)
    return Sources(
        data=data,
        settings=settings,
        benchmark=cases,
        inputs=inputs,
        cells=board.cells(inputs),
        changed=ablations.changes(inputs.ablations, data / "weights", settings.generate.references),
        figures=audit.audit(data, load_head(settings.models.head)),
    )
