"""Where the project is, whatever folder a command is called from, and running what it consists of."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import yaml

from pipeline.errors import MissingInput, SettingsError, did_you_mean

ROOT = Path(__file__).resolve().parents[2]
REPORT = ROOT / "reports/latest/index.html"
_called_from = Path()  # until a command begins


def begin() -> None:
    """Remember where the user is, and refuse code that was copied without the rest.

    Raises:
        MissingInput: there is no flow beside this code.
    """
    global _called_from
    _called_from = Path.cwd()
    if not (ROOT / "dvc.yaml").is_file():
        raise MissingInput(
            f"{ROOT} is no checkout of the project: clone it, `make setup`, and call its .venv/bin/likeness"
        )


def enter() -> None:
    """Go to the checkout whose code this is: settings and data lie there, paths in params.yaml begin there."""
    os.chdir(ROOT)


def called_from() -> Path:
    """The folder in which a user is who calls a command."""
    return _called_from


def path(text: str) -> Path:
    """A path that a user gave, as seen from there; as it stands where that is the project."""
    return Path(text) if called_from() == ROOT else called_from() / text


def stages() -> list[str]:
    """The names of the stages in dvc.yaml."""
    return list(yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])


def check_stage(name: str) -> None:
    """Refuse what is no stage; one method's is called <stage>@<method>.

    Raises:
        SettingsError: naming the closest stage.
    """
    if (found := name.partition("@")[0]) not in stages():
        raise SettingsError(f"no stage {found} in dvc.yaml{did_you_mean(found, stages())}")


def run_stage(name: str, words: Sequence[str]) -> NoReturn:
    """Become the stage's own process, in the checkout."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", f"stages.{name}", *words])


def dvc(*words: str) -> int:
    """Run DVC and let it speak for itself; its exit code.

    Raises:
        KeyboardInterrupt: Ctrl-C; DVC has had it too, and has ended.
    """
    stopped: list[int] = []
    here = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": os.pathsep.join([here, os.environ.get("PATH", os.defpath)])}
    with subprocess.Popen([sys.executable, "-m", "dvc", *words], env=environment) as process:
        before = signal.signal(signal.SIGINT, lambda number, _: stopped.append(number))
        code = process.wait()
        signal.signal(signal.SIGINT, before)
    if stopped:
        raise KeyboardInterrupt
    return code
