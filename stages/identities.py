"""identities: cluster the faces of data/faces into people, clean them and keep their names, into data/identities.

Nothing here reads a label. An identity's name lasts as long as most of its faces stay together.
"""

import argparse
from pathlib import Path

from pipeline import settings, shards
from pipeline.errors import MissingInput, run
from pipeline.identities import worker

FACES, FOLDER = Path("data/faces"), Path("data/identities")


def main() -> None:
    """Cluster when a face came or went."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    chosen = settings.load().identities
    todo = worker.task(shards.paths(FACES, "faces"), chosen)
    worker.make(todo, chosen, FOLDER)
    metrics = worker.summary(FOLDER)
    shards.write_metrics(FOLDER, metrics)
    if not metrics["people"]:
        raise MissingInput(
            f"no two of {metrics['faces']} faces are one person's ({metrics['rejects']}): look at {FOLDER}, "
            "and at identities.min_faces and identities.min_cohesion in params.yaml"
        )
    print(f"{metrics['people']} people in {metrics['kept']} of {metrics['faces']} faces: {metrics['rejects']}")


if __name__ == "__main__":
    run(main)
