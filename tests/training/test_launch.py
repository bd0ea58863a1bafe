"""Ray Train around the loop."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from tqdm import tqdm

from pipeline.errors import TrainingError
from pipeline.settings import Models
from pipeline.training import launch
from pipeline.weights.checkpoint import WEIGHTS
from tests.tiny_training import make_plan

pytestmark = [
    pytest.mark.slow,
    # Ray imports its own deprecated settings.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"),
    pytest.mark.filterwarnings("ignore:.*is deprecated:DeprecationWarning"),
]


def test_the_bar_follows_the_journal(tmp_path: Path) -> None:
    bar, journal = tqdm(total=100, file=io.StringIO()), tmp_path / "metrics.json"
    launch._advance(bar, journal, begun=0)  # nothing is written yet
    journal.write_text('{"images": 4')  # nor whole
    launch._advance(bar, journal, begun=0)
    journal.write_text('{"images": 100}')  # of a run that ended before this one began
    launch._advance(bar, journal, begun=journal.stat().st_mtime + 1)
    assert (bar.n, bar.initial) == (0, 0)
    for images in (40, 60):
        journal.write_text(json.dumps({"images": images, "loss": {"diffusion": 0.25}}))
        launch._advance(bar, journal, begun=journal.stat().st_mtime)
    assert (bar.n, bar.initial) == (60, 40)  # a run that goes on is not as fast as if it had begun
    assert bar.postfix == "diffusion=0.250"


@pytest.mark.usefixtures("local_ray")
def test_two_ranks_train_and_a_restart_gives_the_same_bytes(tmp_path: Path, models: Models) -> None:
    plan = make_plan(tmp_path, models, images=48, ranks=2)
    for name in ("one", "two"):
        launch.launch(replace(plan, out=tmp_path / name))
    assert (tmp_path / "one" / WEIGHTS).read_bytes() == (tmp_path / "two" / WEIGHTS).read_bytes()
    assert not (tmp_path / "one" / "checkpoint.safetensors").exists()


@pytest.mark.usefixtures("local_ray")
def test_what_a_rank_raises_is_raised_here_as_itself(tmp_path: Path, models: Models) -> None:
    plan = make_plan(tmp_path, models, ranks=2, learning_rate=1e30)
    with pytest.raises(TrainingError, match="loss is not finite"):
        launch.launch(plan)
