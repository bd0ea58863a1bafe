"""identities: cluster the faces of data/faces into people, clean them and keep their names, into data/identities.

Nothing here reads a label. An identity's name lasts as long as most of its faces stay together.
"""

from argparse import Namespace
from functools import partial
from typing import TYPE_CHECKING

from pipeline import runner

if TYPE_CHECKING:
    from pipeline.settings import Settings

FACES, FOLDER = runner.DATA / "faces", runner.DATA / "identities"


def stage(settings: "Settings", _: Namespace) -> None:
    """Cluster when a face came or went; the shards of before are the memory of names."""
    from pipeline import shards
    from pipeline.identities import summary, tasks, worker

    todo = tasks.tasks(shards.paths(FACES, "faces"), settings.identities)
    wanted = [runner.Wanted(FOLDER, worker.KINDS, todo)]
    runner.make_here(wanted, partial(worker.IdentitiesWorker, settings.identities, FOLDER))
    runner.finish(
        FOLDER,
        summary.summarise(FOLDER),
        "{people} people in {kept} of {faces} faces: {rejects}",
        kept="people",
        nothing="no two of {faces} faces are one person's ({rejects}): look at {folder}, and at "
        "identities.min_faces and identities.min_cohesion in params.yaml",
    )


if __name__ == "__main__":
    runner.run(__doc__, stage)
