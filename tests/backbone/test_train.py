"""Ray Train around the loop."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.backbone import train
from pipeline.backbone.adapter import WEIGHTS
from pipeline.errors import TrainingError
from pipeline.settings import Models
from tests.backbone.conftest import make_plan

pytestmark = [
    pytest.mark.slow,
    # Ray imports its own deprecated settings.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"),
    pytest.mark.filterwarnings("ignore:.*is deprecated:DeprecationWarning"),
]


@pytest.mark.usefixtures("local_ray")
def test_two_ranks_train_and_a_restart_gives_the_same_bytes(tmp_path: Path, models: Models) -> None:
    plan = make_plan(tmp_path, models, images=48, ranks=2)
    for name in ("one", "two"):
        train.launch(replace(plan, out=tmp_path / name))
    assert (tmp_path / "one" / WEIGHTS).read_bytes() == (tmp_path / "two" / WEIGHTS).read_bytes()
    assert not (tmp_path / "one" / "checkpoint.safetensors").exists()


@pytest.mark.usefixtures("local_ray")
def test_what_a_rank_raises_is_raised_here_as_itself(tmp_path: Path, models: Models) -> None:
    plan = make_plan(tmp_path, models, ranks=2, learning_rate=1e30)
    with pytest.raises(TrainingError, match="loss is not finite"):
        train.launch(plan)
