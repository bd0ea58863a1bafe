"""Measures the perception part of the pack on the people of P9, through FaceAnalysis, into the cards and one JSON.

Reads `data/pack/drawn/p9` and `models/recogniser_*`; writes the `measured` entry of each part's card, and all figures
to `data/pack/perception.json`. Run alone: `python -m pipeline.pack.recognition.evaluate`. Faces are what the detector
finds at its threshold of 0.5, and are aligned by the key points it gives, as everywhere else.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from insightface.app import FaceAnalysis
from numpy.typing import NDArray
from tqdm import tqdm

from pipeline.encoders.recogniser import Recogniser, align, face_analysis
from pipeline.head.landmarks import eye_distance, nme
from pipeline.images import iou
from pipeline.pack import dataset, export, settings
from pipeline.pack.dataset import Drawn
from pipeline.pack.recognition.detector import DET_SIZE

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class PackDetections:
    """The detector's faces in one kind of photograph; M of them matched a drawn face at IoU 0.5."""

    drawn: int
    detected: int
    face: NDArray[np.int64]  # (M,) number of the drawn face
    overlap: Floats  # (M,) IoU
    nme: Floats  # (M,) landmark error, in outer eye distances
    crops: NDArray[np.uint8]  # (M, 112, 112, 3)

    def detection(self) -> dict[str, float]:
        """Recall, precision and how well the boxes fit."""
        return {
            "recall": len(self.face) / self.drawn,
            "precision": len(self.face) / max(self.detected, 1),
            "mean_iou": float(self.overlap.mean()),
            "faces": self.drawn,
        }

    def landmarks(self) -> dict[str, float]:
        """Mean error, in shares of the outer eye distance, and its 95th percentile."""
        return {"nme": float(self.nme.mean()), "nme_95": float(np.quantile(self.nme, 0.95)), "faces": len(self.nme)}


def find(app: FaceAnalysis, data: Drawn, photos: NDArray[np.int64]) -> PackDetections:
    """Detect in `photos` of `data` and match one to one, best overlap first."""
    detected = 0
    faces: list[int] = []
    overlaps: list[float] = []
    errors: list[float] = []
    crops: list[NDArray[np.uint8]] = []
    for photo in tqdm(photos, desc="detect", mininterval=2):
        image = np.ascontiguousarray(data.images[photo])
        found = app.get(image[..., ::-1])  # insightface takes BGR
        detected += len(found)
        truth = data.faces_of(int(photo))
        for mine, face, overlap in match(np.array([one.bbox for one in found]).reshape(-1, 4), data.box[truth]):
            faces.append(int(truth[face]))
            overlaps.append(overlap)
            points = data.landmarks[truth[face]]
            errors.append(float(nme(found[mine].landmark_2d_68, points, eye_distance(points))))
            crops.append(align(image, found[mine].kps))
    drawn = sum(len(data.faces_of(int(photo))) for photo in photos)
    return PackDetections(drawn, detected, np.array(faces), np.array(overlaps), np.array(errors), np.array(crops))


def match(found: Floats, truth: Floats, least: float = 0.5) -> list[tuple[int, int, float]]:
    """Pairs (found, truth, IoU) of boxes (N, 4) and (M, 4), each used once, best first, IoU at least `least`."""
    overlap = iou(found, truth)
    pairs = []
    while overlap.size and overlap.max() >= least:
        i, j = np.unravel_index(overlap.argmax(), overlap.shape)
        pairs.append((int(i), int(j), float(overlap[i, j])))
        overlap[i, :] = overlap[:, j] = -1
    return pairs


def verification(embeddings: Floats, person: NDArray[np.int64], far: float = 1e-3) -> dict[str, float]:
    """All pairs of unit embeddings (N, D): the share of same-person pairs above the threshold that `far` sets."""
    similarity = embeddings @ embeddings.T
    upper = np.triu_indices(len(person), 1)
    same = person[upper[0]] == person[upper[1]]
    right, wrong = similarity[upper][same], similarity[upper][~same]
    threshold = np.quantile(wrong, 1 - far)
    return {
        "tar_at_far_1e-3": float((right > threshold).mean()),
        "threshold": float(threshold),
        "same_mean": float(right.mean()),
        "same_05": float(np.quantile(right, 0.05)),
        "different_mean": float(wrong.mean()),
        "pairs": len(right),
    }


def cross_verification(probes: Floats, probe: NDArray[np.int64], gallery: Floats, person: NDArray[np.int64]) -> dict:
    """Unit embeddings of `probes` against those of a gallery: accept rate, and whether the nearest of each is right."""
    similarity = probes @ gallery.T
    same = probe[:, None] == person[None]
    threshold = np.quantile(similarity[~same], 1 - 1e-3)
    return {
        "tar_at_far_1e-3": float((similarity[same] > threshold).mean()),
        "same_mean": float(similarity[same].mean()),
        "pairs": int(same.sum()),
    }


def rank_one(probes: Floats, probe: NDArray[np.int64], gallery: Floats, person: NDArray[np.int64]) -> float:
    """The share of probes whose most similar face in the gallery is of the same person."""
    return float((person[(probes @ gallery.T).argmax(1)] == probe).mean())


def recognition(
    directory: Path, portraits: PackDetections, groups: PackDetections, data: Drawn, group_data: Drawn
) -> dict[str, Any]:
    """Verification and identification of portraits, and of three-person groups' faces against portraits."""
    recogniser = Recogniser(directory)
    faces, others = recogniser.embed(portraits.crops), recogniser.embed(groups.crops)
    person, other = data.person[portraits.face], group_data.person[groups.face]
    _, first = np.unique(person, return_index=True)
    rest = np.setdiff1d(np.arange(len(person)), first)
    return {
        "portraits": {
            **verification(faces, person),
            "rank_1": rank_one(faces[rest], person[rest], faces[first], person[first]),
            "people": len(first),
        },
        "groups_of_three": {
            **cross_verification(others, other, faces, person),
            "rank_1": rank_one(others, other, faces[first], person[first]),
            "faces": len(other),
        },
    }


def measure(population: str = "p9", models: Path = settings.MODELS) -> dict[str, Any]:
    """Everything that is measured of detector, landmarks and the three recognisers."""
    data, group_data = dataset.load(population, "portraits"), dataset.load(population, "groups")
    app = face_analysis(models / export.RECOGNISERS[0], allowed_modules=["detection", "landmark_2d_68"])
    app.prepare(-1, det_size=DET_SIZE)
    portraits = find(app, data, np.arange(len(data.images)))
    sizes = np.bincount(group_data.photo)
    groups = {size: find(app, group_data, np.flatnonzero(sizes == size)) for size in dataset.GROUP_SIZES}
    kinds = {"portraits": portraits, **{f"groups_of_{size}": found for size, found in groups.items()}}
    return {
        "detector": {name: found.detection() for name, found in kinds.items()},
        "landmarks": {name: found.landmarks() for name, found in kinds.items()},
        **{name: recognition(models / name, portraits, groups[3], data, group_data) for name in export.RECOGNISERS},
    }


def main() -> None:
    """Measure, and write the figures into the cards and into data/pack/perception.json."""
    figures = measure()
    for part in ("detector", "landmarks"):
        export.add_to_card(export.RECOGNISERS, part, figures[part])
    for name in export.RECOGNISERS:
        export.add_to_card([name], "recogniser", figures[name])
    (settings.WORK / "perception.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
