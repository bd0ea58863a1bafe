import functools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline import actors
from pipeline.errors import ClusterError, MissingInput, ShardError
from tests.conftest import ROOT

pytestmark = pytest.mark.usefixtures("local_ray")


class Worker:
    """Doubles its task; on 13 it raises, and while `deadly` tells so it dies on 7."""

    def __init__(self, deadly: Path, deaths: int = 1) -> None:
        self._deadly, self._deaths = deadly, deaths

    def __call__(self, task: int) -> int:
        if task == 13:
            raise ShardError("13 is corrupt")
        if task == 7 and len(list(self._deadly.iterdir())) < self._deaths:
            (self._deadly / str(os.getpid())).touch()
            os._exit(1)
        return 2 * task


def test_every_task_is_answered_once(tmp_path: Path) -> None:
    found = list(actors.map_shards(functools.partial(Worker, tmp_path), range(6), "test"))
    assert sorted(found) == [0, 2, 4, 6, 8, 10]


def test_a_task_whose_actor_dies_goes_to_another(tmp_path: Path) -> None:
    found = list(actors.map_shards(functools.partial(Worker, tmp_path), [1, 7, 2], "test"))
    assert sorted(found) == [2, 4, 14]
    assert len(list(tmp_path.iterdir())) == 1


def test_a_task_that_always_kills_ends_as_an_error(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="workers died 3 times on task 7"):
        list(actors.map_shards(functools.partial(Worker, tmp_path, 99), [7], "test"))


def test_one_bad_task_costs_no_good_one(tmp_path: Path) -> None:
    found: list[int] = []
    with pytest.raises(ShardError, match="13 is corrupt"):
        found.extend(actors.map_shards(functools.partial(Worker, tmp_path), [13, 1, 2, 3], "test"))
    assert sorted(found) == [2, 4, 6]


class Unbuildable:
    def __init__(self, log: Path) -> None:
        with log.open("a") as lines:
            lines.write("built\n")
        raise MissingInput("no weights")

    def __call__(self, task: int) -> int:
        return task


def test_a_worker_that_cannot_be_built_says_why_once_per_actor(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="no weights"):
        list(actors.map_shards(functools.partial(Unbuildable, tmp_path / "log"), range(20), "test", workers=2))
    assert len((tmp_path / "log").read_text().splitlines()) <= 2


def test_workers_have_one_thread_and_the_drivers_folder() -> None:
    assert list(actors.map_shards(_Where, [None], "test")) == [("1", os.getcwd())]


class _Where:
    def __call__(self, _: None) -> tuple[str, str]:
        return os.environ["OMP_NUM_THREADS"], os.getcwd()


def test_no_ray_to_connect_to_is_one_sentence() -> None:
    code = "from pipeline import actors, errors; errors.run(actors.connect)"
    environment = {**os.environ, "RAY_ADDRESS": "127.0.0.1:1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "no Ray to connect to at RAY_ADDRESS=127.0.0.1:1" in done.stderr.splitlines()[-1]


SLOW = """
import pathlib, time
from pipeline import actors, errors

class Slow:
    def __call__(self, task):
        pathlib.Path("begun").touch()
        time.sleep(600)

errors.run(lambda: list(actors.map_shards(Slow, [1, 2], "slow")))
"""


def test_ctrl_c_while_workers_run_is_one_word_and_130(tmp_path: Path) -> None:
    """The signal goes to the whole group, as that of a terminal does."""
    (tmp_path / "slow.py").write_text(SLOW)
    process = subprocess.Popen(
        [sys.executable, "slow.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # type: ignore[arg-type, return-value]
    )
    limit = time.monotonic() + 120
    while not (tmp_path / "begun").exists() and time.monotonic() < limit:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert said.splitlines()[-1] == "interrupted"
    assert "Traceback" not in said
