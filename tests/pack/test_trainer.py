"""The training loop: learns, resumes where it was, and does not resume something else; settings and export."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from pipeline.encoders.residual import ConvNorm, fold
from pipeline.pack import export, settings, trainer
from pipeline.pack.recognition import nets
from pipeline.training.distributed import Ranks

TRAINING = trainer.Training(steps=30, batch=8, rate=0.05, weight_decay=0.0, seed=5)


class Killed(Exception):
    """Stands for a process that is killed."""


def batch_at(index: int) -> trainer.Batch:
    x = torch.from_numpy(np.random.default_rng([5, index]).normal(size=(8, 3)).astype(np.float32))
    return {"x": x, "y": x.sum(1, keepdim=True)}


def noting(seen: list[int]) -> Callable[[int], trainer.Batch]:
    """`batch_at`, which writes down what it was asked for."""

    def batch(index: int) -> trainer.Batch:
        seen.append(index)
        return batch_at(index)

    return batch


def loss(model: nn.Module, batch: trainer.Batch, done: float) -> Tensor:
    return (model(batch["x"]).float() - batch["y"]).square().mean()


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Linear(3, 1)


def test_a_killed_training_ends_like_one_that_ran_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trainer, "SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    whole, halved = network(), network()
    trainer.fit(whole, batch_at, loss, TRAINING, tmp_path / "whole")

    def until_ten(index: int) -> trainer.Batch:
        if index == 10:
            raise Killed
        return batch_at(index)

    with pytest.raises(Killed):
        trainer.fit(halved, until_ten, loss, TRAINING, tmp_path / "halved")
    seen: list[int] = []
    resumed = network()
    trainer.fit(resumed, noting(seen), loss, TRAINING, tmp_path / "halved")
    assert seen == list(range(10, 30))
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)
    assert loss(whole, batch_at(99), 1.0) < loss(network(), batch_at(99), 1.0)


def test_other_settings_or_data_are_not_resumed(tmp_path: Path) -> None:
    trainer.fit(network(), batch_at, loss, TRAINING, tmp_path, data="old")
    seen: list[int] = []
    trainer.fit(network(), noting(seen), loss, TRAINING, tmp_path, data="old")
    assert seen == []
    trainer.fit(network(), noting(seen), loss, TRAINING, tmp_path, data="new")
    assert seen == list(range(30))


def train(ranks: Ranks) -> float:
    """Leaves the weights where the test looks; what is launched must be a function of a module."""
    folder = Path(os.environ["LIKENESS_TEST_FOLDER"]) / f"ranks-{ranks.size}"
    model = network()
    seconds = trainer.fit(
        model, taking_turns(ranks), loss, replace(TRAINING, batch=8 // ranks.size), folder, ranks=ranks
    )
    if ranks.rank == 0:
        torch.save(model.state_dict(), folder / "weights.pt")
    return seconds


def taking_turns(ranks: Ranks) -> Callable[[int], trainer.Batch]:
    """Pieces of `batch_at`, so that all ranks' batches of a step are one batch of the test."""

    def batch(index: int) -> trainer.Batch:
        step, part = divmod(index, ranks.size)
        return {name: value.chunk(ranks.size)[part] for name, value in batch_at(step).items()}

    return batch


def test_two_ranks_learn_what_one_learns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIKENESS_TEST_FOLDER", str(tmp_path))
    for size in (1, 2):
        assert trainer.launch(train, size) > 0
    one, two = (torch.load(tmp_path / f"ranks-{size}" / "weights.pt") for size in (1, 2))
    # bfloat16 products of halves of a batch are rounded differently
    assert all(torch.allclose(one[name], two[name], atol=0.02) for name in one)


def test_folding_keeps_outputs_and_leaves_no_normalisation() -> None:
    torch.manual_seed(0)
    for net, side in (
        (nets.PlainNet(8, [8, 8, 8], [1, 1, 1], 16), 112),
        (nets.BottleneckNet([16, 16, 16], [1, 1, 1], 4, 16), 112),
        (nets.LandmarkNet(8, [8, 8, 8], [1, 1, 1], 4), 192),
    ):
        for _ in range(2):
            net(torch.randn(4, 3, side, side))
        x = torch.randn(2, 3, side, side)
        before = net.eval()(x)
        assert torch.allclose(fold(net)(x), before, atol=1e-4)
        assert not any(isinstance(part, nn.BatchNorm2d | nn.BatchNorm1d) for part in net.modules())


def test_stored_weights_are_halves_and_run_as_floats(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(ConvNorm(3, 16, 3, 2), nn.Flatten())
    export.round_weights(fold(net))
    export.store_onnx(net, tmp_path / "net.onnx", (1, 3, 32, 32), {"x": {0: "n"}, "y": {0: "n"}})
    kinds = {
        tensor.data_type for tensor in onnx.load(str(tmp_path / "net.onnx")).graph.initializer if len(tensor.dims) > 1
    }
    assert kinds == {onnx.TensorProto.FLOAT16}
    x = torch.randn(5, 3, 32, 32)
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"), providers=["CPUExecutionProvider"])
    assert np.abs(session.run(None, {"x": x.numpy()})[0] - net(x).detach().numpy()).max() < 1e-4


def test_large_matrices_are_stored_with_eight_bits_that_torch_halves_hold_exactly(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(1024, 64))
    before = net[1].weight.detach().clone()
    export.round_weights(net)
    weight = net[1].weight.detach()
    assert torch.equal(weight, weight.half().float())
    assert (weight - before).norm() < 0.01 * before.norm()
    export.store_onnx(net, tmp_path / "net.onnx", (1, 1024), {"x": {0: "n"}, "y": {0: "n"}})
    assert (tmp_path / "net.onnx").stat().st_size < 1.1 * weight.numel()
    x = torch.randn(5, 1024)
    session = onnxruntime.InferenceSession(str(tmp_path / "net.onnx"), providers=["CPUExecutionProvider"])
    assert np.abs(session.run(None, {"x": x.numpy()})[0] - net(x).detach().numpy()).max() < 1e-4


def test_unknown_and_missing_settings_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"unknown settings \['stepz'\]"):
        settings.fill(trainer.Training, {"stepz": 1}, "detector.training")
    with pytest.raises(ValueError, match=r"detector\.training"):
        settings.fill(trainer.Training, {"steps": 1}, "detector.training")
    with pytest.raises(KeyError, match="no section 'detectro'"):
        settings.section("detectro")


def test_what_was_finished_is_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIKENESS_TEST_FOLDER", str(tmp_path))
    seconds = trainer.once(train, 1, tmp_path / "work")
    (tmp_path / "ranks-1" / "weights.pt").unlink()
    assert trainer.once(train, 1, tmp_path / "work") == seconds
    assert not (tmp_path / "ranks-1" / "weights.pt").exists()


def test_no_step_is_longer_than_the_clipped_gradient_allows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Descent(torch.optim.SGD):
        """Steps as long as gradients: what Adam would hide."""

        def __init__(self, parameters: Any, rate: float, **_: Any) -> None:
            super().__init__(parameters, rate)

    monkeypatch.setattr(torch.optim, "AdamW", Descent)
    one = replace(TRAINING, steps=1)
    moved = {}
    for clip in (1e-3, 1e3):
        model = network()
        before = model.weight.detach().clone()
        trainer.fit(model, batch_at, loss, one, tmp_path / str(clip), clip=clip)
        moved[clip] = (model.weight - before).norm().item()
    assert moved[1e-3] < 1e-2 * moved[1e3]
