"""What `likeness doctor` says, and how it ends."""

import argparse
from pathlib import Path

import pytest

from pipeline import settings
from pipeline.cli import doctor, environment, project
from pipeline.errors import SettingsError


def lines(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    doctor.call(argparse.Namespace())
    return {line[6:].split()[0]: line[:5].strip() for line in capsys.readouterr().out.splitlines()}


def test_this_machine_can_run_the_demo(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "fault", lambda root: None)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    found = lines(capsys)
    assert found["packages"] == found["profile"] == found["models.backbone"] == found["Ray"] == "ok"
    assert "NO" not in found.values()


def test_what_is_missing_is_named_and_ends_with_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    monkeypatch.setattr(environment, "requirements", lambda root: ["nosuchpackage>=1.0", "dvc>=3"])
    with pytest.raises(SystemExit) as stopped:
        lines(capsys)
    assert stopped.value.code == 2
    said = capsys.readouterr()
    assert "not installed: nosuchpackage" in said.out
    assert "nothing answers at RAY_ADDRESS=127.0.0.1:1" in said.out
    assert said.err == "a run cannot start: mend what says NO\n"


def test_settings_that_cannot_be_are_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def load() -> None:
        raise SettingsError("unknown setting peple; did you mean people?")

    monkeypatch.setattr(settings, "load", load)
    assert list(doctor.of_settings()) == [("NO", "settings", "unknown setting peple; did you mean people?")]


def test_a_venv_that_no_longer_fits_is_a_finding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(project, "ROOT", tmp_path)
    monkeypatch.setattr("sys.prefix", str(tmp_path / ".venv"))
    monkeypatch.setattr(environment, "fault", lambda root: "its packages are gone")
    assert doctor.of_environment() == ("NO", "environment", "its packages are gone: run `make setup`")
