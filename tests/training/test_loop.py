"""The training loop: budget, schedule, resume after a kill, ranks, and a loss that is not finite."""

import json
import multiprocessing
import time
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch
from torch import distributed

from pipeline import shards
from pipeline.errors import ShardError, TrainingError
from pipeline.settings import Models
from pipeline.training import loop
from pipeline.training.distributed import SINGLE_PROCESS, Ranks
from pipeline.training.optimiser import Gradients
from pipeline.training.plan import TrainingPlan
from pipeline.training.randomness import StepKey
from pipeline.weights.checkpoint import CARD, WEIGHTS, Checkpoint
from tests.tiny_training import make_plan

pytestmark = pytest.mark.long


def test_previews_come_at_every_quarter() -> None:
    assert [step for step in range(8) if loop.preview_due(step, 8)] == [1, 3, 5, 7]
    assert [step for step in range(2) if loop.preview_due(step, 2)] == [0, 1]


def trainer_checkpoint(plan: TrainingPlan) -> Checkpoint:
    return Checkpoint(plan.out / "checkpoint.safetensors", plan.fingerprint)


def _fit(plan: TrainingPlan) -> None:
    loop.fit(plan)


def _phase(plan: TrainingPlan) -> int:
    try:
        state = trainer_checkpoint(plan).read()
    except (RuntimeError, ShardError):  # replaced while it was being opened
        return -1
    return -1 if state is None else state.phase


def _fit_as_rank(plan: TrainingPlan, rank: int, meeting: Path) -> None:
    distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=plan.train.ranks)
    loop.fit(plan, Ranks(rank, plan.train.ranks))


def _started(plan: TrainingPlan, meeting: Path) -> list[BaseProcess]:
    """The ranks of a plan, one process each."""
    fork = multiprocessing.get_context("fork")
    started: list[BaseProcess] = [
        fork.Process(target=_fit_as_rank, args=(plan, rank, meeting)) for rank in range(plan.train.ranks)
    ]
    for process in started:
        process.start()
    return started


def _kill(processes: list[BaseProcess], plan: TrainingPlan, phase: int) -> None:
    """End training processes with SIGKILL once a checkpoint of a phase is written."""
    while _phase(plan) < phase:
        assert all(process.is_alive() for process in processes)
        time.sleep(0.005)
    for process in processes:
        process.kill()
        process.join()


def _run_and_kill(plan: TrainingPlan, phase: int) -> None:
    process = multiprocessing.get_context("fork").Process(target=_fit, args=(plan,))
    process.start()
    _kill([process], plan, phase)


@pytest.mark.parametrize(("phase", "half"), [(0, False), (1, True)])
def test_a_killed_run_ends_with_the_same_bytes(tmp_path: Path, models: Models, phase: int, half: bool) -> None:
    undisturbed, killed = (
        make_plan(tmp_path / name, models, images=400, batch=2, half=half) for name in ("undisturbed", "killed")
    )
    loop.fit(undisturbed)
    _run_and_kill(killed, phase)
    assert not (killed.out / CARD).exists()
    loop.fit(killed)
    for name in (WEIGHTS, CARD, "curve.csv"):
        assert (killed.out / name).read_bytes() == (undisturbed.out / name).read_bytes(), name
    assert not (killed.out / "checkpoint.safetensors").exists()
    measured = json.loads((killed.out / shards.METRICS).read_text())
    assert measured["images_seen"] == 400


def test_two_ranks_that_were_killed_end_with_the_same_bytes(tmp_path: Path, models: Models) -> None:
    undisturbed, killed = (
        make_plan(tmp_path / name, models, images=400, batch=4, ranks=2) for name in ("undisturbed", "killed")
    )
    _kill(_started(killed, tmp_path / "first"), killed, phase=0)
    assert not (killed.out / CARD).exists()
    for plan in (undisturbed, killed):
        for process in _started(plan, tmp_path / f"{plan.out.parent.name}-meeting"):
            process.join()
            assert process.exitcode == 0
    for name in (WEIGHTS, CARD, "curve.csv"):
        assert (killed.out / name).read_bytes() == (undisturbed.out / name).read_bytes(), name


