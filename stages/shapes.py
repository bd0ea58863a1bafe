"""Fit the 3D head to every face that has an identity: pose, expression and light per face, one shape per identity.

Reads data/faces, data/identities and, for the light, data/crawl; writes data/shapes. Run: python -m stages.shapes
"""

import argparse
from functools import partial
from pathlib import Path

from pipeline import actors, settings, shards
from pipeline.errors import run
from pipeline.head.model import load_head
from pipeline.shapes import summary
from pipeline.shapes.faces import faces_with_identity, tasks
from pipeline.shapes.worker import PREFIX, ShapeWorker

DATA = Path("data")


def main() -> None:
    """Fit what is missing, then write data/shapes/_metrics.json."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    chosen, out = settings.load(), DATA / "shapes"
    head = Path(chosen.models.head)
    load_head(head)  # a missing model is said before anything else is done
    faces = faces_with_identity(DATA / "faces", DATA / "identities")
    todo = tasks(faces, chosen.shapes, head)
    shards.remove_stale(out, PREFIX, todo)
    worker = partial(ShapeWorker, chosen.shapes, head, DATA / "crawl", out)
    list(actors.map_shards(worker, shards.missing(out, PREFIX, todo), "shapes"))
    summary.write(out)


if __name__ == "__main__":
    run(main)
