"""Crops, targets and measures of the perception part, against insightface's own code and values worked by hand."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from insightface.model_zoo.landmark import Landmark
from insightface.model_zoo.scrfd import SCRFD
from insightface.utils import face_align

from pipeline.pack.dataset import Drawn
from pipeline.pack.recognition import detector, evaluate, landmarks, recogniser
from pipeline.pack.recognition.faces import FaceSet, recompress, shrink, similarity
from pipeline.pack.recognition.nets import STRIDES
from pipeline.world import population


class Still:
    """A generator that always says the middle: no jitter, and none of the faults that have a chance below one half."""

    def random(self, size: Any = None) -> Any:
        return 0.999 if size is None else np.full(size, 0.999)

    def normal(self, mean: float, spread: float, size: Any = None) -> Any:
        return mean if size is None else np.full(size, mean)


def dots(points: np.ndarray, size: tuple[int, int] = (128, 128)) -> np.ndarray:
    """A black photograph with a white pixel at each point (x, y)."""
    image = np.zeros((*size, 3), np.uint8)
    for x, y in points:
        image[y, x] = 255
    return image


def faces(count: int = 68, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(40, 90, (count, 2)).astype(np.float32)


def test_similarity_is_that_of_norm_crop() -> None:
    kps = face_align.arcface_dst * 0.4 + np.random.default_rng(0).normal(0, 2, (5, 2)) + 30
    assert np.allclose(similarity(kps, face_align.arcface_dst), face_align.estimate_norm(kps), atol=1e-3)


def test_recogniser_crop_without_faults_is_norm_crop() -> None:
    kps = (face_align.arcface_dst * 0.5 + 20).astype(np.float32)
    photo = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    ours = recogniser.crop(photo, kps, 0.025, Still())  # type: ignore[arg-type]
    assert np.abs(ours.astype(int) - face_align.norm_crop(photo, kps, 112)).max() <= 2


def test_landmark_crop_without_faults_is_that_of_insightface() -> None:
    points = faces()
    photo, box = dots(points.astype(int)), np.array([38, 35, 92, 95], np.float32)
    crop, target = landmarks.crop(photo, box, points, Still())  # type: ignore[arg-type]
    theirs, move = face_align.transform(photo, (65.0, 65.0), 192, 192 / (60 * 1.5), 0)
    assert np.abs(crop.astype(int) - theirs).max() <= 2
    expected = face_align.trans_points2d(points, move)
    assert np.allclose((target.reshape(68, 2) + 1) * 96, expected, atol=1e-2)


def test_insightface_reads_our_landmarks_back(monkeypatch: pytest.MonkeyPatch) -> None:
    points, box = faces(), np.array([38, 35, 92, 95], np.float32)
    _, target = landmarks.crop(dots(points.astype(int)), box, points, Still())  # type: ignore[arg-type]
    model = Landmark.__new__(Landmark)
    model.input_size, model.input_mean, model.input_std = (192, 192), 127.5, 128.0
    model.lmk_num, model.require_pose, model.taskname = 68, False, "landmark_2d_68"
    model.input_name, model.output_names = "x", ["y"]
    model.session = SimpleNamespace(run=lambda names, feed: [target[None].copy()])

    class Face(dict[str, Any]):
        bbox = box

    found = model.get(dots(points.astype(int)), Face())
    assert np.allclose(found, points, atol=1e-2)


class Ideal:
    """A session that answers what `assign` asks for, with certainty."""

    def __init__(self, target: dict[str, np.ndarray]) -> None:
        self._target = target

    def get_inputs(self) -> list[Any]:
        return [SimpleNamespace(name="pixels", shape=[1, 3, "height", "width"], type="tensor(float)")]

    def get_outputs(self) -> list[Any]:
        return [SimpleNamespace(name=str(i), shape=[1, "n", 1]) for i in range(9)]

    def run(self, names: list[str], feed: dict[str, np.ndarray]) -> list[np.ndarray]:
        counts = [2 * (256 // stride) ** 2 for stride in STRIDES]
        pieces = [np.split(self._target[name], np.cumsum(counts)[:-1]) for name in ("label", "box", "kps")]
        return [piece.reshape(1, len(piece), -1) for part in pieces for piece in part]


def drawn_scene(boxes: list[list[float]], size: tuple[int, int]) -> detector.Scene:
    box = np.array(boxes, np.float32)
    kps = (box[:, None, :2] + face_align.arcface_dst[None] / 112 * (box[:, 2:] - box[:, :2])[:, None]).astype(
        np.float32
    )
    photo = np.zeros((*size, 3), np.uint8)
    return detector.place(photo, box, kps, *detector.letterbox(photo))


@pytest.mark.parametrize(
    ("boxes", "size"),
    [
        ([[30.0, 25.0, 88.0, 98.0]], (128, 128)),
        ([[20.0, 40.0, 60.0, 84.0], [100.0, 38.0, 139.0, 80.0], [180.0, 41.0, 222.0, 86.0]], (128, 256)),
        ([[10.0, 40.0, 40.0, 75.0], [70.0, 38.0, 99.0, 74.0], [130.0, 41.0, 160.0, 76.0]], (128, 256)),
    ],
)  # fmt: skip
def test_insightface_reads_our_targets_back(boxes: list[list[float]], size: tuple[int, int]) -> None:
    scene = drawn_scene(boxes, size)
    model = SCRFD(session=Ideal(detector.assign(scene, detector.anchor_places(detector.DET_SIZE))))
    model.input_size, model.input_sizes = detector.DET_SIZE, [detector.DET_SIZE]
    found, kps = model.detect(np.zeros((*size, 3), np.uint8))
    order = found[:, 0].argsort()
    assert np.allclose(found[order, :4], boxes, atol=1e-2)
    zoom = detector.letterbox(np.zeros((*size, 3)))[0]
    assert np.allclose(kps[order], scene.kps / zoom, atol=1e-2)


def test_faces_that_are_cut_or_tiny_are_neither_asked_for_nor_punished() -> None:
    photo = np.zeros((128, 128, 3), np.uint8)
    box = np.array([[30, 30, 90, 95], [30, 30, 35, 36]], np.float32)
    scene = detector.place(photo, box, np.zeros((2, 5, 2), np.float32), 2.0, np.array([-140.0, 0.0], np.float32))
    target = detector.assign(scene, detector.anchor_places(detector.DET_SIZE))
    assert scene.asked.tolist() == [False, False]
    assert not (target["label"] == 1).any()
    assert (target["label"] == -1).any()


def test_pictures_move_with_their_points() -> None:
    """A white block stays under its box after zoom and shift."""
    photo = np.zeros((128, 128, 3), np.uint8)
    photo[40:80, 50:70] = 255
    box = np.array([[50, 40, 70, 80]], np.float32)
    scene = detector.place(photo, box, np.zeros((1, 5, 2), np.float32), 1.5, np.array([10.0, 20.0], np.float32))
    ys, xs = np.nonzero(scene.canvas[..., 0] > 127)
    assert np.allclose([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1], scene.box[0], atol=1.0)


def test_giou_of_equal_and_of_half_boxes() -> None:
    box = torch.tensor([[2.0, 2.0, 2.0, 2.0]])
    half = torch.tensor([[2.0, 2.0, 0.0, 2.0]])
    assert detector.giou(box, box).item() == pytest.approx(1.0)
    assert detector.giou(box, half).item() == pytest.approx(0.5)


def test_margins_lower_the_right_cosine_only_and_stay_monotone() -> None:
    cosine = torch.linspace(-0.99, 0.99, 200)[:, None]
    for kind in ("angle", "cosine"):
        head = recogniser.IdentityLoss(torch.nn.Identity(), torch.zeros(3, 2), 4, kind, 0.3, 30.0)
        lowered = head._with_margin(cosine, 0.3)
        assert (lowered < cosine).all()
        assert (lowered.diff(dim=0) > 0).all()
    assert torch.allclose(
        torch.acos(lowered.new_tensor(0.5)) + 0.3, torch.acos(torch.cos(torch.tensor(np.pi / 3 + 0.3)))
    )


def test_coefficients_are_those_of_the_people_and_standardised() -> None:
    known = recogniser.coefficients(77, 40)
    person = population.person(77, 3)
    assert known.shape == (40, len(person.shape) + len(person.albedo))
    assert known.mean(0).abs().max() < 1e-4
    values = np.stack([population.person(77, index).shape for index in range(40)])
    assert np.allclose(known[3, : len(person.shape)], ((person.shape - values.mean(0)) / values.std(0)), atol=1e-4)


def test_an_embedding_of_the_coefficients_costs_least() -> None:
    torch.manual_seed(0)
    known = torch.randn(20, 6)
    head = recogniser.IdentityLoss(torch.nn.Identity(), known, 8, "angle", 0.2, 16.0)
    person = torch.arange(5)
    right = torch.cat([known[:5], torch.zeros(5, 2)], 1)
    assert head(right, person, 0.4) < head(right.flip(0), person, 0.4)


def test_wing_is_continuous_and_grows() -> None:
    error = torch.tensor([0.0, 0.05, 0.0999, 0.1001, 0.5])
    values = torch.stack([landmarks.wing(one) for one in error])
    assert values[0] == 0
    assert (values.diff() > 0).all()
    assert values[3] - values[2] < 1e-3


def test_shrinking_and_recompressing_keep_size_and_colour() -> None:
    photo = np.full((128, 256, 3), (200, 40, 90), np.uint8)
    small, factor = shrink(photo, 0.5)
    assert small.shape == (64, 128, 3)
    assert factor.tolist() == [0.5, 0.5]
    # Red must not come back as blue: the encoder is told that the order is RGB.
    assert np.abs(recompress(photo, 90).astype(int) - photo).max() < 6


def test_every_face_comes_once_per_epoch_and_batches_repeat() -> None:
    count = 8
    part = Drawn(
        images=np.random.default_rng(0).integers(0, 256, (count, 128, 128, 3), dtype=np.uint8),
        captions=[""] * count,
        photo=np.arange(count),
        person=np.arange(count),
        box=np.tile(np.array([30, 30, 90, 90], np.float32), (count, 1)),
        landmarks=np.stack([faces(seed=i) for i in range(count)]),
    )
    crops = recogniser.Crops(FaceSet((part,)), 4, seed=3, jitter=0.025)
    people = torch.cat([crops(0)["person"], crops(1)["person"]])
    assert sorted(people.tolist()) == list(range(count))
    assert torch.equal(crops(5)["pixels"], crops(5)["pixels"])
    assert crops(0)["pixels"].shape == (4, 3, 112, 112)
    assert crops(0)["pixels"].abs().max() <= 1


def test_matching_is_one_to_one_and_counts_by_overlap() -> None:
    truth = np.array([[0, 0, 10, 10], [20, 0, 30, 10]], np.float32)
    found = np.array([[1, 0, 11, 10], [0, 0, 10, 10], [50, 0, 60, 10]], np.float32)
    assert evaluate.match(found, truth) == [(1, 0, 1.0)]
    assert evaluate.match(found[:0], truth) == []


def test_verification_by_hand() -> None:
    unit = np.eye(4, dtype=np.float32)
    embeddings = np.stack([unit[0], unit[0], unit[1], unit[2], unit[3], unit[3] * 0.6 + unit[0] * 0.8])
    person = np.array([0, 0, 1, 2, 3, 3])
    found = evaluate.verification(embeddings, person, far=0.25)
    assert found["pairs"] == 2
    assert found["same_mean"] == pytest.approx(0.8)
    assert found["tar_at_far_1e-3"] == 1.0
    # The last face is nearer to person 0 than to its own: one of two probes is right.
    assert evaluate.rank_one(embeddings[[1, 5]], person[[1, 5]], embeddings[[0, 2, 3, 4]], person[[0, 2, 3, 4]]) == 0.5
