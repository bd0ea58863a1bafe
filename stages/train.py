"""Train one method on the shared backbone, under the fairness contract.

Reads data/samples and the model directories; writes data/weights/<method>: adapter.safetensors with card.json,
curve.csv, _metrics.json and live/. What frozen parts say about the photos is kept in .work/training, a folder that all
workers must see. Run `python -m stages.train <method>`; a run that was killed goes on from its last checkpoint.
"""

import argparse
from functools import partial
from pathlib import Path

from pipeline import actors, settings
from pipeline.benchmark import fairness
from pipeline.errors import run
from pipeline.shards import training_shards
from pipeline.training import cache, launch
from pipeline.training.plan import TrainingPlan
from pipeline.weights import checkpoint

SAMPLES, WEIGHTS = Path("data/samples"), Path("data/weights")


def main() -> None:
    """Compute what is frozen once, then train unless these very weights exist."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("method", help="a file in pipeline/methods, or <method>-<variant>")
    name = parser.parse_args().method
    loaded = settings.load()
    fairness.check_recognisers(loaded.models)  # before hours are spent on what no picture may be drawn with
    samples = training_shards(SAMPLES)
    photos = cache.latent_tasks(samples, loaded.models)
    faces = cache.feature_tasks(samples, loaded.models, name)
    keys = tuple(task.key for task in photos), tuple(task.key for task in faces)
    plan = TrainingPlan(name, loaded.models, loaded.train, SAMPLES, *keys, cache.FOLDER, WEIGHTS / name)
    if checkpoint.finished(plan.out, plan.fingerprint):
        print(f"{name} is trained already: {plan.out}")
        return
    for made in (
        actors.map_shards(partial(cache.LatentWorker, loaded.models), cache.unfinished(photos), "latents and texts"),
        actors.map_shards(partial(cache.FeatureWorker, loaded.models, name), cache.unfinished(faces), "references"),
    ):
        list(made)
    launch.launch(plan)


if __name__ == "__main__":
    run(main)
