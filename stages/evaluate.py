"""evaluate: every metric on every generated image, one row per case and face, to data/scores/<method>.

python -m stages.evaluate                        everything in data/images that was drawn for data/samples/_cases.json
python -m stages.evaluate uniportrait            one method
python -m stages.evaluate --images DIR --name X  images made elsewhere, files named <case_id>.png; missing files
                                                 are failures. They are kept in data/images/X and scored.
"""

from argparse import ArgumentParser, Namespace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import runner

if TYPE_CHECKING:
    from pipeline.settings import Settings

SAMPLES, IMAGES, SCORES = runner.DATA / "samples", runner.DATA / "images", runner.DATA / "scores"


def arguments(parser: ArgumentParser) -> None:
    """What is asked beside the settings."""
    from pipeline.benchmark.cases import PROTOCOLS

    parser.add_argument("methods", nargs="*", help="folders of data/images; all of them by default")
    parser.add_argument("--images", type=Path, metavar="DIR", help="a folder of images made elsewhere")
    parser.add_argument("--name", help="what tables call them: letters, digits, _ and -")
    parser.add_argument("--protocol", choices=PROTOCOLS, help="what they were made under; by default free")


def stage(settings: "Settings", asked: Namespace) -> None:
    """Look at the test photos once, then score every image."""
    from pipeline.benchmark import fairness
    from pipeline.evaluate import outside, requests, summary, tasks
    from pipeline.evaluate.real import RealWorker
    from pipeline.evaluate.worker import ScoreWorker

    fairness.check_recognisers(settings.models)
    names = requests.names(requests.Request(**vars(asked)), SAMPLES, IMAGES, SCORES)
    real, seen = SCORES / tasks.REAL, tasks.real_tasks(settings, SAMPLES)
    look = partial(RealWorker, settings.models, settings.evaluate, str(real))
    runner.make("evaluate: test photos", [runner.Wanted(real, tasks.REAL_KINDS, seen)], look)
    others = outside.real_tasks(settings, real, seen)
    judge = partial(outside.RealWorker, str(real))
    runner.make("evaluate: test photos, by judges from outside", [runner.Wanted(real, (outside.KIND,), others)], judge)
    # Here, before any image is scored: it fails in one sentence where the recognisers cannot be calibrated.
    runner.finish(real, summary.of_real(real), "{faces} faces of {people} people in the test photos")
    scored = {name: tasks.score_tasks(settings, name, SAMPLES, IMAGES, seen) for name in names}
    wanted = [runner.Wanted(SCORES / name, tasks.SCORE_KINDS, todo) for name, todo in scored.items()]
    runner.make("evaluate", wanted, partial(ScoreWorker, settings, str(SAMPLES), str(SCORES)))
    judged = {name: outside.score_tasks(settings, SCORES / name, todo, others) for name, todo in scored.items()}
    wanted = [runner.Wanted(SCORES / name, (outside.KIND,), todo) for name, todo in judged.items()]
    runner.make("evaluate: judges from outside", wanted, partial(outside.ScoreWorker, str(SAMPLES), str(SCORES)))
    for name in names:
        runner.finish(
            SCORES / name, summary.of(SCORES / name), "{images} cases scored in {folder}, {missing_faces} faces missing"
        )


if __name__ == "__main__":
    runner.run(__doc__, stage, arguments)
