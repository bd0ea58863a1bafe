"""faces: detect, align, embed and grade every face of data/crawl, into data/faces; rejects keep their reason."""

from argparse import Namespace
from functools import partial
from typing import TYPE_CHECKING

from pipeline import runner

if TYPE_CHECKING:
    from pipeline.settings import Settings

CRAWL, FOLDER = runner.DATA / "crawl", runner.DATA / "faces"


def stage(settings: "Settings", _: Namespace) -> None:
    """Make the missing shards of faces."""
    from pipeline import shards
    from pipeline.faces import summary, tasks, worker

    models = settings.models.recogniser_a
    todo = tasks.tasks(shards.paths(CRAWL, "photos"), settings.faces, models)
    wanted = [runner.Wanted(FOLDER, (worker.KIND,), todo)]
    runner.make("faces", wanted, partial(worker.FacesWorker, settings.faces, models, FOLDER))
    runner.finish(
        FOLDER,
        summary.summarise(FOLDER),
        "{kept} faces kept of {faces} in {photos} photos: {rejects}",
        kept="kept",
        nothing="no face was kept of {photos} photos ({rejects}): look at {folder}, and at faces.detector_size, "
        "faces.detector_threshold and faces.min_face in params.yaml",
    )


if __name__ == "__main__":
    runner.run(__doc__, stage)
