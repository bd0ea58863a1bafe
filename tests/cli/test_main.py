"""The command `likeness`: what it answers at once, and from whatever folder it is called."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from pipeline.benchmark import cases
from pipeline.cli import evaluate, main, project
from tests.conftest import ROOT

STAGES = sorted(path.stem for path in (ROOT / "stages").glob("[a-z]*.py"))
HEAVY = ("torch", "diffusers", "transformers", "ray", "insightface", "onnxruntime", "numba")
# Runs a module as `python -m` does and says which heavy libraries it has imported when it ends.
WATCHED = (
    "import runpy, sys; sys.argv = sys.argv[1:]\n"
    "try: runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)\n"
    f"finally: print('heavy:', [name for name in {HEAVY} if name in sys.modules])"
)
SECONDS = 2.0


def likeness(*words: object, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    text = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from pipeline.cli.main import main; main()"
    command = [sys.executable, "-c", text, *map(str, words)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)


def refused(*words: object, cwd: Path = ROOT) -> str:
    """What a command says that ends with exit code 2, all of it on stderr and without a traceback."""
    done = likeness(*words, cwd=cwd)
    assert (done.returncode, done.stdout) == (2, ""), done
    assert "Traceback" not in done.stderr
    return done.stderr


def watched(module: str, *words: str) -> str:
    command = [sys.executable, "-c", WATCHED, module, *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120).stdout


@pytest.mark.parametrize("name", main.COMMANDS)
def test_help_imports_nothing_heavy(name: str) -> None:
    text = (
        f"import sys; from pipeline.cli.main import main; sys.argv = ['likeness', {name!r}, '--help']\n"
        "try: main()\n"
        f"finally: print('heavy:', [each for each in {HEAVY} if each in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert f"likeness {name}" in done.stdout
    assert "heavy: []" in done.stdout


@pytest.mark.parametrize("name", STAGES)
def test_help_of_a_stage_imports_nothing_heavy(name: str) -> None:
    said = watched(f"stages.{name}", "--help")
    assert "usage" in said
    assert "heavy: []" in said


def test_help_and_a_typo_answer_at_once() -> None:
    """The best of three: another process of a busy machine must not fail the test."""
    for words in (["--help"], ["evalute"], ["draw", "--promt", "x"], ["use", "wrld"]):
        taken = []
        for _ in range(3):
            begun = time.monotonic()
            likeness(*words)
            taken.append(time.monotonic() - begun)
        assert min(taken) < SECONDS, words


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["evalute"], "no command evalute; did you mean evaluate?"),
        (["draw", "--promt", "x"], "unknown option --promt; did you mean --prompt?"),
        (["use", "wrld"], "did you mean world?"),
        (["run", "smaples"], "no stage smaples in dvc.yaml; did you mean samples?"),
        (["convert", "uniportrit", "a.bin", "b"], "no method uniportrit; did you mean uniportrait?"),
        (["convert", "head", "a.npz", "b.npz", "c.npz"], "a head is one file, 2 were given"),
        (["convert", "head", "nowhere.npz", "b.npz"], "nowhere.npz: check its path"),
        (["evaluate", "--protocol", "fre"], "invalid choice"),
    ],
)
def test_a_typo_says_what_may_have_been_meant(words: list[str], said: str, tmp_path: Path) -> None:
    assert said in refused(*words, cwd=tmp_path)


def test_a_misspelt_method_is_said_before_anything_is_loaded(tmp_path: Path) -> None:
    words = ["draw", "--method", "uniportrit", "--person", "a.png", "--prompt", "x", "--out", "x.png"]
    assert "did you mean uniportrait?" in refused(*words, cwd=tmp_path)


def test_settings_are_those_of_the_checkout_from_any_folder(tmp_path: Path) -> None:
    found = yaml.safe_load(likeness("settings", cwd=tmp_path).stdout)
    assert found["profile"] == yaml.safe_load((ROOT / "params.yaml").read_text())["profile"]


def test_a_reader_that_stops_early_is_no_error() -> None:
    text = f'set -o pipefail; "{sys.executable}" -c "from pipeline.cli.main import main; main()" settings | head -1'
    done = subprocess.run(["bash", "-c", text], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.stdout.startswith("profile:")


def test_the_version_is_that_of_the_project() -> None:
    assert likeness("--version").stdout == f"likeness {main.version()}\n"


def test_names_that_are_kept_light_are_those_of_the_rest() -> None:
    assert evaluate.PROTOCOLS == cases.PROTOCOLS
    assert project.stages()[:2] == ["world", "crawl"]
    assert set(STAGES) <= set(project.stages())


def test_a_head_that_is_none_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("not a head")
    assert "text.npz is no head that can be read (it is neither" in refused(
        "convert", "head", "text.npz", "out.npz", cwd=tmp_path
    )
    assert [path.name for path in tmp_path.iterdir()] == ["text.npz"]


def test_the_python_names_load_when_they_are_used() -> None:
    text = f"import likeness, sys; print([name for name in {HEAVY} if name in sys.modules], dir(likeness))"
    done = subprocess.run([sys.executable, "-c", text], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[] ['Options', 'Portrait', 'read']"
    import likeness
    from pipeline import inference

    assert (likeness.Portrait, likeness.Options, likeness.read) == (
        inference.Portrait,
        inference.Options,
        inference.read,
    )
    with pytest.raises(AttributeError, match="likeness has no Portrat"):
        getattr(likeness, "Portrat")  # noqa: B009
