"""One finished run and its report for all tests of the page."""

from pathlib import Path

import pytest

from pipeline import benchmark, settings
from pipeline.head.model import load_head
from pipeline.report import audit, board, export, page, read
from pipeline.report.pictures import Album
from tests.report import fake_run


def make(data: Path, out: Path, chosen: settings.Settings) -> None:
    """What stages.report does, for any folders."""
    cases = benchmark.load(data / "samples" / benchmark.FILE)
    inputs = read.inputs(data / "scores", chosen)
    cells = board.cells(inputs)
    figures = audit.audit(data, load_head(chosen.models.head))
    out.mkdir(parents=True)
    export.write(out, cells, inputs, figures, chosen, data / "weights")
    gathered = page.gather(page.Sources(data, chosen, cases, inputs, cells, figures), Album(out))
    page.write_assets(out)
    (out / "index.html").write_text(page.render(gathered))


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
