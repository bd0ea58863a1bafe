"""Real photographs take the same road: 300 of them from the crawl to training samples, by the real profile."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline import settings, shards
from pipeline.head import importers
from pipeline.head.model import save_head
from tests.conftest import ROOT
from tests.real.labels import agreement, labelled

pytestmark = [pytest.mark.real, pytest.mark.long]

PHOTOS, PER_PERSON = 300, 5
STAGES = ("world", "crawl", "faces", "identities", "shapes", "samples")


def link_photos(source: Path, folder: Path) -> None:
    """Links to the first photographs of people who have more than one."""
    people = [sorted(person.iterdir())[:PER_PERSON] for person in sorted((source / "lfw").iterdir())]
    for photo in [photo for photos in people if len(photos) > 1 for photo in photos][:PHOTOS]:
        (folder / photo.parent.name).mkdir(parents=True, exist_ok=True)
        (folder / photo.parent.name / photo.name).symlink_to(photo)


@pytest.fixture(scope="module")
def data(real_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """data/ of a project that ran the real profile on some photographs."""
    project = tmp_path_factory.mktemp("real")
    link_photos(real_folder, project / "photos")
    shutil.copy(ROOT / "params.yaml", project)
    shutil.copytree(ROOT / "profiles", project / "profiles")
    (project / "pipeline").symlink_to(ROOT / "pipeline")
    profile = project / "profiles" / "real.yaml"
    chosen = yaml.safe_load(profile.read_text().replace("../shared/real", str(real_folder)))
    chosen["crawl"]["serve"] = "photos"
    profile.write_text(yaml.safe_dump(chosen))
    settings.use("real", project / "params.yaml", project / "profiles")
    head = project / chosen["models"]["head"]
    head.parent.mkdir(parents=True)
    save_head(importers.read(real_folder / "heads" / "ict_facekit_light.npz"), head)
    for stage in STAGES:
        run(stage, project)
    return project / "data"


def run(stage: str, project: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", f"stages.{stage}"]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, f"{stage}: {done.stdout[-1000:]}{done.stderr[-2000:]}"


def test_every_photograph_has_a_face(data: Path) -> None:
    rows = shards.read_all(data / "faces", "faces", ["photo_id", "reject"]).to_pylist()
    assert len({row["photo_id"] for row in rows}) >= PHOTOS - 5  # near-duplicates are removed
    assert not [row for row in rows if row["reject"] == "no_face"]


def test_identities_agree_with_the_folder_names(data: Path) -> None:
    assert len(labelled(data)) > 250
    scores = agreement(data)
    assert scores["pairwise"].f >= 0.95, scores
    assert scores["bcubed"].f >= 0.95, scores


def test_a_published_head_fits(data: Path) -> None:
    residual = shards.read_all(data / "shapes", "shapes", ["residual"])["residual"].to_numpy()
    assert residual.mean() < 0.06


def test_samples_are_split_by_person(data: Path) -> None:
    side: dict[str, set[str]] = {}
    for split in ("train", "validation", "test"):
        for row in shards.read_all(data / "samples", split, ["faces", "reject"]).to_pylist():
            for face in row["faces"]:
                side.setdefault(face["identity_id"], set()).add(split)
    assert len(side) > 50
    assert all(len(splits) == 1 for splits in side.values())
