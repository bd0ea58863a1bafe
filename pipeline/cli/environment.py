"""The environment of a checkout; `make setup` runs this file with a plain Python 3.11, before anything is installed.

It has two parts. What the requirements name, 7 GB, lies once per set of requirements in the user's cache, and clones
share it. `.venv` in the checkout is thin and made in a second: it sees those packages and this checkout's code, has
their commands, and stands first in the PATH of every process that is started from it, so that `python` in dvc.yaml is
this one even where `.venv/bin/dvc` is called by its path. Everything in it but `activate` survives a move of the
checkout; `make setup` mends the rest.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import LikenessError, run

ROOT = Path(__file__).resolve().parents[2]
STAMP = "likeness.txt"  # in .venv: the shared environment and the checkout that it was made for
UNFINISHED = "unfinished"
READY = ".ready"  # in the shared environment
OWN = ("python", "activate", "Activate", "likeness")  # what begins like this is not taken over from the shared one
# Found from where it lies, wherever that is moved to, and whatever signs its path has.
LAUNCHER = """#!/bin/sh
'''exec' "$(dirname -- "$(readlink -f -- "$0")")/python" "$0" "$@"
' '''
"""
COMMAND = f"""{LAUNCHER}import sys
from pipeline.cli.main import main
sys.exit(main())
"""
PATHS = "../../../..\nimport likeness_environment\n"  # the checkout comes before the shared packages
HOOK = '''"""Made by `make setup`: the packages of a shared environment, and this environment first in PATH."""
import os
import site
import sys

site.addsitedir({shared!r})
_here, _path = os.path.join(sys.prefix, "bin"), os.environ.get("PATH", os.defpath)
if _path.partition(os.pathsep)[0] != _here:
    os.environ["PATH"] = _here + os.pathsep + _path
'''


def requirements(root: Path = ROOT) -> list[str]:
    """What pyproject.toml asks for, with the tools of its group `dev`."""
    asked = tomllib.loads((root / "pyproject.toml").read_text())
    return [*asked["project"]["dependencies"], *asked["dependency-groups"]["dev"]]


def shared_folder(root: Path = ROOT) -> Path:
    """Where the packages lie: named by what they were made from, so that clones that need the same share them."""
    made_from = [requirements(root), (root / "constraints.txt").read_text(), sys.version_info[:2]]
    key = hashlib.sha256(json.dumps(made_from).encode()).hexdigest()[:12]
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "likeness" / key


def fault(root: Path = ROOT) -> str | None:
    """What is wrong with a checkout's `.venv`, None where it is as `make setup` would leave it."""
    stamp = root / ".venv" / STAMP
    if not stamp.is_file():
        return "there is no .venv of `make setup`"
    shared, *made_for = stamp.read_text().splitlines()
    if Path(shared).name != shared_folder(root).name:
        return "requirements have changed since `make setup`"
    if made_for != [str(root)]:
        return "the checkout has moved since `make setup`"
    return None if (Path(shared) / READY).is_file() else f"its packages in {shared} are gone"


def set_up(root: Path = ROOT) -> None:
    """Install what the requirements name unless it is there, then make `.venv` unless it fits.

    Raises:
        LikenessError: a package cannot be installed; `.venv` is somebody else's.
    """
    if not fault(root):
        return
    shared = shared_folder(root)
    with _alone(shared):
        if not (shared / READY).is_file():
            _install(shared, root)
    _make_thin(root / ".venv", shared, root)


@contextmanager
def _alone(shared: Path) -> Iterator[None]:
    """Of several clones that are set up at once one installs, and the others wait for it."""
    shared.parent.mkdir(parents=True, exist_ok=True)
    with (shared.parent / f".{shared.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install(shared: Path, root: Path) -> None:
    print(f"installing the requirements in {shared}: 7 GB, a few minutes", flush=True)
    _run(sys.executable, "-m", "venv", str(shared))
    pip = (str(shared / "bin/python"), "-m", "pip", "install", "--quiet")
    _run(*pip, "--upgrade", "pip")
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as wanted:
        wanted.write("\n".join(requirements(root)))
        wanted.flush()
        _run(*pip, "--constraint", str(root / "constraints.txt"), "--requirement", wanted.name)
    (shared / READY).touch()


def _run(*command: str) -> None:
    if subprocess.run(command, check=False).returncode:
        raise LikenessError(f"`{' '.join(command)}` failed: mend what it says above, then `make setup` again")


def _make_thin(venv: Path, shared: Path, root: Path) -> None:
    _clear(venv)
    venv.mkdir()
    (venv / STAMP).write_text(UNFINISHED)
    _run(str(shared / "bin/python"), "-m", "venv", "--without-pip", "--prompt", "likeness", str(venv))
    (packages,) = venv.glob("lib/python*/site-packages")
    (theirs,) = shared.glob("lib/python*/site-packages")
    (packages / "likeness_environment.py").write_text(HOOK.format(shared=str(theirs)))
    (packages / "likeness.pth").write_text(PATHS)
    for script in sorted((shared / "bin").iterdir()):
        if not script.name.startswith(OWN):
            _take_over(script, venv / "bin" / script.name)
    _write_command(venv / "bin/likeness", COMMAND)
    (venv / STAMP).write_text(f"{shared}\n{root}\n")


def _clear(venv: Path) -> None:
    if venv.is_symlink():
        venv.unlink()
    elif (venv / STAMP).is_file():
        shutil.rmtree(venv)
    elif venv.exists():
        raise LikenessError(f"{venv} was not made by `make setup`: move it away, then `make setup` again")


def _take_over(script: Path, here: Path) -> None:
    """A shared package's command, run by this environment's Python; a program of another kind is linked."""
    lines = script.read_bytes().split(b"\n")
    if lines[0].startswith(b"#!") and b"python" in lines[0]:
        _write_command(here, LAUNCHER + b"\n".join(lines[1:]).decode())
    elif lines[1:2] and lines[1].startswith(b"'''exec'"):  # what pip writes where the path is long or has spaces
        _write_command(here, LAUNCHER + b"\n".join(lines[3:]).decode())
    else:
        here.symlink_to(script)


def _write_command(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def main() -> None:
    """Set up this checkout."""
    set_up()


if __name__ == "__main__":
    run(main)
