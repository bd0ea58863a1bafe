"""What the Makefile's commands do to a checkout."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose environment is set up, or so it seems."""
    for name in ("Makefile", "params.yaml", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("pipeline", "profiles"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv/.ready").touch()
    return tmp_path


def start(checkout: Path, *words: str) -> subprocess.Popen[str]:
    command = ["make", f"VENV={checkout / 'venv'}", *words]
    return subprocess.Popen(command, cwd=checkout, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    printed, _ = process.communicate(timeout=60)
    return process.returncode, printed


def test_a_real_run_imports_the_head_when_it_is_absent(checkout: Path) -> None:
    head = checkout / ".work/heads/ict.npz"
    command = "pipeline.head.importers ict ../shared/real/heads/ict_facekit_light.npz .work/heads/ict.npz"
    assert command in finish(start(checkout, "--dry-run", "real"))[1]
    head.parent.mkdir(parents=True)
    head.touch()
    code, printed = finish(start(checkout, "--dry-run", "real"))
    assert code == 0
    assert "dvc repro samples" in printed
    assert "importers" not in printed
