"""A report is whole or the one before: a failure on the way leaves the folder as it was."""

from pathlib import Path

import pytest

from pipeline.errors import MissingInput
from pipeline.report import page
from pipeline.report.build import build
from tests.report import fake_run


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def full_disk(*_: object) -> None:
    raise OSError("no space left")


def test_a_report_takes_the_place_of_the_last_one_with_all_its_files(
    finished: Path, site: Path, tmp_path: Path
) -> None:
    out = tmp_path / "latest"
    (out / "pictures").mkdir(parents=True)
    (out / "pictures" / "old.webp").touch()
    build(finished / "data", out, fake_run.chosen())
    assert tree(out).keys() == tree(site).keys()
    assert [path.name for path in tmp_path.iterdir()] == ["latest"]


def test_a_report_that_fails_half_way_leaves_the_last_one(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tables are written before the page fails."""
    out = tmp_path / "latest"
    out.mkdir()
    (out / "index.html").write_text("the last one")
    monkeypatch.setattr(page, "write", full_disk)
    with pytest.raises(OSError, match="no space left"):
        build(finished / "data", out, fake_run.chosen())
    assert tree(out) == {"index.html": b"the last one"}
    monkeypatch.undo()
    build(finished / "data", out, fake_run.chosen())
    assert (out / "index.html").stat().st_size > 1000
    assert [path.name for path in tmp_path.iterdir()] == ["latest"]


def test_nothing_was_scored(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="run the samples stage first"):
        build(tmp_path, tmp_path / "latest", fake_run.chosen())
    assert not (tmp_path / "latest").exists()
