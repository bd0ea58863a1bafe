"""Training on Ray Train: the stage calls `launch`, ranks run the plain loop. With actors.py all that imports ray."""

import json
import os
import pickle
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from pipeline import actors
from pipeline.errors import ClusterError, LikenessError

if TYPE_CHECKING:
    from pipeline.training.plan import TrainingPlan

POLL_SECONDS = 2.0


def launch(plan: "TrainingPlan") -> None:
    """Train on `plan.train.ranks` workers of the Ray that is connected to, or of a local one.

    Raises:
        LikenessError: what a rank raised.
        ClusterError: the workers could not be started, or died.
    """
    actors.connect()
    import ray
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer
    from ray.train.v2.api.exceptions import TrainingFailedError

    gpu = ray.cluster_resources().get("GPU", 0) >= plan.train.ranks
    storage = tempfile.mkdtemp(prefix="train-")  # Ray Train wants a folder; the loop keeps its own checkpoints
    trainer = TorchTrainer(
        _rank,
        # as bytes, so that Ray's controller, which only passes it on, need not import torch and diffusers
        train_loop_config={"plan": pickle.dumps(plan), "folder": os.getcwd()},
        scaling_config=ScalingConfig(num_workers=plan.train.ranks, use_gpu=gpu),
        torch_config=TorchConfig(backend="nccl" if gpu else "gloo"),
        run_config=RunConfig(name=plan.method, storage_path=storage),
    )
    try:
        with _progress(plan):
            trainer.fit()
    except TrainingFailedError as error:
        raise _cause(error) or ClusterError(f"training {plan.method} ended on Ray's side: {error}") from error
    finally:
        shutil.rmtree(storage, ignore_errors=True)


def _rank(config: dict[str, Any]) -> None:
    """One worker: a Ray started by hand runs its processes elsewhere, so go to the project first."""
    os.chdir(config["folder"])
    from torch import distributed

    from pipeline.training.distributed import Ranks
    from pipeline.training.loop import fit

    fit(pickle.loads(config["plan"]), Ranks(distributed.get_rank(), distributed.get_world_size()))


def _cause(error: BaseException) -> LikenessError | None:
    """The error of ours that a rank raised, found in what Ray wraps round it."""
    for found in getattr(error, "worker_failures", {}).values():
        inner = getattr(found, "cause", None) or found
        if isinstance(inner, LikenessError):
            return inner
    return None


@contextmanager
def _progress(plan: "TrainingPlan") -> Iterator[None]:
    """Show images seen while the ranks, whose output Ray keeps to itself, log what they did."""
    done, begun = threading.Event(), time.time()
    with tqdm(total=plan.train.images, desc=f"train {plan.method}", unit="image", mininterval=1.0) as bar:

        def follow() -> None:
            while not done.wait(POLL_SECONDS):
                _advance(bar, plan.out / "live" / "metrics.json", begun)

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def _advance(bar: Any, log: Path, begun: float) -> None:
    try:
        if log.stat().st_mtime < begun:  # an earlier run's
            return
        seen = json.loads(log.read_text())
    except (OSError, ValueError):  # not written yet, or being written just now
        return
    images = int(seen.get("images", 0))
    if not bar.n:  # what was seen before a kill is not this run's speed
        bar.initial = images
    bar.update(images - bar.n)
    bar.set_postfix({name: f"{value:.3f}" for name, value in seen.get("loss", {}).items()}, refresh=False)
