"""What `make setup` makes of a checkout: its own code, shared packages, and a `python` that is never another one."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from pipeline.cli import environment
from pipeline.errors import LikenessError
from tests.conftest import ROOT

INSTALLED = Path(yaml.__file__).parents[4]  # the environment where this test's packages lie
SAY = "import pipeline, pyarrow, sys; print(sys.prefix, pipeline.__file__, file=open('said', 'w'))"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache in which the requirements of this checkout are installed."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    install()
    return tmp_path / "cache"


def install(root: Path = ROOT) -> None:
    shared = environment.shared_folder(root)
    shared.mkdir(parents=True)
    for part in INSTALLED.iterdir():
        (shared / part.name).symlink_to(part)
    if not (shared / environment.READY).exists():
        (shared / environment.READY).touch()


def clone(folder: Path, version: str = "9.9.9") -> Path:
    """What a checkout needs for its command to say its version, which is not ours."""
    folder.mkdir()
    for name in ("likeness.py", "constraints.txt", "dvc.yaml", "Makefile"):
        shutil.copy(ROOT / name, folder)
    text = (ROOT / "pyproject.toml").read_text().splitlines()
    lines = [f'version = "{version}"' if line.startswith("version =") else line for line in text]
    (folder / "pyproject.toml").write_text("\n".join(lines))
    (folder / "pipeline").mkdir()
    for path in (ROOT / "pipeline").glob("*.py"):
        shutil.copy(path, folder / "pipeline")
    shutil.copytree(ROOT / "pipeline/cli", folder / "pipeline/cli", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def call(*words: object, cwd: Path) -> str:
    """What a command prints in a plain shell, whose PATH knows nothing of us."""
    plain = {name: value for name, value in os.environ.items() if name in ("HOME", "XDG_CACHE_HOME")}
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=plain | {"PATH": "/usr/bin:/bin", "GIT_CONFIG_GLOBAL": os.devnull},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


@pytest.mark.usefixtures("cache")
def test_each_of_two_clones_runs_its_own_code_from_any_folder(tmp_path: Path) -> None:
    clones = {version: clone(tmp_path / f"clone {version}", version) for version in ("1.2.3", "4.5.6")}
    for folder in clones.values():
        environment.set_up(folder)
    assert len({environment.shared_folder(folder) for folder in clones.values()}) == 1
    where = {
        version: call(folder / ".venv/bin/likeness", "--version", cwd=Path("/")) for version, folder in clones.items()
    }
    assert where == {"1.2.3": "likeness 1.2.3", "4.5.6": "likeness 4.5.6"}
    for folder in clones.values():
        found = call(folder / ".venv/bin/python", "-c", "import likeness; print(likeness.__file__)", cwd=tmp_path)
        assert Path(found) == folder / "likeness.py"


@pytest.mark.usefixtures("cache")
def test_python_in_a_stage_is_this_one_where_dvc_is_called_by_its_path(tmp_path: Path) -> None:
    """Also in the copy of the checkout, without `.venv`, in which `dvc exp run --temp` runs: its code is the copy's."""
    folder = clone(tmp_path / "clone")
    environment.set_up(folder)
    stage = {"say": {"cmd": f'python -c "{SAY}"'}}
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stage}))
    (folder / ".gitignore").write_text("/.venv\n/said\n__pycache__\n")
    dvc, git = folder / ".venv/bin/dvc", ("git", "-c", "user.name=a", "-c", "user.email=a@example.com")
    call(*git, "init", "-q", cwd=folder)
    call(dvc, "init", "-q", cwd=folder)
    call(dvc, "repro", cwd=folder)
    assert (folder / "said").read_text().split() == [str(folder / ".venv"), str(folder / "pipeline/__init__.py")]
    call(*git, "add", ".", cwd=folder)
    call(*git, "commit", "-qm", "a", cwd=folder)
    kept = tmp_path / "said"
    (folder / "dvc.yaml").write_text((folder / "dvc.yaml").read_text().replace("'said'", f"'{kept}'"))
    call(dvc, "exp", "run", "--temp", "--force", cwd=folder)
    prefix, code = kept.read_text().split()
    assert prefix == str(folder / ".venv")
    assert folder / ".dvc/tmp/exps" in Path(code).parents


@pytest.mark.usefixtures("cache")
def test_a_clone_that_moved_goes_on_and_is_mended(tmp_path: Path) -> None:
    folder = clone(tmp_path / "clone")
    environment.set_up(folder)
    assert environment.fault(folder) is None
    moved = folder.rename(tmp_path / "moved")
    assert call(moved / ".venv/bin/likeness", "--version", cwd=tmp_path) == "likeness 9.9.9"
    assert "has moved" in (environment.fault(moved) or "")
    environment.set_up(moved)
    assert environment.fault(moved) is None
    assert str(moved) in (moved / ".venv/bin/activate").read_text()


@pytest.mark.usefixtures("cache")
def test_other_requirements_make_another_environment(tmp_path: Path) -> None:
    folder = clone(tmp_path / "clone")
    environment.set_up(folder)
    before = environment.shared_folder(folder)
    with (folder / "constraints.txt").open("a") as constraints:
        constraints.write("onemore==1.0\n")
    assert "requirements have changed" in (environment.fault(folder) or "")
    assert environment.shared_folder(folder) != before
    install(folder)
    environment.set_up(folder)
    assert environment.fault(folder) is None


@pytest.mark.usefixtures("cache")
def test_an_environment_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    folder = clone(tmp_path / "clone")
    (folder / ".venv/bin").mkdir(parents=True)
    with pytest.raises(LikenessError, match="was not made by `make setup`"):
        environment.set_up(folder)
    (folder / ".venv/bin").rmdir()
    (folder / ".venv").rmdir()
    (folder / ".venv").symlink_to(INSTALLED)
    environment.set_up(folder)
    assert not (folder / ".venv").is_symlink()
    assert (INSTALLED / "bin/python").exists()


def test_setting_up_again_takes_no_time_and_needs_no_package(cache: Path, tmp_path: Path) -> None:
    """`make setup` runs with a plain Python."""
    folder = clone(tmp_path / "clone")
    for _ in range(2):
        call("make", "--no-print-directory", f"PYTHON={INSTALLED / 'bin/python'} -S", "setup", cwd=folder)
        stamp = (folder / ".venv/likeness.txt").stat().st_mtime_ns
    call("make", f"PYTHON={INSTALLED / 'bin/python'} -S", "setup", cwd=folder)
    assert (folder / ".venv/likeness.txt").stat().st_mtime_ns == stamp
