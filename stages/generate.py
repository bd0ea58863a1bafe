"""Draw the benchmark's cases with one trained method, or make one of the bounds.

Reads data/samples (cases, photos) and data/weights/<method>; writes data/images/<name>. Run
`python -m stages.generate <name>`: a trained method, <method>-<n>_references for the same one with n photos of each
person, or a bound (no_id, pasted_reference, other_photo, vae_roundtrip).
"""

from argparse import ArgumentParser, Namespace
from functools import partial
from typing import TYPE_CHECKING

from pipeline import runner

if TYPE_CHECKING:
    from pipeline.settings import Settings


def arguments(parser: ArgumentParser) -> None:
    """What is asked beside the settings."""
    parser.add_argument("name", help="a trained method, <method>-<n>_references, or a bound")


def stage(settings: "Settings", asked: Namespace) -> None:
    """Check the fairness contract, then draw the shards that are missing."""
    from pipeline.generate import checks, summary, tasks, worker

    job = tasks.job(asked.name, settings, runner.DATA)
    checks.check_fairness(job, settings.train)
    wanted = [runner.Wanted(job.out, (worker.KIND,), tasks.tasks(job))]
    runner.make(f"images {job.name}", wanted, partial(worker.worker, job))
    runner.finish(job.out, summary.summarise(job.out), "{images} images in {folder}, {failed} failed")


if __name__ == "__main__":
    runner.run(__doc__, stage, arguments)
