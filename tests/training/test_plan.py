"""What a training is made from, and how its budget is cut."""

from pathlib import Path

from pipeline.settings import Models
from pipeline.training.plan import earlier_steps, phase_steps
from tests.tiny_training import make_plan


def test_the_budget_is_shared_out_whole() -> None:
    assert phase_steps(1000, [0.6, 0.4]) == [600, 400]
    assert sum(phase_steps(7, [0.33, 0.33, 0.34])) == 7
    assert phase_steps(7, []) == []


def test_a_phase_goes_on_where_the_last_one_with_as_many_people_ended() -> None:
    assert earlier_steps([(1, 1), (1, 1), (2, 4), (1, 1), (2, 4)], [3, 5, 7, 11, 13]) == [0, 3, 0, 8, 7]
    assert earlier_steps([], []) == []


def test_other_settings_are_another_run(tmp_path: Path, models: Models) -> None:
    plan = make_plan(tmp_path, models)
    others = [make_plan(tmp_path, models, seed=1), make_plan(tmp_path, models, "uniportrait-no_drop")]
    assert len({plan.fingerprint, *(other.fingerprint for other in others)}) == 3
    assert plan.fingerprint == make_plan(tmp_path, models, checkpoint_seconds=5.0).fingerprint
