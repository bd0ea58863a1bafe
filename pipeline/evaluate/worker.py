"""One shard of generated images to rows of scores."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline import plugins, records, shards
from pipeline.benchmark.cases import CASES_FILE, Case, load_cases
from pipeline.evaluate.casts import Gallery, impostor_casts, read_gallery
from pipeline.evaluate.matching import assign
from pipeline.evaluate.observe import FaceObserver, ScoredDetections, TextObserver
from pipeline.evaluate.poses import PoseObserver
from pipeline.head.head_pose import HeadPose
from pipeline.images import decode
from pipeline.metric import ENCODERS, Evidence, Floats, Person, Score, mean_of
from pipeline.settings import Settings

SHUFFLED = "shuffled_id"
NOTHING = np.empty((0, 4))


@dataclass(frozen=True)
class ScoreTask:
    """One shard of a method's images."""

    method: str
    images: str  # path of a shard of data/images/<method>/images
    shuffled: bool  # also scored against other people
    given: int | None = None  # how many references of each person the generator was given; None for all


@dataclass(frozen=True)
class Observation:
    """What the scoring models saw of one generated image."""

    present: bool
    faces: ScoredDetections
    feature: Floats | None  # (D,) the image by the image-text model
    prompt: Floats | None  # (D,) what was asked for, by the same model
    poses: Sequence[HeadPose] | None  # of the faces; None without a layout


class ScoreWorker:
    """Writes the shards of features, found and scores of one shard of images."""

    def __init__(self, params: Settings, samples: str, scores: str) -> None:
        self._faces, self._text = FaceObserver(params.models, params.evaluate), TextObserver(params.models)
        self._poses = PoseObserver(params.models, params.faces, params.shapes)
        self._metrics = [module for name in params.metrics if hasattr(module := plugins.load("metrics", name), "score")]
        self._scores = Path(scores)
        self._gallery = read_gallery(self._scores / "real")
        cases = load_cases(Path(samples) / CASES_FILE).cases
        self._cases, self._impostors = {case.case_id: case for case in cases}, impostor_casts(cases)
        self._prompts: dict[str, Floats] = {}

    def __call__(self, wanted: shards.Task) -> int:
        """Returns the number of images that are there."""
        task: ScoreTask = wanted.inputs
        scores, found, features = [], [], []
        for row in shards.read(task.images, schema=records.IMAGES).to_pylist():
            case = self._cases[row["case_id"]]
            head = {"case_id": case.case_id, "protocol": row["protocol"]}
            seen = self._look(row, case.prompt)
            cast = self._gallery.cast(case, row["protocol"], self._poses.wanted)
            asked = evidence(seen, [replace(person, given=task.given) for person in cast], self._gallery)
            scores += list(self._rows(head | {"method": task.method}, case, asked))
            if task.shuffled and case.case_id in self._impostors:
                scores += self._shuffled(head | {"method": f"{SHUFFLED}:{task.method}"}, seen, case)
            found += [head | face for face in _faces(seen.faces, asked)]
            if seen.feature is not None:
                names = [person.identity_id for person in case.people]
                features.append(
                    head | {"people": len(names), "identity_ids": names, "embedding": seen.feature.tolist()}
                )
        folder = self._scores / task.method
        # The scores come last: their existence means that the shard is complete.
        for kind, rows, schema in (
            ("features", features, records.FEATURES),
            ("found", found, records.FOUND),
            ("scores", scores, records.SCORES),
        ):
            shards.write(shards.path_of(folder, kind, wanted.key), pa.Table.from_pylist(rows, schema=schema), schema)
        return len(features)

    def _look(self, row: Mapping[str, Any], prompt: str) -> Observation:
        data = (row["image"] or {}).get("bytes")
        if row["reject"] is not None or not data:
            return Observation(False, no_detections(self._gallery), None, None, None)
        pixels = decode(data)
        feature = self._text.image(pixels)
        if prompt not in self._prompts:
            self._prompts[prompt] = self._text.text(prompt)
        faces = self._faces(pixels)
        # Nothing is wanted of a pose without a layout, and measuring one costs a third of all else.
        poses = self._poses(pixels, faces.boxes) if row["protocol"] == "layout" else None
        return Observation(True, faces, feature, self._prompts[prompt], poses)

    def _rows(self, head: Mapping[str, str], case: Case, asked: Evidence) -> Iterator[dict[str, Any]]:
        names = [person.identity_id for person in case.people]
        for module in self._metrics:
            yield from score_rows(head, names, module.score(asked))

    def _shuffled(self, head: Mapping[str, str], seen: Observation, case: Case) -> list[dict[str, Any]]:
        """The same image scored as if a disjoint cast had been asked for: what an unrelated face scores."""
        others = [self._gallery.person(other) for other in self._impostors[case.case_id]]
        asked = evidence(seen, others, self._gallery)
        return [row for row in self._rows(head, case, asked) if row["slot"] >= 0]


def evidence(seen: Observation, people: Sequence[Person], gallery: Gallery) -> Evidence:
    """Assign the faces of an image to people, by their references: what is scored against chooses nothing."""
    blank = Evidence(
        people, gallery.calibration, seen.present, seen.faces.boxes, seen.faces.embeddings, np.empty(0, np.intp),
        seen.feature, seen.prompt, seen.poses,
    )  # fmt: skip
    similarity = blank.calibrated({name: blank.to_references(name) for name in ENCODERS})
    return replace(blank, matched=assign(similarity))


def no_detections(gallery: Gallery) -> ScoredDetections:
    """No face, with embeddings of the right length."""
    sizes = {name: len(next(iter(faces.values()))) for name, faces in gallery.embeddings.items()}
    empty = {name: np.empty((0, size), np.float32) for name, size in sizes.items()}
    return ScoredDetections(NOTHING, np.empty((0, 5, 2), np.float32), np.empty(0, np.float32), empty)


def score_rows(head: Mapping[str, str], names: list[str], scores: Iterable[Score]) -> Iterator[dict[str, Any]]:
    """Rows of records.SCORES."""
    for each in scores:
        yield {
            **head,
            "people": len(names),
            "metric": each.metric,
            "encoder": each.encoder,
            "slot": each.slot,
            "identity_ids": names,
            "value": each.value,
            "missing": each.missing,
        }


def _faces(found: ScoredDetections, asked: Evidence) -> Iterator[dict[str, Any]]:
    similarity = mean_of({name: asked.to_held_out(name) for name in ENCODERS})
    slots = {int(face): slot for slot, face in enumerate(asked.matched) if face >= 0}
    for index, (box, points, score) in enumerate(zip(found.boxes, found.keypoints, found.scores, strict=True)):
        slot = slots.get(index, -1)
        yield {
            "index": index,
            "box": box.tolist(),
            "score": float(score),
            "keypoints": points.ravel().tolist(),
            "slot": slot,
            "similarity": float(similarity[slot, index]) if slot >= 0 else None,
        }
