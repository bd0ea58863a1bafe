"""Pack photos with captions and faces into training shards, split by identity; choose references and benchmark cases.

Reads data/crawl, data/faces, data/identities, data/shapes; writes data/samples. Run: python -m stages.samples
"""

import argparse
from functools import partial
from pathlib import Path

from pipeline import actors, settings, shards
from pipeline.benchmark import cases as benchmark
from pipeline.benchmark import fairness
from pipeline.benchmark.build import read_spec
from pipeline.errors import run
from pipeline.head.model import load_head
from pipeline.samples import captions
from pipeline.samples import cases as cast
from pipeline.samples.faces import FaceTable
from pipeline.samples.selection import decide, tasks
from pipeline.samples.summary import summary
from pipeline.samples.worker import SampleWorker

DATA = Path("data")


def main() -> None:
    """Write what is missing of the shards, then the reference sets and the case list, and check the contract."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    chosen, out = settings.load(), DATA / "samples"
    wanted = read_spec(chosen.samples.benchmark)
    faces = FaceTable(DATA)
    photos = decide(DATA, faces, chosen.samples, wanted.all_prompts())
    todo = tasks(photos, faces, chosen.samples)
    for kind, found in todo.items():
        shards.remove_stale(out, kind, found)
    missing = [task for kind, found in todo.items() for task in shards.missing(out, kind, found)]
    list(actors.map_shards(partial(SampleWorker, DATA), missing, "samples"))

    rows = cast.reference_rows(photos, faces, chosen.samples)
    people = cast.eligible_people(rows)
    cases = cast.cases(wanted, people, photos, faces, load_head(chosen.models.head), chosen.samples)
    kept = [photo for photo in photos if not photo.reject]
    fairness.check_splits(((photo.photo_id, str(photo.split), photo.identity_ids) for photo in kept), cases.cases)
    fairness.check_prompts((p.caption for p in kept if p.split == "train"), cases.cases, captions.normal)
    for case in cases.cases:
        fairness.check_references(case)
    cast.write_references(rows, out)
    benchmark.save_cases(cases, out / benchmark.CASES_FILE)
    shards.write_metrics(out, summary(photos, people, cases))


if __name__ == "__main__":
    run(main)
