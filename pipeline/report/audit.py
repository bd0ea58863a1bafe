"""The data stages scored against the world's truth: what real data never allows. Nothing else reads the truth.

A photo that was crawled is found in the truth by its bytes' hash, a face by its box, a person by the face.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from pipeline import shards
from pipeline.head.landmarks import eye_distance, nme
from pipeline.head.model import Head
from pipeline.images import iou
from pipeline.report.statistics import agreement

Floats = NDArray[np.float64]

SAME_FACE = 0.5  # intersection over union from which a detected box is a drawn face


@dataclass(frozen=True)
class Figure:
    """One line of a stage's audit."""

    stage: str
    name: str
    value: float
    unit: str
    n: int
    note: str  # what is counted, for the reader


@dataclass(frozen=True)
class Match:
    """A detected face and the drawn face that it is."""

    face_id: str
    person: int
    found: Mapping[str, Any]  # row of data/faces
    truth: Mapping[str, Any]  # face of records.TRUTH


@dataclass(frozen=True)
class Matches:
    """Detected against drawn faces on the photos that were crawled."""

    pairs: tuple[Match, ...]
    drawn: int
    detected: int

    def person_of(self) -> dict[str, int]:
        """Face id to drawn person."""
        return {match.face_id: match.person for match in self.pairs}


def audit(data: Path, head: Head) -> list[Figure]:
    """Every stage that can be scored; nothing where there is no truth (a real profile)."""
    if not shards.finished(data / "world", "truth"):
        return []
    truth = shards.read_all(data / "world", "truth").to_pylist()
    faces = shards.read_all(data / "faces", "faces")
    rows = faces.drop_columns(["embedding"]).filter(pc.greater_equal(faces["index"], 0)).to_pylist()
    photos = shards.read_all(data / "crawl", "photos", ["photo_id"])["photo_id"].to_pylist()
    found = match(truth, rows, set(photos))
    urls = shards.read_all(data / "crawl", "urls", ["url", "final_url", "outcome"]).to_pylist()
    identities = shards.read_all(data / "identities", "faces").to_pylist()
    shapes = shards.read_all(data / "shapes", "shapes").to_pylist()
    return [
        *crawled(truth, urls),
        *detected(found),
        *landmarks(found),
        *clustered(found, identities),
        *fitted(found, shapes, head),
        *leaked(found, _samples(data / "samples")),
    ]


def match(truth: Sequence[Mapping[str, Any]], faces: Sequence[Mapping[str, Any]], photos: set[str]) -> Matches:
    """One-to-one matches of detected to drawn faces by box, on the crawled photos that the truth knows."""
    drawn = {row["sha256"][:16]: row["faces"] for row in truth}
    known = sorted(photos & set(drawn))
    by_photo: dict[str, list[Mapping[str, Any]]] = {}
    for face in faces:
        by_photo.setdefault(face["photo_id"], []).append(face)
    pairs = [pair for photo in known for pair in _match_photo(drawn[photo], by_photo.get(photo, []))]
    return Matches(
        tuple(pairs),
        sum(len(drawn[photo]) for photo in known),
        sum(len(by_photo.get(photo, [])) for photo in known),
    )


def _match_photo(drawn: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]]) -> list[Match]:
    if not drawn or not found:
        return []
    shared = iou(*(np.array([face["box"] for face in faces], np.float64) for faces in (drawn, found)))
    return [
        Match(found[column]["face_id"], drawn[row]["person"], found[column], drawn[row])
        for row, column in zip(*linear_sum_assignment(shared, maximize=True), strict=True)
        if shared[row, column] >= SAME_FACE
    ]