def test_two_ranks_follow_the_gradient_of_one(tmp_path: Path, models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mean of the ranks' gradients is that of the whole batch, but for what the layers draw themselves."""
    plan = make_plan(tmp_path, models, "uniportrait-no_drop", images=4)
    found = {}
    for size in (1, 2):
        trainers = [loop.Trainer(plan, Ranks(rank, size)) for rank in range(size)]
        total = []
        for trainer in trainers:
            phase = trainer.phases[0]
            gradients = Gradients(trainer.optimiser(phase).parameters, len(phase.losses))
            monkeypatch.setattr(Ranks, "sum", lambda self, values: None)
            monkeypatch.setattr("pipeline.training.optimiser.CLIP", 1e9)
            trainer._step(phase, StepKey(1, 1, 0), trainer.data.eligible((1, 1))[:4], gradients)
            total.append(gradients.flat.clone())
        found[size] = torch.stack(total).sum(0)
    assert found[1].norm() > 0
    assert torch.allclose(found[1], found[2], atol=1e-6)


def test_steps_show_from_one_reference_to_all_of_them_and_every_rank_as_many(tmp_path: Path, models: Models) -> None:
    plan = make_plan(tmp_path, models)
    first, second = (loop.Trainer(plan, Ranks(rank, 2)) for rank in range(2))
    phase = replace(first.phases[0], references=3)
    counts = [first.batches.references(phase, StepKey(1, 1, step)) for step in range(40)]
    assert set(counts) == {1, 2, 3}
    assert counts == [second.batches.references(phase, StepKey(1, 1, step)) for step in range(40)]
    given = first.batches.at(replace(phase, references=1), StepKey(1, 1, 0), [0, 1]).batch.people.given
    assert given.shape[-1] == 1


@pytest.mark.parametrize("close_ups", [0.0, 1.0])
def test_what_a_step_is_given_lies_on_the_backbones_device(tmp_path: Path, models: Models, close_ups: float) -> None:
    """An accelerator stood for by the device that has no memory: what is left elsewhere is found all the same."""
    trainer = loop.Trainer(make_plan(tmp_path, models, close_ups=close_ups), SINGLE_PROCESS)
    trainer.backbone.device = torch.device("meta")
    trainer.backbone.alphas = trainer.backbone.alphas.to("meta")
    given = trainer.batches.at(trainer.phases[0], StepKey(1, 1, 0), [0, 1])
    batch = given.batch
    assert batch.layout is not None
    found = [given.latents, given.noisy, given.times, given.target, given.weights, given.embeddings]
    found += [batch.text.ids, batch.text.hidden, batch.people.given, *batch.people.features.values()]
    found += [batch.layout.boxes, batch.layout.landmarks]
    assert {each.device.type for each in found} == {"meta"}


def test_a_loss_that_is_not_finite_ends_training_with_one_sentence(tmp_path: Path, models: Models) -> None:
    plan = make_plan(tmp_path, models, learning_rate=1e30)
    with pytest.raises(TrainingError, match=r"loss is not finite in phase single at step \d+.*learning_rate"):
        loop.fit(plan)


def test_so_does_a_gradient_of_which_the_loss_shows_nothing(
    tmp_path: Path, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = Gradients.clip

    def broken(gradients: Gradients) -> float:
        gradients.flat[0] = float("inf")
        return clip(gradients)

    monkeypatch.setattr(Gradients, "clip", broken)
    with pytest.raises(TrainingError, match=r"the gradient's norm is inf\).*train again"):
        loop.fit(make_plan(tmp_path, models))


def test_a_batch_that_ranks_cannot_share_is_refused(tmp_path: Path, models: Models) -> None:
    plan = make_plan(tmp_path, models, batch=3)
    with pytest.raises(TrainingError, match="cannot be shared evenly by 2 ranks"):
        loop.Trainer(plan, Ranks(0, 2))
