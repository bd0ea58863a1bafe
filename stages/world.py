"""world: draw a population with known truth and lay out a gallery web site of it, in data/world.

With `world.people: 0` the site is empty: a profile that crawls real pages sets that.
"""

from argparse import Namespace
from functools import partial
from typing import TYPE_CHECKING

from pipeline import runner

if TYPE_CHECKING:
    from pipeline.settings import Settings

FOLDER = runner.DATA / "world"


def stage(settings: "Settings", _: Namespace) -> None:
    """Draw what is missing."""
    from pipeline.world.gallery import summary, tasks, worker

    wanted = [runner.Wanted(FOLDER, ("site", "truth"), tasks.tasks(settings.world))]
    runner.make("draw the world", wanted, partial(worker.Photographer, settings.world, FOLDER))
    runner.finish(FOLDER, summary.summarise(FOLDER), "{photos} photographs of {people} people in {folder}")


if __name__ == "__main__":
    runner.run(__doc__, stage)
