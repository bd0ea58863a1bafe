"""The journal: what can be watched while a method trains, and what is left of it when a run was killed."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.settings import Models
from pipeline.training import loop
from pipeline.training.logger import CURVE, EVERY, TrainingLogger
from tests.tiny_training import make_plan


def curve(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / CURVE).read_text().splitlines()))


def write(folder: Path, first: int, last: int) -> None:
    """Steps of four images whose loss is their number."""
    with TrainingLogger(folder, True, 4 * first) as journal:
        for step in range(first, last):
            journal.add({"diffusion": float(step), "routing": 1.0}, 4 * (step + 1))


def test_a_line_is_the_mean_of_its_steps(tmp_path: Path) -> None:
    write(tmp_path, 0, EVERY + 2)
    assert curve(tmp_path) == [
        {"images": str(4 * EVERY), "diffusion": str((EVERY - 1) / 2), "routing": "1"},
        {"images": str(4 * (EVERY + 2)), "diffusion": str(EVERY + 0.5), "routing": "1"},
    ]
    shown = json.loads((tmp_path / "live" / "metrics.json").read_text())
    assert shown["loss"] == {"diffusion": EVERY + 0.5, "routing": 1.0}
    assert shown["images"] == 4 * (EVERY + 2)
    assert shown["images_per_second"] > 0


def test_a_killed_run_drops_what_its_checkpoint_does_not_know(tmp_path: Path) -> None:
    write(tmp_path / "whole", 0, 3 * EVERY)
    write(tmp_path / "killed", 0, 2 * EVERY)
    write(tmp_path / "killed", EVERY, 3 * EVERY)  # the last checkpoint was after the first line
    assert curve(tmp_path / "killed") == curve(tmp_path / "whole")


def test_other_ranks_write_nothing(tmp_path: Path) -> None:
    with TrainingLogger(tmp_path, False, 0) as journal:
        for step in range(EVERY):
            journal.add({"diffusion": 1.0}, step + 1)
        journal.show(np.zeros((8, 8, 3), np.uint8))
    assert not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_training_shows_loss_terms_throughput_and_pictures(tmp_path: Path, models: Models) -> None:
    plan = make_plan(tmp_path, models, images=400, preview_images=2)
    loop.fit(plan)
    live = plan.out / "live"
    plots = {path.relative_to(live / "plots" / "metrics").as_posix() for path in live.rglob("*.tsv")}
    assert {"loss/diffusion.tsv", "loss/routing.tsv", "images_per_second.tsv"} <= plots
    with Image.open(live / "plots" / "images" / "preview.png") as picture:
        assert picture.size == (2 * 128, 64)  # of two people each, in the last phase


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_training_without_previews_draws_none(tmp_path: Path, models: Models) -> None:
    plan = make_plan(tmp_path, models, images=16, preview_images=0)
    loop.fit(plan)
    assert not list((plan.out / "live").rglob("*.png"))
