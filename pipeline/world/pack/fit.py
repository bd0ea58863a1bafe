"""One training loop for the small networks of the pack: fixed number of steps, checkpoints, resume.

Batch `i` depends on the seed and `i` alone, so a killed training resumes with the very batches it would have seen.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from pipeline import shards

CHECKPOINT = "checkpoint.pt"
SECONDS_BETWEEN_CHECKPOINTS = 60.0


@dataclass(frozen=True)
class Training:
    """How long and how fast a network learns."""

    steps: int
    batch: int  # images per step
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
) -> float:
    """Train `model` in place; `batch_at(i)` makes batch i on the host. Returns the seconds it took over all runs.

    `after(i)` is called after step i, before its checkpoint. A checkpoint of other settings, another network or
    other data (`data` names them, see `draw.version`) is not resumed.
    """
    where = device()
    model.to(where).to(memory_format=layout)
    optimiser = torch.optim.AdamW(model.parameters(), training.rate, weight_decay=training.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, training.rate, training.steps, pct_start=0.15)
    key = shards.fingerprint(training, data, [(name, list(value.shape)) for name, value in model.state_dict().items()])
    state = _Checkpoint(folder / CHECKPOINT, key, {"model": model, "optimiser": optimiser, "schedule": schedule})
    step, seconds = state.load()
    saved = started = time.monotonic()
    before = seconds
    model.train()
    bar = tqdm(range(step, training.steps), initial=step, total=training.steps, desc=folder.name, mininterval=5)
    for index in bar:
        value = _step(model, batch_at(index), loss, optimiser, index / training.steps, where)
        schedule.step()
        if after is not None:
            after(index)
        seconds = before + time.monotonic() - started
        if index % 50 == 0:
            bar.set_postfix(loss=f"{value.item():.3f}")
        if time.monotonic() - saved > SECONDS_BETWEEN_CHECKPOINTS or index + 1 == training.steps:
            state.save(index + 1, seconds)
            saved = time.monotonic()
    return seconds


def _step(
    model: nn.Module, batch: Batch, loss: Loss, optimiser: torch.optim.Optimizer, done: float, where: torch.device
) -> Tensor:
    moved = {name: value.to(where, non_blocking=True) for name, value in batch.items()}
    # bfloat16 halves the time of a step where the processor has instructions for it (AVX-512 bf16).
    with torch.autocast(where.type, torch.bfloat16):
        value = loss(model, moved, done)
    optimiser.zero_grad(set_to_none=True)
    value.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
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
