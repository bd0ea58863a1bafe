"""Which shards of scores a run needs, named by what makes them."""

from collections.abc import Sequence
from pathlib import Path

from pipeline import plugins, records, shards
from pipeline.benchmark import cases
from pipeline.code import code_fingerprint, plugin, schema_parts
from pipeline.encoders.judges import judge_fingerprint
from pipeline.errors import MissingInput
from pipeline.evaluate import outside
from pipeline.evaluate.worker import ScoreTask
from pipeline.settings import Settings, parse_reference_count

# The folder below data/scores that holds what the models see in the test photos.
REAL = "real"
# What is written of a shard, the last one last.
REAL_KINDS = ("features", "faces")
SCORE_KINDS = ("features", "found", "scores")


def real_tasks(params: Settings, samples: Path) -> list[shards.Task]:
    """One shard per shard of test photos.

    Raises:
        MissingInput: there are no test photos, or a model directory is empty.
    """
    made_by = shards.fingerprint(
        *(judge_fingerprint(each) for each in (params.models.recogniser_b, params.models.recogniser_c)),
        shards.directory_fingerprint(params.models.image_text),
        params.evaluate.detector_size,
        params.evaluate.detector_threshold,
        schema_parts(records.REAL_FACES, records.FEATURES),
        code_fingerprint("pipeline.evaluate.real"),
    )
    tasks = []
    for path in shards.paths(samples, "test"):
        tasks.append(shards.Task(shards.fingerprint(path.name, made_by), str(path)))
    return tasks


def fault(folder: Path, asked: cases.Benchmark) -> str | None:
    """Why the images of data/images/<name> cannot be compared with others; None where each case has its row.

    Failures have rows, too. Tables of a half-drawn folder would leave failures out that nobody has seen.
    """
    try:
        drawn = shards.read_all(folder, "images", ["benchmark", "protocol", "case_id"]).to_pylist()
    except MissingInput:
        return "has no images"
    if {row["benchmark"] for row in drawn} != {asked.hash}:
        return "was drawn for other cases"
    wanted = sorted(case.case_id for case in asked.cases)
    for protocol in sorted({row["protocol"] for row in drawn}):
        there = sorted(row["case_id"] for row in drawn if row["protocol"] == protocol)
        if there != wanted:
            return f"has rows for {len(there)} of the {len(wanted)} cases of the protocol {protocol}"
    return None


def score_tasks(
    params: Settings, method: str, samples: Path, images: Path, real: Sequence[shards.Task]
) -> list[shards.Task]:
    """One shard per shard of a method's images."""
    made_by = shards.fingerprint(
        [task.key for task in real],
        cases.load_cases(samples / cases.CASES_FILE).hash,
        params.metrics,
        _pose_parts(params),
        schema_parts(records.FEATURES, records.FOUND, records.SCORES),
        code_fingerprint("pipeline.evaluate.worker", *(plugin("metrics", name) for name in params.metrics)),
    )
    shuffled, given = method not in params.bounds, _given(params, method)
    tasks = []
    for path in shards.paths(images / method, "images"):
        key = shards.fingerprint(path.name, made_by, shuffled, given)
        tasks.append(shards.Task(key, ScoreTask(method, str(path), shuffled, given)))
    return tasks


def check_scored(params: Settings, names: Sequence[str], data: Path) -> None:
    """Refuse scores of other cases, images, settings or models than are there now: one table would hold both.

    Raises:
        MissingInput: naming the folder of `data`/scores.
    """
    real = real_tasks(params, data / "samples")
    judged = outside.real_tasks(params, data / "scores" / REAL, real)
    for name in names:
        folder = data / "scores" / name
        tasks = score_tasks(params, name, data / "samples", data / "images", real)
        others = outside.score_tasks(params, folder, tasks, judged)
        wanted = {shards.path_of(folder, "scores", task.key) for task in tasks}
        wanted |= {shards.path_of(folder, outside.KIND, task.key) for task in others}
        if wanted != {*shards.paths(folder, "scores"), *shards.finished(folder, outside.KIND)}:
            raise MissingInput(
                f"{folder} does not fit the images, cases, models and metrics that there are now: run "
                "`python -m stages.evaluate` again"
            )


def _given(params: Settings, name: str) -> int | None:
    """How many references of each person a method of ours was given; None for all, as everybody else has them."""
    ours = name.partition("-")[0] in plugins.names("methods")
    return parse_reference_count(name)[1] or (params.generate.references if ours else None)


def _pose_parts(params: Settings) -> list[object]:
    """The landmark model, the head, and how it is fitted."""
    elsewhere = params.faces.landmarks == "face_alignment"
    model = shards.directory_fingerprint(params.faces.landmark_weights if elsewhere else params.models.recogniser_a)
    return [params.faces.landmarks, model, shards.file_fingerprint([Path(params.models.head)]), params.shapes]
