"""Which shards of scores a run needs, named by what makes them."""

from collections.abc import Sequence
from pathlib import Path

from pipeline import benchmark, shards
from pipeline.errors import MissingInput
from pipeline.evaluate.real import RealTask
from pipeline.evaluate.score import ScoreTask
from pipeline.settings import Settings

# The folder below data/scores that holds what the models see in the test photos.
REAL = "real"
CODE = ("pipeline/evaluate", "pipeline/metric", "pipeline/encoders", "pipeline/images")
# What poses are measured with.
POSE_CODE = ("pipeline/faces/find", "pipeline/faces/fan", "pipeline/head")


def real_tasks(params: Settings, samples: Path) -> list[shards.Task]:
    """One shard per shard of test photos.

    Raises:
        MissingInput: there are no test photos, or a model directory is empty.
    """
    made_by = shards.fingerprint(
        *(shards.directory_fingerprint(each) for each in _models(params)),
        params.evaluate.detector_size,
        params.evaluate.detector_threshold,
        shards.code_version(*CODE),
    )
    tasks = []
    for path in shards.paths(samples, "test"):
        key = shards.fingerprint(path.name, made_by)
        tasks.append(shards.Task(key, RealTask(key, str(path))))
    return tasks


def drawn_for(folder: Path) -> set[str]:
    """The benchmarks (hashes) that the images of data/images/<name> were drawn for; none where there are no images."""
    try:
        return set(shards.read_all(folder, "images", ["benchmark"])["benchmark"].to_pylist())
    except MissingInput:
        return set()


def score_tasks(
    params: Settings, method: str, samples: Path, images: Path, real: Sequence[shards.Task]
) -> list[shards.Task]:
    """One shard per shard of a method's images."""
    made_by = shards.fingerprint(
        [task.key for task in real],
        benchmark.load(samples / benchmark.FILE).hash,
        params.metrics,
        _pose_parts(params),
        shards.code_version(*POSE_CODE, *(f"pipeline/metrics/{name}" for name in params.metrics)),
    )
    shuffled = method not in params.bounds
    tasks = []
    for path in shards.paths(images / method, "images"):
        key = shards.fingerprint(path.name, made_by, shuffled)
        tasks.append(shards.Task(key, ScoreTask(key, method, str(path), shuffled)))
    return tasks


def _pose_parts(params: Settings) -> list[object]:
    """The landmark model, the head, and how it is fitted."""
    elsewhere = params.faces.landmarks == "face_alignment"
    model = shards.directory_fingerprint(params.faces.landmark_weights if elsewhere else params.models.recogniser_a)
    return [params.faces.landmarks, model, shards.file_fingerprint([Path(params.models.head)]), params.shapes]


def _models(params: Settings) -> list[str]:
    return [params.models.recogniser_b, params.models.recogniser_c, params.models.image_text]
