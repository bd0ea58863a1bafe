"""`make pack` in small: every part of the model pack drawn, trained, stored and measured, without a committed one."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.pack import settings
from tests.conftest import ROOT

PACK = settings.MODELS.relative_to(ROOT).parent
POPULATION = {"people": 24, "portraits": 4, "groups": 72}
STEPS = 10
# A detector that finds no face leaves nothing to measure recognisers on.
DETECTOR_STEPS = 150


def smaller(params: dict[str, Any]) -> dict[str, Any]:
    """The same parts and networks, fewer people and steps."""
    for population in params["draw"]["populations"].values():
        population.update(POPULATION)
    for phase in params["backbone"]["phases"]:
        phase["training"].update(steps=STEPS, batch=2)
    for part in (params["landmarks"], *params["recogniser"].values(), params["clip"], params["vae"]):
        part["training"].update(steps=STEPS, batch=4)
    params["detector"]["training"].update(steps=DETECTOR_STEPS, batch=8)
    return params


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The code, with a small pack's settings and without the pack."""
    shutil.copytree(ROOT / "pipeline", tmp_path / "pipeline", ignore=shutil.ignore_patterns("__pycache__", "models"))
    shutil.copy(ROOT / ".dvcignore", tmp_path)
    with (tmp_path / PACK / "dvc" / ".dvc" / "config").open("a") as config:
        config.write("    no_scm = true\n")
    params = tmp_path / PACK / "params.yaml"
    params.write_text(yaml.safe_dump(smaller(yaml.safe_load(params.read_text()))))
    return tmp_path


def parts(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}


@pytest.mark.slow
def test_the_pack_is_made_from_nothing(project: Path) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(project), "OMP_NUM_THREADS": "1"}
    for said in ("Running stage", "up to date"):
        done = subprocess.run(
            ["dvc", "repro"], cwd=project / PACK / "dvc", env=environment, capture_output=True, text=True, timeout=3000
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        assert said in done.stdout + done.stderr
    made = project / PACK / "models"
    assert parts(made) == parts(settings.MODELS)
    for card in made.rglob("card.json"):
        assert all("measured" in part for part in json.loads(card.read_text())["parts"].values()), card
