"""Tiny models and data for the tests of training, made once."""

from pathlib import Path

import pytest

from pipeline.settings import Models, TrainSettings
from pipeline.shards import training_shards
from pipeline.training import features, latents, tasks
from pipeline.training.plan import TrainingPlan
from tests import tiny_models


@pytest.fixture(scope="session", params=["sd", "sdxl"])
def any_models(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Models:
    """Model directories with an SD-1.5-like, then with an SDXL-like backbone."""
    return tiny_models.models(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    """Model directories with an SD-1.5-like backbone."""
    return tiny_models.models(tmp_path_factory.mktemp("models"))


def make_plan(folder: Path, models: Models, name: str = "uniportrait", **changes: object) -> TrainingPlan:
    """A plan for some steps on tiny samples below `folder`, with the cache filled."""
    samples = tiny_models.samples(folder / "samples")
    files, kept = training_shards(samples), folder / "cache"
    photos, faces = tasks.latent_tasks(files, models), tasks.feature_tasks(files, models, name)
    for task in photos:
        latents.LatentWorker(models, kept)(task)
    for task in faces:
        features.FeatureWorker(models, name, kept)(task)
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
        "preview_images": 1,
        "seed": 0,
    }
    keys = tuple(task.key for task in photos), tuple(task.key for task in faces)
    return TrainingPlan(name, models, TrainSettings(**{**values, **changes}), samples, *keys, kept, folder / "out")
