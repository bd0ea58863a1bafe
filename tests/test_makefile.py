"""What the Makefile's commands do to a checkout; a stub stands for the command `likeness`."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT

SAY = "grep -xE '(profile: .*|- hifi_portrait)' params.yaml >> said"
USE = f"""exec {sys.executable} -c 'import sys; from pipeline import settings; settings.use(sys.argv[1])' "$2" """
STUB = f"""#!/bin/sh
case "$1" in
    use) {USE};;
    run) {SAY}; [ -z "$DVC_FAILS" ] || exit 3; [ -z "$DVC_WAITS" ] || exec sleep 60;;
    *) {SAY}; echo "$@" >> said;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose command is a stub; `make PYTHON=true` sets nothing up."""
    for name in ("Makefile", "params.yaml", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("pipeline", "profiles"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/likeness").write_text(STUB)
    (tmp_path / ".venv/bin/likeness").chmod(0o755)
    return tmp_path


def start(checkout: Path, *words: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["make", "PYTHON=true", *words],
        cwd=checkout,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        # A test run in the background ignores SIGINT, and so would make.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # type: ignore[arg-type, return-value]
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str]:
    printed, _ = process.communicate(timeout=60)
    return process.returncode, printed


def test_a_published_run_keeps_its_report_and_puts_the_profile_back(checkout: Path) -> None:
    before = (checkout / "params.yaml").read_text()
    code, printed = finish(start(checkout, "published"))
    assert code == 0, printed
    said = (checkout / "said").read_text().splitlines()
    assert said[::2] == ["profile: published", "profile: published", "report --publish"]
    assert (checkout / "params.yaml").read_text() == before


def test_a_published_run_that_fails_keeps_no_report_and_puts_the_profile_back(checkout: Path) -> None:
    before = (checkout / "params.yaml").read_text()
    code, _ = finish(start(checkout, "published", DVC_FAILS="yes"))
    assert code != 0
    assert (checkout / "said").read_text().splitlines()[0] == "profile: published"
    assert (checkout / "params.yaml").read_text() == before


def test_the_heart_is_three_systems_for_the_run_alone(checkout: Path) -> None:
    before = (checkout / "params.yaml").read_text()
    code, printed = finish(start(checkout, "heart"))
    assert code == 0, printed
    said = (checkout / "said").read_text().splitlines()
    assert said == ["profile: heart", "- hifi_portrait"]
    assert (checkout / "params.yaml").read_text() == before


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_published_run_puts_the_profile_back(checkout: Path, kind: signal.Signals) -> None:
    before = (checkout / "params.yaml").read_text()
    process = start(checkout, "published", DVC_WAITS="yes")
    limit = time.monotonic() + 60
    while not (checkout / "said").exists() and time.monotonic() < limit:
        time.sleep(0.05)
    os.killpg(process.pid, kind)
    code, printed = finish(process)
    assert code != 0, printed
    assert (checkout / "params.yaml").read_text() == before


def test_a_real_run_imports_the_head_when_it_is_absent(checkout: Path) -> None:
    head = checkout / ".work/heads/ict.npz"
    command = "likeness convert head ../shared/real/heads/ict_facekit_light.npz .work/heads/ict.npz"
    assert command in finish(start(checkout, "--dry-run", "real"))[1]
    head.parent.mkdir(parents=True)
    head.touch()
    code, printed = finish(start(checkout, "--dry-run", "real"))
    assert code == 0
    assert "likeness run samples" in printed
    assert "convert" not in printed
