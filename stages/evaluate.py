"""evaluate: every metric on every generated image, one row per case and face, to data/scores/<method>.

python -m stages.evaluate                        everything in data/images that was drawn for data/samples/_cases.json
python -m stages.evaluate uniportrait            one method
python -m stages.evaluate --folder DIR --name X  images made elsewhere, files named <case_id>.png; missing files
                                                 are failures. They are kept in data/images/X and scored.
"""

import argparse
import re
import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from pipeline import actors, plugins, settings, shards
from pipeline.benchmark import cases as benchmark
from pipeline.benchmark import fairness
from pipeline.benchmark.bounds import BOUNDS
from pipeline.errors import MissingInput, SettingsError, did_you_mean, run
from pipeline.evaluate import folder, summary
from pipeline.evaluate import tasks as plan
from pipeline.evaluate.real import RealWorker
from pipeline.evaluate.worker import SHUFFLED, ScoreWorker

SAMPLES, IMAGES, SCORES = Path("data/samples"), Path("data/images"), Path("data/scores")
# What a folder of images and one of scores may be called; tables give a meaning to other signs, like `:`.
NAME = re.compile(r"\w[\w-]*", re.ASCII)


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", help="folders of data/images; all of them by default")
    parser.add_argument("--folder", type=Path, help="a folder of images made elsewhere")
    parser.add_argument("--name", help="what tables call --folder: letters, digits, _ and -")
    parser.add_argument("--protocol", choices=benchmark.PROTOCOLS, help="what --folder was made under; by default free")
    asked = parser.parse_args(words)
    if asked.folder and asked.methods:
        parser.error(f"--folder is scored alone, found {' '.join(asked.methods)} beside it")
    if not asked.folder and (asked.name or asked.protocol):
        parser.error("--name and --protocol are those of a --folder, found none")
    return asked


def wanted(asked: argparse.Namespace) -> list[str]:
    """The names to score; a plain folder is taken in first.

    Raises:
        SettingsError: --folder without a plain name of its own.
        MissingInput: a name has no images of this benchmark.
    """
    cases = benchmark.load_cases(SAMPLES / benchmark.CASES_FILE)
    if asked.folder:
        _check_name(asked.name or "")
        folder.take_in(asked.folder, asked.name, asked.protocol or benchmark.PROTOCOLS[0], cases, IMAGES)
        return [asked.name]
    faults = {path.name: plan.fault(path, cases) for path in sorted(IMAGES.glob("*")) if path.is_dir()}
    known = [name for name, fault in faults.items() if fault is None]
    for name in asked.methods:
        if name not in faults:
            raise MissingInput(f"no {IMAGES / name}{did_you_mean(name, faults)}")
        if faults[name]:
            raise MissingInput(f"{IMAGES / name} {faults[name]}: generate it again, or take the folder in again")
    if not known:
        raise MissingInput(f"no images of the cases of {SAMPLES} in {IMAGES}: run the generate stage first")
    if not asked.methods:
        scored = {path.name: "has no images" for path in SCORES.glob("*") if path.is_dir() and path.name != plan.REAL}
        _forget({name: fault for name, fault in (scored | faults).items() if fault})
    return asked.methods or known


def _check_name(name: str) -> None:
    """Refuse what is no file name, and names of which any run has images or rows: theirs would be counted twice."""
    taken = (*plugins.names("methods"), *BOUNDS, SHUFFLED, plan.REAL)
    if not NAME.fullmatch(name) or name.partition("-")[0] in taken:
        raise SettingsError(
            f"--folder needs --name, what tables are to call these images: letters, digits, _ and -, the part before "
            f"the first - none of {', '.join(taken)}; found {name or 'none'!r}"
        )


def _forget(faults: Mapping[str, str]) -> None:
    """Remove the scores of what has not all images of these cases: the report reads all scores that there are."""
    for name, fault in sorted(faults.items()):
        print(f"{IMAGES / name} {fault} and is left out")
        shutil.rmtree(SCORES / name, ignore_errors=True)


def main() -> None:
    """Look at the test photos once, then score every image."""
    params = settings.load()
    fairness.check_recognisers(params.models)
    names = wanted(arguments())
    looked = plan.real_tasks(params, SAMPLES)
    for kind in ("faces", "features"):
        shards.remove_stale(SCORES / plan.REAL, kind, looked)
    todo = [task.inputs for task in shards.missing(SCORES / plan.REAL, "faces", looked)]
    worker = partial(RealWorker, params.models, params.evaluate, str(SCORES / plan.REAL))
    list(actors.map_shards(worker, todo, "evaluate: test photos"))
    # Here, before any image is scored: it fails in one sentence where the recognisers cannot be calibrated.
    shards.write_metrics(SCORES / plan.REAL, summary.of_real(SCORES / plan.REAL))
    scored = {name: plan.score_tasks(params, name, SAMPLES, IMAGES, looked) for name in names}
    for name, tasks in scored.items():
        for kind in ("scores", "found", "features"):
            shards.remove_stale(SCORES / name, kind, tasks)
    todo = [task.inputs for name, tasks in scored.items() for task in shards.missing(SCORES / name, "scores", tasks)]
    scorer = partial(ScoreWorker, params, str(SAMPLES), str(SCORES))
    list(actors.map_shards(scorer, todo, "evaluate"))
    for name in names:
        shards.write_metrics(SCORES / name, summary.of(SCORES / name))


if __name__ == "__main__":
    run(main)
