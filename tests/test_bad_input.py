"""What a person meets who made a mistake: one clear sentence, a non-zero exit, and nothing made already is lost."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline import images, records, settings, shards
from tests.conftest import ROOT
from tests.test_flow import make_project

pytestmark = pytest.mark.long


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout with one crawled photo."""
    made = make_project(tmp_path)
    crawl_one(made)
    return made


def crawl_one(project: Path) -> Path:
    import numpy as np
    import pyarrow as pa

    row = dict.fromkeys(records.PHOTOS.names, "") | {"photo_id": "a" * 16, "width": 64, "height": 64, "phash": 0}
    pixels = np.full((64, 64, 3), 128, np.uint8)
    row["image"] = {"bytes": images.encode_png(pixels), "path": "a.png"}
    path = project / "data/crawl/photos/one.parquet"
    shards.write(path, pa.Table.from_pylist([row], schema=records.PHOTOS), records.PHOTOS)
    return path


def stage(project: Path, name: str, *words: str, **environment: str) -> str:
    """The last line that a stage says when it fails; anything but exit code 2 fails the test."""
    done = subprocess.run(
        [sys.executable, "-m", f"stages.{name}", *words],
        cwd=project,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 2, done.stderr[-3000:]
    assert "Traceback" not in done.stderr, done.stderr[-3000:]
    return done.stderr.strip().splitlines()[-1]


def override(project: Path, **sections: object) -> None:
    path = project / "params.yaml"
    values = yaml.safe_load(path.read_text())
    for name, section in sections.items():
        values[name] = {**values.get(name, {}), **section} if isinstance(section, dict) else section
    path.write_text(yaml.safe_dump(values))


def test_a_misspelt_setting(project: Path) -> None:
    override(project, crawl={"user_agnet": "x"})
    assert "unknown setting crawl.user_agnet; did you mean user_agent?" in stage(project, "crawl")


@pytest.mark.parametrize("name", ["faces", "shapes", "train"])
def test_a_missing_model(project: Path, name: str) -> None:
    nowhere = dict.fromkeys(("recogniser_a", "head", "backbone", "image_text"), "nowhere")
    override(project, models=nowhere)
    said = stage(project, name, *(["uniportrait"] if name == "train" else []))
    assert said.startswith("error: ")
    assert "nowhere" in said or "shards" in said


def test_a_part_that_is_for_research_only(project: Path) -> None:
    pack = project / "published"
    pack.mkdir()
    (pack / "w600k_r50.onnx").write_bytes(b"weights")
    override(project, models={"recogniser_b": "published"})
    said = stage(project, "crawl")
    assert "models.recogniser_b in published (licence: not stated)" in said
    assert "set models.allow_non_commercial: true" in said
    override(project, models={"allow_non_commercial": True}, crawl={"collection_mode": "found"})
    assert "crawl.collection_mode" in stage(project, "crawl")


@pytest.mark.parametrize("words", [("train", "uniportrait"), ("generate", "uniportrait"), ("evaluate",)])
def test_a_recogniser_that_conditions_and_scores(project: Path, words: tuple[str, ...]) -> None:
    """Before anything is read: nobody trains for hours what may not be drawn."""
    override(project, models={"recogniser_b": settings.load().models.recogniser_a})
    assert "models.recogniser_a and models.recogniser_b have the same recogniser" in stage(project, *words)


def test_an_unknown_method(project: Path) -> None:
    said = stage(project, "train", "uniportrit")
    assert "uniportrait" in said or "shards" in said


def test_an_empty_crawl(project: Path) -> None:
    (project / "pages").mkdir()
    override(project, crawl={"serve": "pages"})
    assert "kept no photo" in stage(project, "crawl")


def test_a_corrupt_shard_is_named_and_the_others_stay(project: Path) -> None:
    good = project / "data/crawl/photos/one.parquet"
    bad = project / "data/crawl/photos/two.parquet"
    data = good.read_bytes()
    bad.write_bytes(data[: len(data) // 2])
    said = stage(project, "faces")
    assert "photos/two.parquet is corrupt" in said
    assert "delete it and run again" in said
    assert good.read_bytes() == data


def test_a_folder_that_cannot_be_written(project: Path) -> None:
    (project / "data/faces").write_text("a file where a folder must be")
    assert "cannot write" in stage(project, "faces")


def test_no_ray_to_connect_to(project: Path) -> None:
    said = stage(project, "faces", RAY_ADDRESS="127.0.0.1:1")
    assert "no Ray to connect to at RAY_ADDRESS=127.0.0.1:1" in said


def test_a_stage_before_its_time(tmp_path: Path) -> None:
    assert "run the stage that makes them" in stage(make_project(tmp_path), "faces")


COMMANDS = [f"stages.{path.stem}" for path in sorted((ROOT / "stages").glob("[a-z]*.py"))]
COMMANDS += ["tests.real.labels", "tests.report.fake_run"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", command, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0
    assert command.rpartition(".")[2] in done.stdout


def test_a_full_disk_stops_the_stage_and_keeps_what_is_finished(project: Path) -> None:
    """A disk of one page, where this user may mount one."""
    small = project / "data/faces"
    small.mkdir()
    mount = shutil.which("mount")
    if not mount or subprocess.run([mount, "-t", "tmpfs", "-o", "size=4k", "none", str(small)]).returncode:
        pytest.skip("this user may not mount a small disk")
    try:
        kept = small / "kept"
        kept.write_bytes(b"finished")
        assert "no space left" in stage(project, "faces")
        assert kept.read_bytes() == b"finished"
    finally:
        subprocess.run(["umount", "-l", str(small)], check=False)
