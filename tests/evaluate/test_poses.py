"""What a layout wants and what is measured: on projected heads, and on drawn photographs with the pack's models."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from pipeline import settings
from pipeline.benchmark.cases import Place
from pipeline.errors import SettingsError
from pipeline.evaluate.observe import FaceObserver
from pipeline.evaluate.poses import PoseObserver
from pipeline.head.camera import Camera
from pipeline.head.head_pose import Posed, landmarks_of
from pipeline.head.model import Head
from pipeline.images import Pixels, iou
from pipeline.metric import Held
from pipeline.metrics import expression, landmarks, pose
from pipeline.world import population, scene
from tests.crowd import Crowd

PARAMS = settings.load()
SEED = 4242  # of no population that anything was trained on
Measured = Callable[[np.ndarray], Held]


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

    def measure(points: np.ndarray) -> Held:
        monkeypatch.setattr(observer, "_mark", lambda image, boxes: points.astype(np.float64))
        return observer(empty(), np.zeros((len(points), 4)))

    return measure


def as_drawn(face: scene.FaceTruth) -> Place:
    camera, box = face.camera, tuple(face.box.tolist())
    where = (camera.tx, camera.ty)
    return Place(box, camera.yaw, camera.pitch, camera.roll, camera.scale, where, tuple(face.expression.tolist()), ())


@pytest.fixture(scope="module")
def pairs(observer: PoseObserver, photos: list[scene.Photo]) -> list[tuple[Held, Held]]:
    """How each drawn face that is detected is held: by its truth, and as measured."""
    look, found = FaceObserver(PARAMS.models, PARAMS.evaluate), []
    for photo in photos:
        boxes = look(photo.image).boxes
        held = observer(photo.image, boxes)
        for face in photo.faces:
            shared = iou(face.box[None].astype(np.float64), boxes)[0]
            if len(shared) and shared.max() > 0.3:
                found.append((observer.wanted(as_drawn(face), face.landmarks[None]), held[int(shared.argmax())]))
    return found


def test_drawn_poses_are_measured(pairs: list[tuple[Held, Held]]) -> None:
    """The pose of most drawn faces to within 5 degrees; it is never the frontal one's, which is 15 degrees away."""
    angles = [pose.angle_between(wanted.rotation, found.rotation) for wanted, found in pairs]
    frontal = [pose.angle_between(wanted.rotation, np.eye(3)) for wanted, _ in pairs]
    assert len(pairs) >= 14
    assert np.mean(angles) < 2.8
    assert np.max(angles) < 10
    assert np.mean(frontal) > 3 * np.mean(angles)


def test_drawn_landmarks_and_expressions_are_measured(pairs: list[tuple[Held, Held]]) -> None:
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
        points, _ = landmarks_of(head, Posed(shape, weights, camera, np.empty(0)))
        found = measured(points[None])
        assert pose.angle_between(camera.rotation(), found[0].rotation) < 2.0
        assert found.expression[0].argmax() == jaw


def test_an_image_larger_and_elsewhere_is_held_the_same(measured: Measured, crowd: Crowd) -> None:
    small = measured(crowd.points[:4])
    large = measured(crowd.points[:4] * 3 + 50)
    np.testing.assert_allclose(small.rotation, large.rotation, atol=1e-6)
    np.testing.assert_allclose(small.eyes * 3, large.eyes, rtol=1e-6)


def test_faces_are_measured_one_by_one(measured: Measured, crowd: Crowd) -> None:
    """Others in the image change nothing: a shape is a face's own."""
    both = measured(crowd.points[:2])
    alone = measured(crowd.points[1:2])
    np.testing.assert_allclose(both.expression[1], alone.expression[0], atol=1e-8)


def test_wanted_is_the_person_s_own_head_in_the_place(observer: PoseObserver, head: Head, crowd: Crowd) -> None:
    """Six photographs give a person's shape, and with it the landmarks of a seventh that is held as a place says."""
    camera = Camera(20.0, 5.0, -4.0, 4.0, 70.0, 60.0)
    weights = np.zeros(len(head.expression), np.float32)
    truth, _ = landmarks_of(head, Posed(crowd.shape[0], weights, camera, np.empty(0)))
    place = Place((0, 0, 1, 1), 20.0, 5.0, -4.0, 4.0, (70.0, 60.0), tuple(weights.tolist()), ())
    own, other = (observer.wanted(place, crowd.points[crowd.person == who]) for who in (0, 1))
    apart = [np.linalg.norm(each.landmarks - truth, axis=1).mean() / own.eyes for each in (own, other)]
    assert apart[0] < 0.02 < apart[1]
    assert pose.angle_between(own.rotation, camera.rotation()) == pytest.approx(0, abs=0.05)
    left, right = head.mean[head.landmarks68[[36, 45]]]
    assert own.eyes == pytest.approx(4.0 * np.linalg.norm(right - left), rel=0.1)


def test_nobody_is_held_in_an_empty_image(observer: PoseObserver) -> None:
    held = observer(empty(), np.empty((0, 4)))
    assert held.rotation.shape == (0, 3, 3)
    assert held.landmarks.shape == (0, 68, 2)


def test_a_box_that_holds_no_face_gives_finite_numbers(observer: PoseObserver) -> None:
    held = observer(empty(), np.array([[-20.0, -20.0, 4.0, 4.0]]))
    assert all(np.isfinite(each).all() for each in (held.rotation, held.expression, held.landmarks, held.eyes))


def test_points_that_all_coincide_give_finite_numbers(measured: Measured) -> None:
    held = measured(np.full((1, 68, 2), 7.0))
    assert all(np.isfinite(each).all() for each in (held.rotation, held.expression, held.eyes))


def test_an_unknown_landmark_model_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"faces\.landmarks is 'recogniserr'"):
        PoseObserver(PARAMS.models, replace(PARAMS.faces, landmarks="recogniserr"), PARAMS.shapes)


def empty() -> Pixels:
    return np.full((128, 128, 3), 90, np.uint8)
