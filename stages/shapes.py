"""Fit the 3D head to every face that has an identity: pose, expression and light per face, one shape per identity.

Reads data/faces, data/identities and, for the light, data/crawl; writes data/shapes. Run: python -m stages.shapes
"""

from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import runner

if TYPE_CHECKING:
    from pipeline.settings import Settings

DATA, FOLDER = runner.DATA, runner.DATA / "shapes"


def stage(settings: "Settings", _: Namespace) -> None:
    """Fit what is missing."""
    from pipeline.head.model import load_head
    from pipeline.shapes import summary, tasks, worker
    from pipeline.shapes.faces import faces_with_identity

    head = Path(settings.models.head)
    load_head(head)  # a missing model is said before anything else is done
    todo = tasks.tasks(faces_with_identity(DATA / "faces", DATA / "identities"), settings.shapes, head)
    wanted = [runner.Wanted(FOLDER, (worker.KIND,), todo)]
    runner.make("shapes", wanted, partial(worker.ShapeWorker, settings.shapes, head, DATA / "crawl", FOLDER))
    runner.finish(
        FOLDER,
        summary.summarise(FOLDER),
        "{fitted} of {faces} faces of {identities} people fitted: {rejected}",
        kept="fitted",
        nothing="the head fits none of {faces} faces ({rejected}): look at {folder}, and at shapes.max_residual and "
        "models.head in params.yaml",
    )


if __name__ == "__main__":
    runner.run(__doc__, stage)
