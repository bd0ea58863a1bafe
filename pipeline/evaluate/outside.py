"""Judges from outside (`models.outside`): each scores in a column of its own, never in a main number or rank.

They see the faces that were found and matched for B and C, at the same key points. A painted style looks like nobody
to a recogniser of photographs, so their cosines are given on the scale of the benchmark's own photographs: 0 is what
strangers score there, 1 what two photographs of one person score. Each judge's rows are shards of their own: one more
judge makes nothing again that others have said.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline import records, shards
from pipeline.benchmark.cases import CASES_FILE, Case, load_cases
from pipeline.code import code_fingerprint, schema_parts
from pipeline.encoders.judges import judge_fingerprint, load_judge
from pipeline.errors import SettingsError
from pipeline.evaluate.matching import calibrate
from pipeline.evaluate.worker import score_rows
from pipeline.images import decode
from pipeline.licences import DLIB, is_dlib
from pipeline.metric import Calibration, Card, Floats, Score, cosines
from pipeline.settings import Settings

KIND = "outside"  # the folder of shards, in data/scores/real and in data/scores/<method>
OUTSIDE_FACES = records.table(
    "data/scores/real/outside: the same faces as the judges of models.outside see them",
    ("judge", pa.string(), "the judge's name in tables"),
    ("face_id", pa.string(), "of data/faces/faces"),
    ("identity_id", pa.string(), "of data/identities/people"),
    ("embedding", pa.list_(pa.float32()), "unit length"),
)


@dataclass(frozen=True)
class OutsideTask:
    """One shard of photographs or images, for one judge."""

    title: str  # the judge's name in tables
    judge: str  # as settings name it
    images: str  # path of a shard of data/samples/test or data/images/<method>/images
    faces: str  # path of the shard of data/scores that says where faces are
    method: str = ""


def titles(judges: Sequence[str]) -> dict[str, str]:
    """The judges' names in tables, each with what the settings name: `dlib`, or the last part of a directory.

    Raises:
        SettingsError: two judges would have one name.
    """
    named = [(DLIB if is_dlib(each) else re.sub(r"\W+", "_", Path(each).name.lower()), each) for each in judges]
    found = dict(named)
    if len(found) < len(named):
        raise SettingsError(
            f"models.outside names two judges that tables would call alike, found {', '.join(judges)}: the last part "
            "of each path must be its own; rename a folder"
        )
    return found


def card(title: str) -> Card:
    """What a judge's column means."""
    return Card(
        metric(title),
        f"Similarity, by {title} from outside",
        f"(cosine - strangers) / (one person - strangers) by {title}: the mean cosine between the generated face and "
        "the person's held-out photographs, on the scale of the benchmark's own photographs: two people average 0, two "
        "photographs of one person 1. Which face is whose follows B and C. A judge from outside: in no main number, "
        "not ranked. A person without a face counts as 0.",
        "calibrated cosine",
        "higher",
        float("-inf"),
        float("inf"),
        absent="counts as 0",
        outside=True,
    )


def metric(title: str) -> str:
    """The name of a judge's column."""
    return f"outside_{title}"


def real_tasks(params: Settings, folder: Path, seen: Sequence[shards.Task]) -> list[shards.Task]:
    """For each judge a shard per shard of test photographs; `seen` are those of data/scores/real, `folder`."""
    return [
        shards.Task(key, OutsideTask(title, judge, str(task.inputs), str(shards.path_of(folder, "faces", task.key))))
        for title, judge in titles(params.models.outside).items()
        for task in seen
        for key in [shards.fingerprint(task.key, *_made_by(title, judge), schema_parts(OUTSIDE_FACES))]
    ]


def score_tasks(
    params: Settings, folder: Path, scored: Sequence[shards.Task], real: Sequence[shards.Task]
) -> list[shards.Task]:
    """For each judge a shard per shard of a method's images.

    Args:
        folder: data/scores/<method>.
        scored: tasks.score_tasks of the method.
        real: real_tasks, on which each judge is calibrated.
    """
    tasks = []
    for title, judge in titles(params.models.outside).items():
        scale = [task.key for task in real if task.inputs.judge == judge]
        for task in scored:
            key = shards.fingerprint(task.key, scale, *_made_by(title, judge), schema_parts(records.SCORES))
            faces = str(shards.path_of(folder, "found", task.key))
            tasks.append(shards.Task(key, OutsideTask(title, judge, task.inputs.images, faces, task.inputs.method)))
    return tasks


def _made_by(title: str, judge: str) -> list[str]:
    return [title, judge_fingerprint(judge), code_fingerprint("pipeline.evaluate.outside")]


