"""A whole finished run below data/, made in a second: ellipses for faces, vectors for embeddings, no model anywhere.

`python -m tests.report.fake_run FOLDER` writes one to look at, with all names of the published profile, and its page.
"""

import argparse
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml

from pipeline import images, records, settings, shards
from pipeline.benchmark import cases as benchmark
from pipeline.benchmark.cases import Benchmark, Case, Person, Shot
from pipeline.evaluate import summary, worker
from pipeline.evaluate.casts import impostor_casts, read_gallery
from pipeline.evaluate.observe import ScoredDetections
from pipeline.head.camera import Camera
from pipeline.head.head_pose import HeadPose
from pipeline.metric import ENCODERS
from pipeline.plugins import load
from pipeline.report.build import build

SHOTS, SIZE, TEXT = 6, 16, 12
# How much of the person each method keeps, of 1; and how often it loses a face or the whole image.
QUALITY = {
    "uniportrait": (0.62, 0.04), "elsewhere": (0.45, 0.12), "no_id": (0.0, 0.02), "pasted_reference": (0.97, 0.0),
    "other_photo": (0.9, 0.0), "vae_roundtrip": (0.84, 0.0),
}  # fmt: skip
BOUNDS = ("no_id", "pasted_reference", "other_photo", "vae_roundtrip")
PROMPT = "a photo of a person with <b>long</b> red hair & glasses, smiling, in a garden"


@dataclass(frozen=True)
class Crowd:
    """What a run trains and draws, as its settings name it."""

    methods: tuple[str, ...] = ("uniportrait",)
    fewer_references: tuple[str, ...] = ()


FEW = Crowd(
    ("uniportrait", "hifi_portrait", "instantid", "uniportrait-no_route_loss", "hifi_portrait-no_refiner"),
    ("uniportrait-1_references",),
)


@dataclass(frozen=True)
class Photo:
    """A photograph of one person."""

    person: int
    number: int
    split: str

    @cached_property
    def data(self) -> bytes:
        return images.encode_png(draw(128, 128, [((34.0, 26.0, 94.0, 104.0), self.person)], 7 * self.number))

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @property
    def photo_id(self) -> str:
        return self.sha256[:16]

    @property
    def shot(self) -> Shot:
        return Shot(f"{self.photo_id}-0", self.photo_id)


BOX = (34.0, 26.0, 94.0, 104.0)


