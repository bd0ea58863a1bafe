"""One finished run and its report for all tests of the page."""

from pathlib import Path

import pytest

from pipeline.report.build import build
from tests.report import fake_run


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data/ of a finished run."""
    folder = tmp_path_factory.mktemp("run")
    fake_run.write(folder, people=12, casts=(6, 2, 1))
    return folder


@pytest.fixture(scope="session")
def site(finished: Path) -> Path:
    """The report's folder. Treat as read-only."""
    build(finished / "data", finished / "site", fake_run.chosen())
    return finished / "site"


@pytest.fixture(scope="session")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run with several methods, variants and fewer references. Treat as read-only."""
    folder = tmp_path_factory.mktemp("crowd")
    fake_run.write(folder, people=12, casts=(5, 3, 1), crowd=fake_run.FEW)
    build(folder / "data", folder / "site", fake_run.chosen(fake_run.FEW))
    return folder / "site"
