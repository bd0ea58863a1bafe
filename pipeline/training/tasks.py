"""Which cache entries a training needs, named by what makes them."""

from pathlib import Path

from pipeline import method, shards
from pipeline.code import code_fingerprint, plugin
from pipeline.settings import Models


def latent_tasks(samples: list[Path], models: Models) -> list[shards.Task]:
    """One task per samples shard: its latents and texts."""
    made_by = shards.directory_fingerprint(models.backbone), code_fingerprint("pipeline.training.latents")
    return [shards.Task(shards.fingerprint("photos", path.name, *made_by), path) for path in samples]


def feature_tasks(samples: list[Path], models: Models, name: str) -> list[shards.Task]:
    """One task per samples shard: the features of its faces, as the method `name` reads them."""
    made_by = _made_by(models, name)
    return [shards.Task(shards.fingerprint("faces", path.name, *made_by), path) for path in samples]


def null_task(models: Models, name: str) -> shards.Task:
    """The features that stand for no reference; it has no shard."""
    return shards.Task(shards.fingerprint("null", *_made_by(models, name)), None)


def _made_by(models: Models, name: str) -> list[str]:
    made_by = [
        shards.directory_fingerprint(models.recogniser_a),
        shards.directory_fingerprint(models.image_text),
        shards.directory_fingerprint(models.backbone),  # for a method that reads latents
        code_fingerprint("pipeline.training.features", plugin("methods", name)),
    ]
    if method.find(name)[0].control_channels:
        made_by.append(shards.file_fingerprint([Path(models.head)]))
    return made_by
