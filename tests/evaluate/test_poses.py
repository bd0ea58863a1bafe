"""Poses that are wanted and measured: of projected heads, and of drawn photographs with the pack's models."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from pipeline import settings
from pipeline.errors import SettingsError
from pipeline.evaluate.observe import FaceObserver
from pipeline.evaluate.poses import PoseObserver
from pipeline.head.camera import Camera
from pipeline.head.head_pose import HeadPose
from pipeline.head.model import Head
from pipeline.images import Pixels, iou
from pipeline.metrics import expression, landmarks, pose
from pipeline.world import population, scene
from tests.crowd import Crowd

PARAMS = settings.load()
SEED = 4242  # of no population that anything was trained on
Measured = Callable[[np.ndarray], list[HeadPose]]


@pytest.fixture(scope="module")
def observer() -> PoseObserver:
    return PoseObserver(PARAMS.models, PARAMS.faces, PARAMS.shapes)


@pytest.fixture(scope="module")
def photos() -> list[scene.Photo]:
    """Two portraits each of six people, and a group of three."""
    people = [population.person(SEED, index) for index in range(6)]
    portraits = [scene.portrait(person, 100 * SEED + seed) for person in people for seed in range(2)]
    return [*portraits, scene.group(people[:3], SEED)]


@pytest.fixture
def measured(observer: PoseObserver, monkeypatch: pytest.MonkeyPatch) -> Measured:
    """What the observer says where the landmark model marks given points (M, 68, 2)."""

    def measure(points: np.ndarray) -> list[HeadPose]:
        monkeypatch.setattr(observer, "_mark", lambda image, boxes: points.astype(np.float64))
        return observer(empty(), np.zeros((len(points), 4)))

    return measure


def as_drawn(face: scene.FaceTruth) -> HeadPose:
    return HeadPose(face.camera, face.expression, np.empty((0, 2)), face.box)


@pytest.fixture(scope="module")
def pairs(observer: PoseObserver, photos: list[scene.Photo]) -> list[tuple[HeadPose, HeadPose]]:
    """The pose of each drawn face that is detected: by its truth, and as measured."""
    look, found = FaceObserver(PARAMS.models, PARAMS.evaluate), []
    for photo in photos:
        boxes = look(photo.image).boxes
        measured = observer(photo.image, boxes)
        for face in photo.faces:
            shared = iou(face.box[None].astype(np.float64), boxes)[0]
            if len(shared) and shared.max() > 0.3:
                found.append((observer.wanted(as_drawn(face), face.landmarks[None]), measured[int(shared.argmax())]))
    return found


def test_drawn_poses_are_measured(pairs: list[tuple[HeadPose, HeadPose]]) -> None:
    """The pose of most drawn faces to within 5 degrees; it is never the frontal one's, which is 15 degrees away."""
    angles = [pose.error(wanted, found) for wanted, found in pairs]
    frontal = [pose.angle_between(wanted.camera.rotation(), np.eye(3)) for wanted, _ in pairs]
    assert len(pairs) >= 14
    assert np.mean(angles) < 2.8
    assert np.max(angles) < 10
    assert np.mean(frontal) > 3 * np.mean(angles)


def test_drawn_landmarks_and_expressions_are_measured(pairs: list[tuple[HeadPose, HeadPose]]) -> None:
    assert np.mean([landmarks.landmark_error(wanted, found) for wanted, found in pairs]) < 0.035
    own = np.mean([expression.apart(wanted, found) for wanted, found in pairs])
    of_others = np.mean([expression.apart(pair[0], other[1]) for pair in pairs for other in pairs if other is not pair])
    assert own < 0.9 * of_others


def test_pose_and_expression_of_projected_heads(measured: Measured, head: Head) -> None:
    """Exact landmarks of a head of some shape: pose to two degrees, and the mouth is what is open."""
    rng = np.random.default_rng(0)
    jaw = head.expression_names.index("jawOpen")
    for yaw in (-40, -15, 0, 15, 40):
        weights = np.zeros(len(head.expression), np.float32)
        weights[jaw] = 0.5
        shape = rng.normal(size=len(head.identity)).clip(-2, 2).astype(np.float32)
        camera = Camera(yaw, 5.0, -4.0, 4.0, 64.0, 64.0)
        drawn = HeadPose(camera, weights, np.empty((0, 2)), shape=shape)
        (found,) = measured(drawn.project(head)[0][None])
        assert pose.error(drawn, found) < 2.0
        assert found.expression.argmax() == jaw


def test_the_pose_is_the_same_in_a_larger_image_and_elsewhere(measured: Measured, crowd: Crowd) -> None:
    small = measured(crowd.points[:4])
    large = measured(crowd.points[:4] * 3 + 50)
    for one, other in zip(small, large, strict=True):
        np.testing.assert_allclose(one.camera.rotation(), other.camera.rotation(), atol=1e-6)
        assert other.eye_distance == pytest.approx(3 * one.eye_distance, rel=1e-6)


def test_faces_are_measured_one_by_one(measured: Measured, crowd: Crowd) -> None:
    """Others in the image change nothing: a shape is a face's own."""
    both = measured(crowd.points[:2])
    alone = measured(crowd.points[1:2])
    np.testing.assert_allclose(both[1].expression, alone[0].expression, atol=1e-8)


def test_what_is_wanted_is_the_person_s_own_head_in_the_pose(observer: PoseObserver, head: Head, crowd: Crowd) -> None:
    """Six photographs give a person's shape, and with it the landmarks of a seventh in any pose."""
    camera = Camera(20.0, 5.0, -4.0, 4.0, 70.0, 60.0)
    weights = np.zeros(len(head.expression), np.float32)
    mean = HeadPose(camera, weights, np.empty((0, 2)), np.array([0.0, 0, 1, 1]))
    truth, _ = replace(mean, shape=crowd.shape[0].astype(np.float32)).project(head)
    own, other = (observer.wanted(mean, crowd.points[crowd.person == who]) for who in (0, 1))
    apart = [np.linalg.norm(each.landmarks - truth, axis=1).mean() / own.eye_distance for each in (own, other)]
    assert apart[0] < 0.02 < apart[1]
    assert own.camera == camera
    left, right = head.mean[head.landmarks68[[36, 45]]]
    assert own.eye_distance == pytest.approx(4.0 * np.linalg.norm(right - left), rel=0.1)


def test_an_empty_image_has_no_pose(observer: PoseObserver) -> None:
    assert observer(empty(), np.empty((0, 4))) == []


def test_a_box_that_holds_no_face_gives_finite_numbers(observer: PoseObserver) -> None:
    (found,) = observer(empty(), np.array([[-20.0, -20.0, 4.0, 4.0]]))
    assert all(np.isfinite(each).all() for each in numbers(found))


def test_points_that_all_coincide_give_finite_numbers(measured: Measured) -> None:
    (found,) = measured(np.full((1, 68, 2), 7.0))
    assert all(np.isfinite(each).all() for each in numbers(found))


def test_an_unknown_landmark_model_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"faces\.landmarks is 'recogniserr'"):
        PoseObserver(PARAMS.models, replace(PARAMS.faces, landmarks="recogniserr"), PARAMS.shapes)


def numbers(found: HeadPose) -> tuple:
    return found.camera.rotation(), found.expression, found.landmarks, found.eye_distance


def empty() -> Pixels:
    return np.full((128, 128, 3), 90, np.uint8)
