"""One thread per process, whatever shell a command is called from; measured in processes of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import process
from tests.conftest import ROOT

SAY = "import torch, os; print(torch.get_num_threads(), os.environ['NUMBA_NUM_THREADS'])"


def said(text: str, **environment: str) -> str:
    """What a program prints in a shell where nobody has set threads."""
    plain = {name: value for name, value in os.environ.items() if not name.endswith(("_THREADS", "_THRESHOLD_"))}
    command = [sys.executable, "-c", text]
    done = subprocess.run(command, cwd=ROOT, env=plain | environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("first", ["pipeline import settings", "pipeline.cli import main", "stages import train"])
def test_torch_has_one_thread(first: str) -> None:
    """Whatever of pipeline/ or stages/ is imported, its package comes first, and so does `begin`."""
    assert said(f"from {first}; {SAY}") == "1 1"


def test_threads_that_a_user_sets_are_kept() -> None:
    assert said(f"import pipeline; {SAY}", OMP_NUM_THREADS="2") == "2 1"
    assert said(f"import pipeline; {SAY}", LIKENESS_THREADS="2") == "2 2"
    assert said(f"import pipeline; {SAY}", LIKENESS_THREADS="many") == "1 1"


def test_workers_are_given_the_same_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIKENESS_THREADS", raising=False)
    assert process.thread_limits() == dict.fromkeys(process.THREAD_VARIABLES, "1")


def test_freed_arrays_are_kept() -> None:
    """Of 64 MB that are freed, the process still has most; glibc's default gives all of them back."""
    text = (
        "import pipeline, numpy as np, sys\n"
        "np.ones(2**23)\n"
        "pages = int(open('/proc/self/statm').read().split()[1])\n"
        "print(pages * 4096 > 64 * 2**20)"
    )
    if not Path("/proc/self/statm").exists():
        pytest.skip("this system does not say how much memory a process has")
    assert said(text) == "True"
    assert said(text.replace("import pipeline, ", "import ")) == "False"
