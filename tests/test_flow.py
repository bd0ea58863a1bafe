"""The whole flow on a tiny world: one `dvc repro`, a second that does nothing, kills, and a Ray started by hand."""

import csv
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from pipeline import settings
from tests.conftest import ROOT

pytestmark = pytest.mark.long

TINY = {
    "world": {"people": 24, "portraits_per_person": 5, "groups": 16, "circle": 6, "photos_per_shard": 40},
    "crawl": {"photos_per_shard": 50},
    "samples": {"test_share": 0.5, "validation_share": 0.0, "cases": [6, 4, 2], "seeds": 1},
    "train": {"images": 64, "batch": 16, "preview_images": 1},
    "generate": {"steps": 2},
    "report": {"draws": 100, "gallery_cases": 2},
}
# In data order; each is killed in the middle and must then finish with the bytes that an undisturbed run gives.
KILLABLE = ["world", "crawl", "faces", "identities", "shapes", "samples", "train", "generate", "evaluate", "report"]


def run(command: str, project: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command.split(), cwd=project, env=_environment(**environment), capture_output=True, text=True, timeout=900
    )


def _environment(**extra: str) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1", "OMP_NUM_THREADS": "1", **extra}


def make_project(folder: Path) -> Path:
    """A checkout of this project with a tiny profile."""
    for name in ("pipeline", "stages", "profiles", ".dvc"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "cache", "tmp"))
    for name in ("dvc.yaml", "params.yaml", ".dvcignore"):
        shutil.copy(ROOT / name, folder)
    (folder / "profiles" / "tiny.yaml").write_text(yaml.safe_dump(TINY))
    settings.use("tiny", folder / "params.yaml", folder / "profiles")
    with (folder / ".dvc" / "config").open("a") as config:
        config.write("    no_scm = true\n")
    return folder


def digests(folder: Path) -> dict[str, str]:
    """The bytes of every shard below a folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".parquet", ".safetensors", ".csv")
    }


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = make_project(tmp_path_factory.mktemp("flow"))
    done = run("dvc repro", made)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return made


def test_one_command_makes_a_report(project: Path) -> None:
    page = (project / "reports/latest/index.html").read_text()
    assert "uniportrait" in page
    rows = list(csv.DictReader((project / "reports/latest/leaderboard.csv").read_text().splitlines()))
    assert list(rows[0]) == ["protocol", "people", "method", "metric", "better", "mean", "low", "high", "n", "missing"]
    assert {"uniportrait", "no_id", "shuffled_id", "pasted_reference", "other_photo", "vae_roundtrip"} <= {
        row["method"] for row in rows
    }
    assert {"sim_heldout", "sim_share"} <= {row["metric"] for row in rows}
    assert all(float(row["low"]) <= float(row["mean"]) <= float(row["high"]) for row in rows if row["mean"])


def test_a_second_run_does_nothing(project: Path) -> None:
    done = run("dvc repro", project)
    assert "up to date" in done.stdout + done.stderr
    assert "Running stage" not in done.stdout


def test_dvc_shows_metrics_and_plots(project: Path) -> None:
    assert "sim_heldout" in run("dvc metrics show", project).stdout
    assert run("dvc plots show --out .plots", project).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("stage", KILLABLE)
def test_a_killed_stage_finishes_with_the_same_bytes(project: Path, stage: str) -> None:
    folder, command = _work_of(stage)
    before = digests(project / folder)
    kept = project / "kept"
    shutil.move(project / folder, kept)
    shutil.rmtree(project / ".work" / stage, ignore_errors=True)
    try:
        _kill_when_something_is_there(project, folder, command)
        done = run(f"{sys.executable} -m {command}", project)
        assert done.returncode == 0, done.stderr[-3000:]
        assert digests(project / folder) == before
    finally:
        shutil.rmtree(project / folder)
        shutil.move(kept, project / folder)


def _work_of(stage: str) -> tuple[str, str]:
    if stage in ("train", "generate", "evaluate"):
        place = {"train": "weights", "generate": "images", "evaluate": "scores"}[stage]
        return f"data/{place}/uniportrait", f"stages.{stage} uniportrait"
    return ("reports/latest" if stage == "report" else f"data/{stage}"), f"stages.{stage}"


def _kill_when_something_is_there(project: Path, folder: str, command: str) -> None:
    """SIGKILL the stage and its children as soon as its folder holds a file, or after it ended."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command.split()],
        cwd=project,
        env=_environment(),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    limit = time.monotonic() + 300
    while process.poll() is None and time.monotonic() < limit:
        if any(path.is_file() for path in (project / folder).rglob("*")):
            break
        time.sleep(0.02)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture
def ray_by_hand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The dashboard address of a Ray that was started with `ray start`, elsewhere than in the project."""
    ports = [_free_port() for _ in range(3)]  # the agent's own: a Ray of another test may hold the usual one
    folder = tmp_path_factory.mktemp("r")
    start = (
        f"ray start --head --block --node-ip-address=127.0.0.1 --port={ports[0]} --dashboard-host=127.0.0.1 "
        f"--dashboard-port={ports[1]} --dashboard-agent-listen-port={ports[2]} --disable-usage-stats --num-cpus=2 "
        "--object-store-memory=200000000"
    )
    process = subprocess.Popen(
        start.split(),
        cwd=folder,
        env=_environment(RAY_AUTH_MODE="disabled"),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        address = f"http://127.0.0.1:{ports[1]}"
        _wait_for(ports[1])
        _wait_for_an_agent(address, folder)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def _wait_for(port: int) -> None:
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise TimeoutError(f"nothing listens on port {port}")


def _wait_for_an_agent(address: str, folder: Path) -> None:
    """The dashboard listens some seconds before anything can run a job."""
    limit, job = time.monotonic() + 120, f"ray job submit --address {address} -- true"
    while time.monotonic() < limit:
        done = subprocess.run(job.split(), env=_environment(RAY_AUTH_MODE="disabled"), cwd=folder, capture_output=True)
        if done.returncode == 0:
            return
        time.sleep(1)
    raise TimeoutError(f"{address} runs no job: {done.stdout.decode()[-1000:]} {done.stderr.decode()[-1000:]}")


@pytest.mark.slow
def test_a_submitted_job_gives_the_same_shards(project: Path, ray_by_hand: str, tmp_path: Path) -> None:
    other = make_project(tmp_path / "cluster")
    job = [
        "ray", "job", "submit", "--address", ray_by_hand,
        "--runtime-env-json", '{"env_vars": {"RAY_AUTH_MODE": "disabled"}}',
        "--", "sh", "-c", f"cd {other} && dvc repro samples",
    ]  # fmt: skip
    done = subprocess.run(
        job, env=_environment(RAY_AUTH_MODE="disabled"), capture_output=True, text=True, timeout=600, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for stage in ("world", "crawl", "faces", "identities", "shapes", "samples"):
        assert digests(other / "data" / stage) == digests(project / "data" / stage), stage
