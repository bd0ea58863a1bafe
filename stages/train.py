"""Train one method on the shared backbone, under the fairness contract.

Reads data/samples and the model directories; writes data/weights/<method>: adapter.safetensors with card.json,
curve.csv, _metrics.json and live/. What frozen parts say about the photos is kept in .work/training, a folder that all
workers must see. Run `python -m stages.train <method>`; a run that was killed goes on from its last checkpoint.
"""

from argparse import ArgumentParser, Namespace
from functools import partial
from typing import TYPE_CHECKING

from pipeline import runner

if TYPE_CHECKING:
    from pipeline.settings import Settings

SAMPLES, WEIGHTS = runner.DATA / "samples", runner.DATA / "weights"


def arguments(parser: ArgumentParser) -> None:
    """What is asked beside the settings."""
    parser.add_argument("method", help="a file in pipeline/methods, or <method>-<variant>")


def stage(settings: "Settings", asked: Namespace) -> None:
    """Compute what is frozen once, then train unless these very weights exist."""
    from pipeline.settings import check_method

    check_method(asked.method, "stages.train")  # a misspelt name is answered before torch is loaded
    from pipeline import actors, shards
    from pipeline.benchmark import fairness
    from pipeline.training import cache, features, latents, launch, tasks
    from pipeline.training.plan import TrainingPlan
    from pipeline.weights import checkpoint

    name, models = asked.method, settings.models
    fairness.check_recognisers(models)  # before hours are spent on what no picture may be drawn with
    samples = shards.training_shards(SAMPLES)
    photos, faces = tasks.latent_tasks(samples, models), tasks.feature_tasks(samples, models, name)
    null = tasks.null_task(models, name)
    keys = tuple(task.key for task in photos), tuple(task.key for task in faces), null.key
    plan = TrainingPlan(name, models, settings.train, SAMPLES, *keys, cache.FOLDER, WEIGHTS / name)
    if checkpoint.finished(plan.out, plan.fingerprint):
        print(f"{name} is trained already: {plan.out}")
        return
    for make_worker, todo, label in (
        (partial(latents.LatentWorker, models), photos, "latents and texts"),
        (partial(features.FeatureWorker, models, name), [*faces, null], "references"),
    ):
        list(actors.map_shards(make_worker, cache.unfinished(todo), label))
    launch.launch(plan)
    print(f"{name} is trained: {plan.out}")


if __name__ == "__main__":
    runner.run(__doc__, stage, arguments)
