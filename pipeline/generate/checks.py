"""The fairness contract, before anything is drawn."""

from pathlib import Path

from pipeline import shards
from pipeline.benchmark import fairness
from pipeline.benchmark.bounds import BOUNDS
from pipeline.benchmark.cases import load_cases
from pipeline.generate.tasks import GenerationJob
from pipeline.samples.captions import normal
from pipeline.settings import TrainSettings
from pipeline.weights.checks import check, check_contract


def check_fairness(job: GenerationJob, train: TrainSettings) -> None:
    """Recognisers, weights, splits, prompts and references.

    Raises:
        FairnessError: a rule is broken.
        MissingInput: nothing was trained under the name.
    """
    fairness.check_recognisers(job.models)
    if job.name not in BOUNDS:
        check(job.weights, job.models)
        check_contract(job.weights, job.samples, train)
    check_samples(job.samples, job.cases)


def check_samples(samples: Path, cases_file: Path) -> None:
    """Splits, prompts and references of the cases, as the samples stage left them."""
    cases = load_cases(cases_file).cases
    tables = [shards.read_all(samples, split, ["photo_id", "split", "caption", "faces"]) for split in ("train", "test")]
    rows = [row for table in tables for row in table.to_pylist()]
    photos = ((row["photo_id"], row["split"], [face["identity_id"] for face in row["faces"]]) for row in rows)
    fairness.check_splits(photos, cases)
    fairness.check_prompts((row["caption"] for row in rows if row["split"] == "train"), cases, normal)
    for case in cases:
        fairness.check_references(case)
