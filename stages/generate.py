"""Draw the benchmark's cases with one trained method, or make one of the bounds.

Reads data/samples (cases, photos) and data/weights/<method>; writes data/images/<name>. Run
`python -m stages.generate <name>`: a trained method, <method>-<n>_references for the same one with n photos of each
person, or a bound (no_id, pasted_reference, other_photo, vae_roundtrip).
"""

import argparse
from functools import partial
from pathlib import Path

from pipeline import actors, settings, shards
from pipeline.benchmark import fairness
from pipeline.benchmark.bounds import BOUNDS
from pipeline.benchmark.cases import CASES_FILE, load_cases
from pipeline.errors import run
from pipeline.generate.worker import GenerationJob, tasks, with_reference_count, worker
from pipeline.samples.captions import normal
from pipeline.weights.checks import check as check_weights
from pipeline.weights.checks import check_contract

DATA = Path("data")


def main() -> None:
    """Check the fairness contract, then draw the shards that are missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="a trained method, <method>-<n>_references, or a bound")
    name = parser.parse_args().name
    chosen, samples = settings.load(), DATA / "samples"
    fairness.check_recognisers(chosen.models)
    trained, how = with_reference_count(name, chosen.generate)
    weights, out = DATA / "weights" / trained, DATA / "images" / name
    if name not in BOUNDS:
        check_weights(weights, chosen.models)
        check_contract(weights, samples, chosen.train)
    drawing = GenerationJob(name, chosen.models, how, chosen.shapes, samples / CASES_FILE, samples, weights, out)
    check(samples)
    wanted = tasks(drawing)
    shards.remove_stale(out, "images", wanted)
    list(actors.map_shards(partial(worker, drawing), shards.missing(out, "images", wanted), f"images {name}"))
    rejects = shards.read_all(out, "images", ["reject"])["reject"]
    shards.write_metrics(out, {"images": rejects.null_count, "failed": len(rejects) - rejects.null_count})


def check(samples: Path) -> None:
    """Splits, prompts and references of the cases, as the samples stage left them."""
    cases = load_cases(samples / CASES_FILE).cases
    tables = [shards.read_all(samples, split, ["photo_id", "split", "caption", "faces"]) for split in ("train", "test")]
    rows = [row for table in tables for row in table.to_pylist()]
    photos = ((row["photo_id"], row["split"], [face["identity_id"] for face in row["faces"]]) for row in rows)
    fairness.check_splits(photos, cases)
    fairness.check_prompts((row["caption"] for row in rows if row["split"] == "train"), cases, normal)
    for case in cases:
        fairness.check_references(case)


if __name__ == "__main__":
    run(main)
