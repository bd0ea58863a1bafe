"""Tiny models and data for the tests of training, made once."""

import functools
import tempfile
from pathlib import Path

import pytest

from pipeline.settings import Models, TrainSettings
from pipeline.shards import training_shards
from pipeline.training import features, latents, tasks
from pipeline.training.plan import TrainingPlan
from tests import tiny_models

_SHARED = tempfile.TemporaryDirectory(prefix="tiny-training-")  # removed when the process ends


@pytest.fixture(scope="session", params=["sd", "sdxl"])
def any_models(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Models:
    """Model directories with an SD-1.5-like, then with an SDXL-like backbone."""
    return tiny_models.models(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    """Model directories with an SD-1.5-like backbone."""
    return tiny_models.models(tmp_path_factory.mktemp("models"))


@functools.cache
def _shared(models: Models, name: str) -> tuple[Path, Path, tuple[str, ...], tuple[str, ...], str]:
    """Tiny samples, a filled cache and its keys: no training changes them, so that a process makes them once."""
    folder = Path(tempfile.mkdtemp(dir=_SHARED.name))
    samples, kept = tiny_models.samples(folder / "samples"), folder / "cache"
    files = training_shards(samples)
    photos, faces = tasks.latent_tasks(files, models), tasks.feature_tasks(files, models, name)
    for task in photos:
        latents.LatentWorker(models, kept)(task)
    null = tasks.null_task(models, name)
    for task in [*faces, null]:
        features.FeatureWorker(models, name, kept)(task)
    return samples, kept, tuple(task.key for task in photos), tuple(task.key for task in faces), null.key


def train_settings(**changes: object) -> TrainSettings:
    """A budget of some steps."""
    values = {
        "images": 160,
        "batch": 4,
        "ranks": 1,
        "learning_rate": 1e-3,
        "min_snr_gamma": 5.0,
        "face_weight": 2.0,
        "close_ups": 0.5,
        "half": False,
        "checkpoint_seconds": 0.0,
        "preview_images": 0,
        "seed": 0,
    }
    return TrainSettings(**{**values, **changes})


def make_plan(folder: Path, models: Models, name: str = "uniportrait", **changes: object) -> TrainingPlan:
    """A plan for some steps on tiny samples, with the cache filled, whose weights go below `folder`."""
    samples, kept, *keys = _shared(models, name)
    return TrainingPlan(name, models, train_settings(**changes), samples, *keys, kept, folder / "out")
