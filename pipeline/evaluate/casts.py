"""The people of a case as a metric sees them: embeddings of their photographs, and the pose that a layout wants."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline import records, shards
from pipeline.benchmark import cases as benchmark
from pipeline.benchmark.cases import Case, Shot
from pipeline.errors import MissingInput
from pipeline.evaluate.matching import calibrate
from pipeline.head.head_pose import HeadPose
from pipeline.metric import ENCODERS, Calibration, Floats, Person

# A layout's pose, and the landmarks (R, 68, 2) of a person's references, to that pose of the person's own head.
WantedPose = Callable[[HeadPose, Floats], HeadPose]


@dataclass(frozen=True)
class Gallery:
    """What is known of the test people's real photographs."""

    embeddings: Mapping[str, Mapping[str, Floats]]  # encoder -> face id -> (D,)
    calibration: Mapping[str, Calibration]  # encoder -> its scale
    landmarks: Mapping[str, Floats]  # face id -> (68, 2)
    images: Mapping[str, Floats]  # photo id -> (D,) by the image-text model

    def cast(self, case: Case, protocol: str, wanted: WantedPose) -> list[Person]:
        """The people of a case, with the poses that are wanted where the protocol gives a layout."""
        people = [self.person(who) for who in case.people]
        if protocol != "layout":
            return people
        return [
            replace(person, wanted=wanted(pose, self._marked(who.references)))
            for person, who, pose in zip(people, case.people, case.layout, strict=True)
        ]

    def person(self, who: benchmark.Person) -> Person:
        """One person of a case, of whom no pose is wanted.

        Raises:
            MissingInput: a photograph of theirs is not among the test samples.
        """
        return Person(
            who.identity_id,
            self._stack(who.references),
            self._stack(who.held_out),
            reference_images=self._seen(who.references),
            held_out_images=self._seen(who.held_out),
        )

    def _seen(self, shots: Sequence[Shot]) -> Floats:
        return np.stack([self.images[shot.photo_id] for shot in shots])

    def _marked(self, shots: Sequence[Shot]) -> Floats:
        return np.stack([self.landmarks[shot.face_id] for shot in shots])

    def _stack(self, shots: Sequence[Shot]) -> dict[str, Floats]:
        try:
            return {name: np.stack([self.embeddings[name][shot.face_id] for shot in shots]) for name in ENCODERS}
        except KeyError as error:
            raise MissingInput(
                f"the cases name the face {error}, which data/samples does not hold among its test photos: "
                "run the samples stage again"
            ) from error


def read_gallery(folder: Path) -> Gallery:
    """Read data/scores/real and calibrate both recognisers on it."""
    table = shards.read_all(folder, "faces").sort_by("face_id")  # the names of shards decide nothing
    faces, people = table["face_id"].to_pylist(), table["identity_id"].to_pylist()
    embeddings = {name: np.array(table[f"embedding_{name}"].to_pylist(), np.float32) for name in ENCODERS}
    seen = shards.read_all(folder, "features", ["case_id", "embedding"])
    return Gallery(
        {name: dict(zip(faces, values, strict=True)) for name, values in embeddings.items()},
        {name: calibrate(values, people) for name, values in embeddings.items()},
        dict(zip(faces, records.matrix(table["landmarks"]).reshape(-1, records.POINTS, 2), strict=True)),
        dict(zip(seen["case_id"].to_pylist(), np.array(seen["embedding"].to_pylist(), np.float32), strict=True)),
    )


def impostor_casts(cases: Sequence[Case]) -> dict[str, list[benchmark.Person]]:
    """For each case as many other people, nobody in common: the cast that it is scored against as shuffled.

    They follow one another through the list of everybody, so that all are used about equally often. Cases for which
    the benchmark has too few other people are left out.
    """
    everybody = list({person.identity_id: person for case in cases for person in case.people}.values())
    found, start = {}, 0
    for case in cases:
        names = {person.identity_id for person in case.people}
        turned = everybody[start:] + everybody[:start]
        others = [person for person in turned if person.identity_id not in names]
        if len(others) >= len(case.people):
            found[case.case_id] = others[: len(case.people)]
        start = (start + len(case.people)) % len(everybody)
    return found
