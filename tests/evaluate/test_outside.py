"""Judges from outside: columns of their own, on the scale of the benchmark's photographs, in shards of their own."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline import settings, shards
from pipeline.errors import MissingInput, SettingsError
from pipeline.evaluate import outside, summary, tasks
from pipeline.metric import Calibration
from tests import toy_pack
from tests.benchmark import fairness_data
from tests.evaluate import test_worker
from tests.evaluate.test_worker import CASES

data, params = test_worker.data, test_worker.params


def judged(params: settings.Settings, folder: Path, name: str) -> settings.Settings:
    """The same settings with one more judge, a copy of the toy recogniser under a name."""
    (folder / name).mkdir()
    toy_pack.write(folder / name)
    judges = (*params.models.outside, str(folder / name))
    return replace(params, models=replace(params.models, outside=judges))


def run(params: settings.Settings, root: Path) -> Mapping[str, list[shards.Task]]:
    """Make what is missing, as the stage does."""
    seen, scores = tasks.real_tasks(params, root / "samples"), root / "scores"
    real = outside.real_tasks(params, scores / "real", seen)
    for task in shards.missing(scores / "real", outside.KIND, real):
        outside.RealWorker(str(scores / "real"))(task)
    scored = tasks.score_tasks(params, "ours", root / "samples", root / "images", seen)
    todo = outside.score_tasks(params, scores / "ours", scored, real)
    worker = outside.ScoreWorker(str(root / "samples"), str(scores))
    for task in shards.missing(scores / "ours", outside.KIND, todo):
        worker(task)
    return {"real": real, "ours": todo}


def test_a_judge_scores_matched_faces_and_a_second_one_makes_nothing_again(
    data: Path,
    params: settings.Settings,
    tmp_path: Path,
) -> None:
    one = judged(params, tmp_path, "Toy-1")
    first = run(one, data)
    table = shards.read_all(data / "scores/ours", outside.KIND).to_pandas()
    assert set(table["metric"]) == {"outside_toy_1"}
    assert set(table["method"]) == {"ours"}
    # The face is the person's own, as far as the toy tells: what one person's photographs average is 1.
    own = table[(table["case_id"] == CASES[0].case_id) & (table["protocol"] == "layout")]
    assert own["value"].tolist() == pytest.approx([1.0, 1.0], abs=0.05)
    lost = table[(table["case_id"] == CASES[2].case_id) & (table["protocol"] == "layout")]
    assert lost["value"].tolist() == [0.0, 0.0]
    assert lost["missing"].all()
    before = {path: path.stat().st_mtime_ns for path in (data / "scores").rglob("*.parquet")}
    two = judged(one, tmp_path, "toy2")
    second = run(two, data)
    for folder, made in first.items():
        assert {task.key for task in made} < {task.key for task in second[folder]}
    assert {path: path.stat().st_mtime_ns for path in before} == before
    # The main scores' shards do not know of judges; the report does, and wants what is there now.
    seen = [tasks.real_tasks(each, data / "samples") for each in (params, two)]
    assert seen[0] == seen[1]
    scales = summary.of_real(data / "scores/real")["calibration"]
    assert scales["toy_1"]["genuine"] == pytest.approx(scales["b"]["genuine"])
    tasks.check_scored(two, ["ours"], data)
    with pytest.raises(MissingInput, match="does not fit"):
        tasks.check_scored(one, ["ours"], data)


def test_scores_are_the_person_minus_strangers_by_hand() -> None:
    """Held-out photographs at cosines 0.9 and 0.7; strangers average 0.6, one person 0.9: (0.8 - 0.6) / 0.3 = 2/3."""
    case = replace(fairness_data.case("a", "b"), layout=())
    here = np.array([1.0, 0.0])
    seen = {shot.face_id: np.array([0.9, np.sqrt(0.19)]) for shot in case.people[0].held_out}
    last = case.people[0].held_out[-1].face_id
    shots = len(case.people[0].held_out)
    seen[last] = np.array([0.7, np.sqrt(0.51)])
    mean = (0.9 * (shots - 1) + 0.7) / shots
    found = list(outside.scores_of("dlib", case, {0: here}, outside.Gallery(seen, Calibration(0.6, 0.9, 0.8))))
    assert [(each.metric, each.slot, each.missing) for each in found] == [
        ("outside_dlib", 0, False), ("outside_dlib", 1, True)
    ]  # fmt: skip
    assert [each.value for each in found] == pytest.approx([(mean - 0.6) / 0.3, 0.0])


def test_names_in_tables() -> None:
    assert outside.titles(["dlib:weights", "../packs/Buffalo L/"]) == {
        "dlib": "dlib:weights",
        "buffalo_l": "../packs/Buffalo L/",
    }
    with pytest.raises(SettingsError, match="would call alike, found a/x, b/X"):
        outside.titles(["a/x", "b/X"])


def test_a_card_is_in_no_main_number_and_not_ranked() -> None:
    card = outside.card("dlib")
    assert (card.name, card.main, card.outside) == ("outside_dlib", False, True)