class _Judging:
    """Loads each judge once."""

    def __init__(self) -> None:
        self._judges: dict[str, Any] = {}

    def embed(self, judge: str, image: Mapping[str, Any], faces: Sequence[Mapping[str, Any]]) -> Floats:
        """Embeddings (M, D) of M >= 1 faces of a stored image."""
        if judge not in self._judges:
            self._judges[judge] = load_judge(judge)
        points = np.array([face["keypoints"] for face in faces], np.float32).reshape(-1, 5, 2)
        return self._judges[judge].embed_faces(decode(image["bytes"]), points)


class RealWorker(_Judging):
    """Writes how one judge sees one shard of test photographs."""

    def __init__(self, folder: str) -> None:
        super().__init__()
        self._folder = Path(folder)

    def __call__(self, wanted: shards.Task) -> int:
        """Returns the number of faces."""
        task: OutsideTask = wanted.inputs
        columns = ["face_id", "photo_id", "identity_id", "keypoints"]
        by_photo = _grouped(shards.read(task.faces, columns).to_pylist(), "photo_id")
        rows = [
            {"judge": task.title, "face_id": face["face_id"], "identity_id": face["identity_id"], "embedding": each}
            for photo in shards.read(task.images, ["photo_id", "image"]).to_pylist()
            if (faces := by_photo.get((photo["photo_id"],)))
            for face, each in zip(faces, self.embed(task.judge, photo["image"], faces).tolist(), strict=True)
        ]
        table = pa.Table.from_pylist(rows, schema=OUTSIDE_FACES)
        shards.write(shards.path_of(self._folder, KIND, wanted.key), table, OUTSIDE_FACES)
        return len(rows)


class ScoreWorker(_Judging):
    """Writes one judge's scores of one shard of images."""

    def __init__(self, samples: str, scores: str) -> None:
        super().__init__()
        self._scores, self._cases = Path(scores), {each.case_id: each for each in load_cases(_cases(samples)).cases}
        self._galleries = read_galleries(self._scores / "real")

    def __call__(self, wanted: shards.Task) -> int:
        """Returns the number of scores."""
        task: OutsideTask = wanted.inputs
        found = _grouped(shards.read(task.faces).to_pylist(), "case_id", "protocol")
        rows: list[dict[str, Any]] = []
        for image in shards.read(task.images, schema=records.IMAGES).to_pylist():
            case, at = self._cases[image["case_id"]], (image["case_id"], image["protocol"])
            faces = [face for face in found.get(at, []) if face["slot"] >= 0]
            seen: Sequence[Floats] = list(self.embed(task.judge, image["image"], faces)) if faces else []
            by_slot = dict(zip((face["slot"] for face in faces), seen, strict=True))
            head = {"case_id": case.case_id, "protocol": image["protocol"], "method": task.method}
            names = [person.identity_id for person in case.people]
            rows += score_rows(head, names, scores_of(task.title, case, by_slot, self._galleries[task.title]))
        table = pa.Table.from_pylist(rows, schema=records.SCORES)
        shards.write(shards.path_of(self._scores / task.method, KIND, wanted.key), table, records.SCORES)
        return len(rows)


@dataclass(frozen=True)
class Gallery:
    """One judge's view of the test photographs."""

    embeddings: Mapping[str, Floats]  # face id -> (D,)
    calibration: Calibration


def read_galleries(folder: Path) -> dict[str, Gallery]:
    """What each judge saw in data/scores/real, calibrated on it; nothing where there are no judges.

    Raises:
        MissingInput: a judge cannot tell the test people apart.
    """
    if not shards.finished(folder, KIND):
        return {}
    rows = shards.read_all(folder, KIND).sort_by("face_id").to_pylist()
    return {title: _gallery(title, own) for (title,), own in sorted(_grouped(rows, "judge").items())}


def _gallery(title: str, rows: Sequence[Mapping[str, Any]]) -> Gallery:
    seen = np.array([row["embedding"] for row in rows], np.float32)
    scale = calibrate(seen, [row["identity_id"] for row in rows], settings=f"{title} of models.outside")
    return Gallery(dict(zip((row["face_id"] for row in rows), seen, strict=True)), scale)


def scores_of(title: str, case: Case, by_slot: Mapping[int, Floats], gallery: Gallery) -> Iterator[Score]:
    """A score per person of a case: the calibrated mean cosine of the face (D,) taken for them; 0 without one."""
    for slot, person in enumerate(case.people):
        face = by_slot.get(slot)
        if face is None:
            yield Score(metric(title), slot, 0.0, True, title)
            continue
        held_out = np.stack([gallery.embeddings[shot.face_id] for shot in person.held_out])
        value = gallery.calibration(cosines(held_out, face[None]).mean())
        yield Score(metric(title), slot, float(value), False, title)


def _grouped(rows: Sequence[dict[str, Any]], *columns: str) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(row[column] for column in columns), []).append(row)
    return groups


def _cases(samples: str) -> Path:
    return Path(samples) / CASES_FILE
