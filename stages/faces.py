"""faces: detect, align, embed and grade every face of data/crawl, into data/faces; rejects keep their reason."""

import argparse
from functools import partial
from pathlib import Path

from pipeline import actors, settings, shards
from pipeline.errors import MissingInput, run
from pipeline.faces.summary import summary
from pipeline.faces.worker import PREFIX, FacesWorker, tasks

CRAWL, FOLDER = Path("data/crawl"), Path("data/faces")


def main() -> None:
    """Make the missing shards of faces."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    chosen = settings.load()
    models = chosen.models.recogniser_a
    todo = tasks(shards.paths(CRAWL, "photos"), chosen.faces, models)
    shards.remove_stale(FOLDER, PREFIX, todo)
    worker = partial(FacesWorker, chosen.faces, models, FOLDER)
    list(actors.map_shards(worker, shards.missing(FOLDER, PREFIX, todo), "faces"))
    metrics = summary(FOLDER)
    shards.write_metrics(FOLDER, metrics)
    if not metrics["kept"]:
        raise MissingInput(
            f"no face was kept of {metrics['photos']} photos ({metrics['rejects']}): look at {FOLDER}, and at "
            "faces.detector_size, faces.detector_threshold and faces.min_face in params.yaml"
        )
    print(f"{metrics['kept']} faces kept of {metrics['faces']} in {metrics['photos']} photos: {metrics['rejects']}")


if __name__ == "__main__":
    run(main)
