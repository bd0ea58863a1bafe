"""One training loop for the small networks of the pack: fixed number of steps, checkpoints, resume.

Batch `i` depends on the seed and `i` alone, so a killed training resumes with the very batches it would have seen.
Several ranks take their batches in turn and share the mean of their gradients.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, multiprocessing, nn
from tqdm import tqdm

from pipeline import shards
from pipeline.precision import autocast
from pipeline.training.distributed import SINGLE_PROCESS, Ranks

CHECKPOINT = "checkpoint.pt"
SECONDS_BETWEEN_CHECKPOINTS = 60.0


@dataclass(frozen=True)
class Training:
    """How long and how fast a network learns."""

    steps: int
    batch: int  # images per step and rank
    rate: float  # the highest learning rate of the one-cycle schedule
    weight_decay: float
    seed: int


Batch = dict[str, Tensor]
Loss = Callable[[nn.Module, Batch, float], Tensor]  # model, batch, share of the training that is done, in [0, 1)


def device() -> torch.device:
    """An accelerator where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def fit(
    model: nn.Module,
    batch_at: Callable[[int], Batch],
    loss: Loss,
    training: Training,
    folder: Path,
    layout: torch.memory_format = torch.channels_last,
    after: Callable[[int], None] | None = None,
    data: str = "",
    ranks: Ranks = SINGLE_PROCESS,
    clip: float = 5.0,
) -> float:
    """Train `model` in place; `batch_at(i)` makes batch i on the host. Returns the seconds it took over all runs.

    `after(i)` is called after step i, before its checkpoint; `clip` is the largest norm of a gradient. A checkpoint of
    other settings, another network or other data (`data` names them, see `draw.version`) is not resumed.
    """
    where = device()
    model.to(where).to(memory_format=layout)
    optimiser = torch.optim.AdamW(model.parameters(), training.rate, weight_decay=training.weight_decay, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, training.rate, training.steps, pct_start=0.15)
    shapes = [(name, list(value.shape)) for name, value in model.state_dict().items()]
    key = shards.fingerprint(training, data, ranks.size, shapes)
    state = _Checkpoint(folder / CHECKPOINT, key, {"model": model, "optimiser": optimiser, "schedule": schedule})
    step, seconds = state.load()
    saved = started = time.monotonic()
    before = seconds
    model.train()
    left, silent = range(step, training.steps), ranks.rank > 0
    bar = tqdm(left, initial=step, total=training.steps, desc=folder.name, mininterval=5, disable=silent)
    for index in bar:
        batch = batch_at(index * ranks.size + ranks.rank)
        value = _step(model, batch, loss, optimiser, index / training.steps, where, ranks, clip)
        schedule.step()
        if after is not None:
            after(index)
        seconds = before + time.monotonic() - started
        if index % 50 == 0:
            bar.set_postfix(loss=f"{value.item():.3f}")
        due = time.monotonic() - saved > SECONDS_BETWEEN_CHECKPOINTS or index + 1 == training.steps
        if ranks.rank == 0 and due:
            state.save(index + 1, seconds)
            saved = time.monotonic()
    return seconds


def launch(run: Callable[[Ranks], float], size: int) -> float:
    """`run` in `size` processes that can sum tensors, or here where one is enough. Returns what rank 0 returned.

    `run` must be a function of a module.
    """
    torch.set_num_threads(1)
    if size == 1:
        return run(SINGLE_PROCESS)
    with tempfile.TemporaryDirectory() as folder:
        multiprocessing.spawn(_rank, (run, size, Path(folder)), nprocs=size)
        return float((Path(folder) / "result").read_text())


def once(run: Callable[[Ranks], float], size: int, work: Path) -> float:
    """`launch`, unless it was finished before in this working folder. Returns the seconds it took."""
    done = work / "seconds"
    if not done.exists():
        seconds = launch(run, size)
        work.mkdir(parents=True, exist_ok=True)
        done.write_text(str(seconds))
    return float(done.read_text())


def _rank(rank: int, run: Callable[[Ranks], float], size: int, folder: Path) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", f"file://{folder / 'meeting'}", rank=rank, world_size=size)
    found = run(Ranks(rank, size))
    if rank == 0:
        (folder / "result").write_text(str(found))
    distributed.destroy_process_group()


def _share(parameters: Iterable[nn.Parameter], ranks: Ranks) -> None:
    """Replace gradients by their mean over the ranks."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    ranks.sum(flat)
    flat /= ranks.size
    for gradient, part in zip(gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True):
        gradient.copy_(part.view_as(gradient))


def _step(
    model: nn.Module,
    batch: Batch,
    loss: Loss,
    optimiser: torch.optim.Optimizer,
    done: float,
    where: torch.device,
    ranks: Ranks,
    clip: float,
) -> Tensor:
    moved = {name: value.to(where, non_blocking=True) for name, value in batch.items()}
    with autocast(where):
        value = loss(model, moved, done)
    optimiser.zero_grad(set_to_none=True)
    value.backward()
    if ranks.size > 1:
        _share(model.parameters(), ranks)
    torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
    optimiser.step()
    return value.detach()


class _Checkpoint:
    """The state of a training on disk, written under a temporary name and renamed."""

    def __init__(self, path: Path, key: str, parts: dict[str, Any]) -> None:
        self._path, self._key, self._parts = path, key, parts

    def load(self) -> tuple[int, float]:
        """Steps done and seconds spent; (0, 0) where nothing fits."""
        if not self._path.exists():
            return 0, 0.0
        state = torch.load(self._path, map_location="cpu", weights_only=True)
        if state["key"] != self._key:
            return 0, 0.0
        for name, part in self._parts.items():
            part.load_state_dict(state[name])
        return state["step"], state["seconds"]

    def save(self, step: int, seconds: float) -> None:
        state = {name: part.state_dict() for name, part in self._parts.items()}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(".writing")
        torch.save({"key": self._key, "step": step, "seconds": seconds, **state}, temporary)
        os.replace(temporary, self._path)