def crawled(truth: Sequence[Mapping[str, Any]], urls: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """What was offered and fetched, and what was forbidden and left alone."""
    got = {row[key] for row in urls if row["outcome"] in ("kept", "duplicate") for key in ("url", "final_url")}
    offered = [row for row in truth if row["offered"] == "kept"]
    forbidden = [row for row in truth if row["offered"] != "kept"]
    taken, trespassed = (sum(row["url"] in got for row in rows) for rows in (offered, forbidden))
    return [
        _share("crawl", "Photographs fetched", taken, len(offered), "of those that a polite crawl may keep"),
        Figure("crawl", "Forbidden photographs kept", trespassed, "", len(forbidden), "robots.txt or opt-out"),
    ]


def detected(found: Matches) -> list[Figure]:
    """Recall and precision of the detector at an overlap of 0.5."""
    pairs = len(found.pairs)
    return [
        _share("faces", "Detection recall", pairs, found.drawn, "drawn faces found, overlap at least 0.5"),
        _share("faces", "Detection precision", pairs, found.detected, "detected faces that were drawn"),
    ]


def landmarks(found: Matches) -> list[Figure]:
    """Mean distance of 68 points to the drawn ones, as a share of the distance between the outer eye corners."""
    errors = [_landmark_error(match.found["landmarks"], match.truth["landmarks"]) for match in found.pairs]
    return [_mean("faces", "Landmark error (NME)", errors, "share of the outer eye distance, 68 points")]


def _landmark_error(found: Sequence[float], truth: Sequence[float]) -> float:
    one, other = (np.array(points, np.float64).reshape(-1, 2) for points in (found, truth))
    return float(nme(one, other, eye_distance(other)))


def clustered(found: Matches, identities: Sequence[Mapping[str, Any]]) -> list[Figure]:
    """Agreement of identities with drawn people, over the faces that were kept, and how many were not."""
    person = found.person_of()
    known = [row for row in identities if row["face_id"] in person]
    kept = [row for row in known if row["identity_id"] is not None]
    figures = [_share("identities", "Faces kept", len(kept), len(known), "of drawn faces that the stage was given")]
    if not kept:
        return figures
    labels, truth = [row["identity_id"] for row in kept], [person[row["face_id"]] for row in kept]
    for name, score in (("Pairwise", agreement.pairwise(labels, truth)), ("BCubed", agreement.bcubed(labels, truth))):
        for part, value in zip(("precision", "recall", "F"), score, strict=True):
            figures.append(Figure("identities", f"{name} {part}", value, "", len(kept), "identities against people"))
    counts = f"{len(set(truth))} people were drawn in these faces"
    return [*figures, Figure("identities", "Identities", len(set(labels)), "", len(kept), counts)]


def fitted(found: Matches, shapes: Sequence[Mapping[str, Any]], head: Head) -> list[Figure]:
    """Error of the fitted shape and pose; the shape's beside that of the mean head, which knows nothing."""
    rows = {row["face_id"]: row for row in shapes if row["reject"] is None}
    pairs = [(rows[match.face_id], match) for match in found.pairs if match.face_id in rows]
    people = {row["identity_id"]: (row["shape"], match.truth["shape"]) for row, match in pairs}
    figures = []
    if people and all(len(truth) == len(head.identity) for _, truth in people.values()):
        error = shape_error(head)
        fits = [error(np.array(fit) - np.array(truth)) for fit, truth in people.values()]
        blank = [error(np.array(truth)) for _, truth in people.values()]
        note = "mean distance of vertices, share of the outer eye distance"
        figures = [
            _mean("shapes", "Shape error", fits, note),
            _mean("shapes", "Shape error of the mean head", blank, note),
        ]
    for angle in ("yaw", "pitch", "roll"):
        errors = [abs(turn(row[angle] - match.truth[angle])) for row, match in pairs]
        figures.append(_mean("shapes", f"Error of {angle}", errors, "mean absolute difference", "degrees"))
    return figures


def shape_error(head: Head) -> Callable[[Floats], float]:
    """Mean distance of the vertices of two heads whose shape coefficients differ by (K,), over the eye distance.

    Both are compared without their mean offset: where a head lies is pose, not shape.
    """
    basis = head.identity.reshape(len(head.identity), -1).astype(np.float64)
    scale = float(eye_distance(head.mean[head.landmarks68]))

    def error(difference: Floats) -> float:
        moved = (np.asarray(difference, np.float64) @ basis).reshape(-1, 3)
        return float(np.linalg.norm(moved - moved.mean(0), axis=1).mean() / scale)

    return error


def turn(degrees: float) -> float:
    """An angle brought to [-180, 180)."""
    return (degrees + 180.0) % 360.0 - 180.0


def leaked(found: Matches, samples: pd.DataFrame) -> list[Figure]:
    """Drawn people on more than one side of the split: through the eyes of the truth, not of the clustering."""
    faces = samples.assign(person=samples["face_id"].map(found.person_of())).dropna(subset=["person"])
    sides = faces.groupby("person")["split"].nunique()
    test, train = (set(faces[faces["split"] == split]["person"]) for split in ("test", "train"))
    note = "drawn people with photographs in more than one split"
    return [
        Figure("samples", "People in two splits", int((sides > 1).sum()), "", len(sides), note),
        Figure("samples", "Test people in training", len(test & train), "", len(test), "drawn test people in training"),
    ]


def _samples(folder: Path) -> pd.DataFrame:
    """face_id and split of every face of the samples that were kept."""
    rows = [
        {"face_id": face["face_id"], "split": row["split"]}
        for split in ("train", "validation", "test")
        for path in shards.finished(folder, split)
        for row in shards.read(path, ["split", "faces", "reject"]).to_pylist()
        if row["reject"] is None
        for face in row["faces"]
    ]
    return pd.DataFrame(rows, columns=["face_id", "split"])


def _share(stage: str, name: str, part: int, whole: int, note: str) -> Figure:
    return Figure(stage, name, part / whole if whole else float("nan"), "", whole, note)


def _mean(stage: str, name: str, values: Sequence[float], note: str, unit: str = "") -> Figure:
    return Figure(stage, name, float(np.mean(values)) if values else float("nan"), unit, len(values), note)
