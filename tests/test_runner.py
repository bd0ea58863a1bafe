"""What every stage does alike: which shards it makes, in which order stale ones go, and what it says."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline import actors, runner, shards
from pipeline.errors import MissingInput
from tests.conftest import ROOT

SCHEMA = pa.schema([("value", pa.string())])
STAGES = sorted(path.stem for path in (ROOT / "stages").glob("[a-z]*.py"))


class Worker:
    """Writes two kinds of shards; `seen` is told what lay in the folder at each call."""

    def __init__(self, folder: Path, seen: list[set[str]]) -> None:
        self._folder, self._seen = folder, seen

    def __call__(self, task: shards.Task) -> None:
        self._seen.append(kept(self._folder))
        for kind in ("left", "right"):
            table = pa.table({"value": [task.inputs]}, schema=SCHEMA)
            shards.write(shards.path_of(self._folder, kind, task.key), table, SCHEMA)


def kept(folder: Path) -> set[str]:
    """The values in the shards of the kind right."""
    try:
        return set(shards.read_all(folder, "right")["value"].to_pylist())
    except MissingInput:
        return set()


def wanted(folder: Path, *names: str) -> list[runner.Wanted]:
    return [runner.Wanted(folder, ("left", "right"), [shards.Task(name, name) for name in names])]


@pytest.fixture
def without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    def in_process(make: Callable[[], Any], tasks: Sequence[Any], label: str) -> Iterator[Any]:
        return map(make(), tasks) if tasks else iter(())

    monkeypatch.setattr(actors, "map_shards", in_process)


@pytest.mark.usefixtures("without_ray")
def test_only_missing_shards_are_made_after_stale_ones_went(tmp_path: Path) -> None:
    seen: list[set[str]] = []
    runner.make("", wanted(tmp_path, "a", "b"), lambda: Worker(tmp_path, seen))
    runner.make("", wanted(tmp_path, "b", "c"), lambda: Worker(tmp_path, seen))
    assert seen == [set(), {"a"}, {"b"}]
    assert kept(tmp_path) == {"b", "c"}


@pytest.mark.usefixtures("without_ray")
def test_a_task_is_missing_when_one_of_its_kinds_is(tmp_path: Path) -> None:
    runner.make("", wanted(tmp_path, "a", "b"), lambda: Worker(tmp_path, []))
    shards.path_of(tmp_path, "left", "b").unlink()
    assert [task.key for task in wanted(tmp_path, "a", "b")[0].missing()] == ["b"]


def test_a_worker_of_this_process_reads_the_shards_of_before(tmp_path: Path) -> None:
    seen: list[set[str]] = []
    runner.make_here(wanted(tmp_path, "a"), lambda: Worker(tmp_path, seen))
    runner.make_here(wanted(tmp_path, "b"), lambda: Worker(tmp_path, seen))
    assert seen == [set(), {"a"}]
    assert kept(tmp_path) == {"b"}


def test_a_stage_that_kept_nothing_ends_in_a_sentence_and_leaves_its_metrics(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runner.finish(tmp_path, {"kept": 2, "rejects": {"a": 1}}, "{kept} kept in {folder}: {rejects}", "kept", "none")
    assert capsys.readouterr().out == f"2 kept in {tmp_path}: {{'a': 1}}\n"
    with pytest.raises(MissingInput, match="nothing of 1"):
        runner.finish(tmp_path, {"kept": 0, "photos": 1}, "{kept}", "kept", "nothing of {photos}")
    assert '"kept": 0' in (tmp_path / shards.METRICS).read_text()


@pytest.mark.parametrize("name", STAGES)
def test_help_and_typos_are_answered_before_anything_heavy_is_imported(name: str) -> None:
    script = (
        "import runpy, sys\n"
        f"sys.argv = ['stages.{name}', sys.argv[1]]\n"
        f"try: runpy.run_module('stages.{name}', run_name='__main__')\n"
        "finally: print(sorted({'torch', 'ray', 'onnxruntime', 'cv2', 'scipy', 'diffusers'} & set(sys.modules)))\n"
    )
    for word, code in (("--help", 0), ("--hepl", 2)):
        command = [sys.executable, "-c", script, word]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert done.returncode == code, done.stderr
        assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_script_is_a_few_lines(name: str) -> None:
    assert len((ROOT / "stages" / f"{name}.py").read_text().splitlines()) <= 65
