"""One finished run and its report for all tests of the page."""

from pathlib import Path

import pytest

from pipeline import benchmark, settings
from pipeline.head.model import load_head
from pipeline.report import ablations, audit, board, export, page, read
from pipeline.report.pictures import Album
from tests.report import fake_run


def make(data: Path, out: Path, chosen: settings.Settings) -> None:
    """What stages.report does, for any folders."""
    cases = benchmark.load(data / "samples" / benchmark.FILE)
    inputs = read.inputs(data / "scores", chosen)
    cells = board.cells(inputs)
    figures = audit.audit(data, load_head(chosen.models.head))
    out.mkdir(parents=True)
    changed = ablations.changes(inputs.ablations, data / "weights", chosen.generate.references)
    export.write(out, cells, inputs, changed, figures, chosen, data / "weights")
    page.write(page.gather(page.Sources(data, chosen, cases, inputs, cells, changed, figures), Album(out)), out)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data/ of a finished run."""
    folder = tmp_path_factory.mktemp("run")
    fake_run.write(folder, people=12, casts=(6, 2, 1))
    return folder


@pytest.fixture(scope="session")
def site(finished: Path) -> Path:
    """The report's folder. Treat as read-only."""
    make(finished / "data", finished / "site", fake_run.chosen())
    return finished / "site"


@pytest.fixture(scope="session")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run with several methods, variants and fewer references. Treat as read-only."""
    folder = tmp_path_factory.mktemp("crowd")
    fake_run.write(folder, people=12, casts=(5, 3, 1), crowd=fake_run.FEW)
    make(folder / "data", folder / "site", fake_run.chosen(fake_run.FEW))
    return folder / "site"
