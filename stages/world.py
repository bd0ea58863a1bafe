"""world: draw a population with known truth and lay out a gallery web site of it, in data/world.

With `world.people: 0` the site is empty: a profile that crawls real pages sets that.
"""

import argparse
from functools import partial
from pathlib import Path

from pipeline import actors, settings, shards
from pipeline.errors import run
from pipeline.world.gallery import worker

FOLDER = Path("data/world")


def main() -> None:
    """Draw what is missing."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    world = settings.load().world
    tasks = worker.tasks(world)
    wanted = [*tasks, worker.write_front(FOLDER, tasks)]
    for prefix in ("site", "truth"):
        shards.remove_stale(FOLDER, prefix, wanted)
    absent = {task.key for prefix in ("site", "truth") for task in shards.missing(FOLDER, prefix, tasks)}
    todo = [task for task in tasks if task.key in absent]
    for _ in actors.map_shards(partial(worker.Photographer, world, FOLDER), todo, "draw the world"):
        pass
    metrics = worker.metrics(FOLDER)
    shards.write_metrics(FOLDER, metrics)
    print(f"{metrics['photos']} photographs of {metrics['people']} people in {FOLDER}")


if __name__ == "__main__":
    run(main)