def draw(width: int, height: int, faces: Sequence[tuple[Sequence[float], int]], seed: int) -> np.ndarray:
    """A gradient with an ellipse, two eyes and a mouth for each (box, person)."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    tone = np.random.default_rng(seed).uniform(90, 220, (2, 3))
    picture = tone[0] + (tone[1] - tone[0]) * (y / height)[..., None]
    for (x1, y1, x2, y2), person in faces:
        skin, hair = np.random.default_rng(1000 + person).uniform(60, 235, (2, 3))
        cx, cy, rx, ry = (x1 + x2) / 2, (y1 + y2) / 2, (x2 - x1) / 2, (y2 - y1) / 2
        picture[((x - cx) / (1.2 * rx)) ** 2 + ((y - cy + 0.25 * ry) / (1.15 * ry)) ** 2 < 1] = hair
        picture[((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1] = skin
        for side in (-0.4, 0.4):
            picture[((x - cx - side * rx) / (0.16 * rx)) ** 2 + ((y - cy + 0.15 * ry) / (0.1 * ry)) ** 2 < 1] = 30
        picture[((x - cx) / (0.4 * rx)) ** 2 + ((y - cy - 0.5 * ry) / (0.07 * ry)) ** 2 < 1] = (150, 60, 60)
    return picture.clip(0, 255).astype(np.uint8)


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def identity(person: int) -> np.ndarray:
    return unit(np.random.default_rng(500 + person).normal(size=SIZE))


def write(folder: Path, people: int = 16, casts: Sequence[int] = (16, 6, 4), crowd: Crowd | None = None) -> None:
    """Write data/ below `folder`: half of the people train, half are tested."""
    data = folder / "data"
    photos = [
        Photo(person, number, "train" if person < people // 2 else "test")
        for person in range(people)
        for number in range(SHOTS)
    ]
    _collected(data, photos)
    cases = _cases(photos, casts)
    benchmark.save_cases(
        Benchmark("v1", benchmark.hash_of_cases(cases), tuple(cases)), data / "samples" / benchmark.CASES_FILE
    )
    _real(data / "scores" / "real", [photo for photo in photos if photo.split == "test"])
    crowd = crowd or Crowd()
    for name in dict.fromkeys((*QUALITY, *crowd.methods, *crowd.fewer_references)):
        _scored(data, name, cases)
        shards.write_metrics(data / "scores" / name, summary.of(data / "scores" / name))
    shards.write_metrics(data / "scores" / "real", summary.of_real(data / "scores" / "real"))
    for name in crowd.methods:
        _trained(data / "weights" / name)
    _converted(data / "weights" / "elsewhere")


def quality(name: str) -> tuple[float, float]:
    """QUALITY of any name; an ablation keeps less of the person, by as much as its name says."""
    full, _, change = name.partition("-")
    keep, lose = QUALITY.get(full) or (np.random.default_rng(list(full.encode())).uniform(0.35, 0.65), 0.08)
    less = np.random.default_rng(list(change.encode())).uniform(-0.05, 0.3) if change else 0.0
    return keep - less, lose


def chosen(crowd: Crowd | None = None) -> settings.Settings:
    """The settings that belong to the run."""
    loaded = settings.load()
    report = replace(loaded.report, draws=100, gallery_cases=6)
    return replace(loaded, **vars(crowd or Crowd()), bounds=BOUNDS, report=report)


def _put(path: Path, rows: list[dict[str, Any]], schema: pa.Schema) -> None:
    full = [{name: row.get(name) for name in schema.names} for row in rows]
    shards.write(path, pa.Table.from_pylist(full, schema=schema), schema)


def _collected(data: Path, photos: Sequence[Photo]) -> None:
    """world to samples."""
    rng = np.random.default_rng(0)
    points = rng.uniform(40, 90, (68, 2))
    points[36], points[45] = (45.0, 55.0), (83.0, 55.0)
    pose = {"yaw": 4.0, "pitch": 1.0, "roll": 0.0, "scale": 3.0, "translation": [0.0, 0.0]}
    rows = []
    for photo in photos:
        shape = np.random.default_rng(photo.person).normal(size=48)
        rows.append(
            {
                "photo_id": photo.photo_id, "sha256": photo.sha256, "url": f"http://a.world.test/{photo.photo_id}.png",
                "final_url": f"http://a.world.test/{photo.photo_id}.png", "outcome": "kept", "offered": "kept",
                "image": {"bytes": photo.data, "path": "p.png"}, "width": 128, "height": 128, "caption": "a person",
                "licence": "Apache-2.0", "collection_mode": "consented", "legal_basis": "drawn people",
                "face_id": photo.shot.face_id, "identity_id": f"id{photo.person:03d}", "index": 0, "box": BOX,
                "keypoints": [0.0] * 10, "landmarks": (points + rng.normal(0, 0.8, points.shape)).ravel().tolist(),
                "embedding": identity(photo.person).tolist(), "shape": (shape + rng.normal(0, 0.4, 48)).tolist(),
                "expression": [0.0] * 39, "split": photo.split, "yaw": 4.0 + rng.normal(0, 3), "similarity": 0.8,
                "pitch": 1.5, "roll": 0.5, "scale": 3.0, "translation": [0.0, 0.0], "light": [0.0] * 9,
                "truth": {"person": photo.person, "box": BOX, "landmarks": points.ravel().tolist(),
                          "shape": shape.tolist()} | pose,
            }
        )  # fmt: skip
    _put(data / "world" / "truth/0.parquet", [row | {"faces": [row["truth"]]} for row in rows], records.TRUTH)
    _put(data / "crawl" / "photos/0.parquet", rows, records.PHOTOS)
    _put(data / "crawl" / "urls/0.parquet", rows, records.URLS)
    _put(data / "faces" / "faces/0.parquet", rows, records.faces(SIZE))
    _put(data / "identities" / "faces/0.parquet", rows, records.IDENTITIES)
    people = [
        {"identity_id": name, "faces": SHOTS, "cohesion": 0.8, "margin": 0.5}
        for name in sorted({r["identity_id"] for r in rows})
    ]
    _put(data / "identities" / "people/0.parquet", people, records.PEOPLE)
    _put(data / "shapes" / "shapes/0.parquet", rows, records.shapes(48, 39))
    for split in ("train", "test"):
        own = [row | {"faces": [row]} for row in rows if row["split"] == split]
        _put(data / "samples" / f"{split}/0.parquet", own, records.samples(SIZE, 48, 39))
    shards.write_metrics(
        data / "crawl", {"photos": len(rows), "outcomes": {"kept": len(rows), "never": 31, "later": 0}}
    )
    shards.write_metrics(data / "faces", {"faces": len(rows), "kept": len(rows), "rejects": {"small": 3}})


def _cases(photos: Sequence[Photo], casts: Sequence[int]) -> list[Case]:
    by_person: dict[int, list[Photo]] = {}
    for photo in photos:
        if photo.split == "test":
            by_person.setdefault(photo.person, []).append(photo)
    people = [
        Person(
            f"id{number:03d}",
            *(tuple(each.shot for each in own[start:end]) for start, end in ((0, 2), (2, 5))),
            own[5].shot,
        )
        for number, own in by_person.items()
    ]
    return [
        _case(count, index, [people[(index * count + slot) % len(people)] for slot in range(count)])
        for count, number in enumerate(casts, 1)
        for index in range(number)
    ]


def _case(count: int, index: int, people: Sequence[Person]) -> Case:
    width = 128 if count == 1 else 256
    heads = tuple(
        HeadPose(
            Camera(0.0, 0.0, 0.0, 3.0, x, 64.0), np.zeros(0), np.empty((0, 2)), np.array([x - 24, 30.0, x + 24, 96])
        )
        for x in (width * (slot + 0.5) / count for slot in range(count))
    )
    return Case(f"{count}-{index:03d}-0", PROMPT, 100 + index, width, 128, tuple(people), heads, (), heads, ())


def _real(folder: Path, photos: Sequence[Photo]) -> None:
    rng = np.random.default_rng(1)
    faces, features = [], []
    for photo in photos:
        row = {"face_id": photo.shot.face_id, "photo_id": photo.photo_id, "identity_id": f"id{photo.person:03d}"}
        row |= {"landmarks": [0.0] * 2 * records.POINTS, "keypoints": [0.0] * 10}
        seen = {
            f"embedding_{name}": unit(identity(photo.person) + 0.13 * rng.normal(size=SIZE)).tolist()
            for name in ENCODERS
        }
        faces.append(row | seen)
        for people in (1, 2, 3):
            feature = unit(rng.normal(1.0, 1.0, TEXT)).tolist()
            shown = {"people": people, "identity_ids": [f"{photo.photo_id}/{slot}" for slot in range(people)]}
            features.append({"case_id": photo.photo_id, "protocol": "", **shown, "embedding": feature})
    _put(folder / "faces/0.parquet", faces, records.REAL_FACES)
    _put(folder / "features/0.parquet", features, records.FEATURES)


def _scored(data: Path, name: str, cases: Sequence[Case]) -> None:
    """Images of one method, and their scores by the metrics themselves."""
    gallery, others = read_gallery(data / "scores" / "real"), impostor_casts(cases)
    rng = np.random.default_rng(list(name.encode()))
    pictures, rows, found, features = [], [], [], []
    drawn = {"method": name, "benchmark": benchmark.hash_of_cases(cases), "height": 128}
    for protocol in benchmark.PROTOCOLS:
        for case in cases:
            head = {"case_id": case.case_id, "protocol": protocol}
            seen, picture = _imagined(name, case, rng)
            data_bytes = b"" if picture is None else images.encode_png(picture)
            reject = "out of memory" if picture is None else None
            image = {"bytes": data_bytes, "path": f"{case.case_id}.png"}
            pictures.append(head | drawn | {"image": image, "width": case.width, "reject": reject})
            if picture is None:
                seen = replace(seen, faces=worker.no_detections(gallery))
            asked = worker.evidence(seen, gallery.cast(case, protocol, _wanted), gallery)
            rows += _rows(head | {"method": name}, case, asked)
            if name not in BOUNDS:
                wrong = worker.evidence(seen, [gallery.person(each) for each in others[case.case_id]], gallery)
                shuffled = _rows(head | {"method": f"shuffled_id:{name}"}, case, wrong)
                rows += [row for row in shuffled if row["slot"] >= 0]
            found += [head | face for face in worker._faces(seen.faces, asked)]
            if seen.feature is not None:
                names = [person.identity_id for person in case.people]
                features.append(
                    head | {"people": len(names), "identity_ids": names, "embedding": seen.feature.tolist()}
                )
    _put(data / "images" / name / "images/0.parquet", pictures, records.IMAGES)
    _put(data / "scores" / name / "scores/0.parquet", rows, records.SCORES)
    _put(data / "scores" / name / "found/0.parquet", found, records.FOUND)
    _put(data / "scores" / name / "features/0.parquet", features, records.FEATURES)


def _rows(head: dict[str, str], case: Case, asked: Any) -> list[dict[str, Any]]:
    names = [person.identity_id for person in case.people]
    modules = [load("metrics", name) for name in settings.load().metrics]
    return [
        row
        for module in modules
        if hasattr(module, "score")
        for row in worker.score_rows(head, names, module.score(asked))
    ]


def _imagined(name: str, case: Case, rng: np.random.Generator) -> tuple[worker.Observation, np.ndarray | None]:
    """What a method might have drawn, and what would be seen of it."""
    keep, lose = quality(name)
    nothing = worker.Observation(
        False, ScoredDetections(np.empty((0, 4)), np.empty((0, 5, 2)), np.empty(0), {}), None, None, None
    )
    if rng.uniform() < lose / 6:
        return nothing, None
    drawn = list(_drawn(case, lose, keep, rng))
    boxes = np.array([box for box, _, _ in drawn]).reshape(-1, 4)
    faces = {
        encoder: np.array([unit(keep * who + 0.25 * rng.normal(size=SIZE)) for _, _, who in drawn]).reshape(-1, SIZE)
        for encoder in ENCODERS
    }
    found = ScoredDetections(boxes, np.zeros((len(drawn), 5, 2)), np.full(len(drawn), 0.9), faces)
    picture = draw(case.width, 128, [(box, person) for box, person, _ in drawn], case.seed)
    feature, cosine = unit(rng.normal(0.6 + keep / 3, 1.0, TEXT)), 0.3 + 0.02 * rng.normal()
    beside = unit(np.eye(TEXT)[0] - feature[0] * feature)  # at a right angle to the image's embedding
    prompt = cosine * feature + np.sqrt(1 - cosine**2) * beside
    return worker.Observation(True, found, feature, prompt, _measured(len(drawn), case.seed)), picture


def _wanted(pose: HeadPose, references: np.ndarray) -> HeadPose:
    """Everybody is to look straight ahead, without an expression."""
    return replace(pose, expression=np.zeros(39), landmarks=np.zeros((records.POINTS, 2)), eye_distance=24.0)


def _measured(faces: int, seed: int) -> list[HeadPose]:
    """Heads that are turned by some 10 degrees, with a little of every expression."""
    rng = np.random.default_rng(seed)
    cameras = [Camera(*rng.normal(0, 6, 3).tolist(), 3.0, 64.0, 64.0) for _ in range(faces)]
    points = rng.normal(0, 1, (faces, records.POINTS, 2))
    return [HeadPose(*each) for each in zip(cameras, rng.uniform(0, 0.1, (faces, 39)), points, strict=True)]


def _drawn(case: Case, lose: float, keep: float, rng: np.random.Generator) -> Iterator[tuple[tuple, int, np.ndarray]]:
    """Box, whose looks, and embedding of each face that comes out."""
    numbers = [int(person.identity_id[2:]) for person in case.people]
    for place, number in zip(case.layout, numbers, strict=True):
        if rng.uniform() < lose:
            continue
        who = number if rng.uniform() > lose else int(rng.choice(numbers))
        looks = who if rng.uniform() < keep else int(rng.integers(200, 300))
        shift = rng.normal(0, 3, 4)
        yield tuple(np.array(place.box) + shift), looks, identity(who)


def _trained(folder: Path) -> None:
    """Weights of a method: what is left of them is a curve, figures, and a card with its settings."""
    rng = np.random.default_rng(3)
    seen = np.arange(1, 61) * 1000
    loss = 0.08 + 0.4 * np.exp(-seen / 12000) + 0.01 * rng.normal(size=60)
    routing = 0.02 + 0.1 * np.exp(-seen / 20000) + 0.003 * rng.normal(size=60)
    lines = [f"{n},{a:.6g},{b:.6g}" for n, a, b in zip(seen, loss, routing, strict=True)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "curve.csv").write_text("images,diffusion,routing\n" + "\n".join(lines) + "\n")
    change = folder.name.partition("-")[2]
    card = {"method": folder.name, "settings": {"queries": 16, "route_weight": 0.0 if change else 10.0}}
    (folder / "card.json").write_text(json.dumps(card))
    shards.write_metrics(folder, {"images_seen": 60000, "seconds": 512.3, "trainable_parameters": 1234567})


def _converted(folder: Path) -> None:
    """The card of published weights that drew a method's images."""
    folder.mkdir(parents=True)
    (folder / "card.json").write_text(json.dumps({"licence": "CC-BY-4.0", "released": {"their.bin": "0123"}}))


def main() -> None:
    """Write a run with all names of the published profile, and its page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where data/ and site/ are to be")
    folder = parser.parse_args().folder
    wanted = yaml.safe_load(Path("profiles/published.yaml").read_text())
    everything = Crowd(tuple(wanted["methods"]), tuple(wanted["fewer_references"]))
    write(folder, people=60, casts=(28, 14, 9), crowd=everything)
    build(folder / "data", folder / "site", chosen(everything))


if __name__ == "__main__":
    main()
