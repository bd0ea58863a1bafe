"""A head's pose from each of its four sources, and what becomes of it on its way: the right numbers, stated by hand."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline import settings
from pipeline.head.camera import Camera, project
from pipeline.head.fit import basis_of, fit
from pipeline.head.head_pose import HeadPose, face_box
from pipeline.head.landmarks import eye_distance
from pipeline.head.model import Head
from pipeline.metrics import expression, landmarks, pose
from pipeline.world.population import world_head
from pipeline.world.scene import face_vertices
from tests import tiny_models
from tests.crowd import Crowd

SIZE = (256, 128)
BOX = (0.1, 0.2, 0.4, 0.9)


def tilted(points: np.ndarray) -> HeadPose:
    rng = np.random.default_rng(0)
    shape, weights = rng.normal(size=tiny_models.SHAPE), rng.uniform(size=tiny_models.EXPRESSION)
    camera = Camera(20, -10, 15, 30, 70, 50)
    return HeadPose(camera, weights.astype(np.float32), points, shape=shape.astype(np.float32))


def projected(found: HeadPose, head: Head) -> np.ndarray:
    """The landmarks of all vertices, not of the 68 alone."""
    return project(found.vertices(head)[head.landmarks68], found.camera)[0]


def test_a_row_of_the_samples_is_a_pose_with_its_person_s_shape() -> None:
    row = tiny_models.samples_row()["faces"][0]
    found = HeadPose.from_photo(row)
    assert found.camera == Camera(0, 0, 0, 16, *row["translation"])
    assert found.landmarks[3].tolist() == np.float32(row["landmarks"][6:8]).tolist()
    assert found.box is not None
    assert found.shape is not None
    assert found.box.tolist() == row["box"]
    assert found.shape.tolist() == np.float32(row["shape"]).tolist()


def test_twenty_degrees_of_yaw_in_a_layout_are_twenty_degrees_in_the_metric(head: Head) -> None:
    turned, frontal = (HeadPose.from_layout({"box": BOX, "yaw": yaw}, SIZE, head) for yaw in (20, 0))
    assert turned.camera.yaw == 20
    nose = turned.camera.rotation() @ [0, 0, 1]
    np.testing.assert_allclose(nose, [np.sin(np.radians(20)), 0, np.cos(np.radians(20))], atol=1e-6)
    assert pose.error(turned, frontal) == pytest.approx(20, abs=1e-3)
    wanted = turned.with_shape(np.zeros(len(head.identity)), basis_of(head))  # as the evaluate stage asks for it
    assert pose.error(wanted, frontal) == pytest.approx(20, abs=1e-3)


def test_a_layout_names_expressions_of_the_head(head: Head) -> None:
    smile = {"mouthSmileLeft": 0.8, "jawOpen": 0.5}
    found = HeadPose.from_layout({"box": BOX, "expression": smile}, SIZE, head)
    named = dict(zip(head.expression_names, found.expression.tolist(), strict=True))
    assert {name: weight for name, weight in named.items() if weight} == smile
    neutral = HeadPose.from_layout({"box": BOX}, SIZE, head)
    assert expression.apart(found, neutral) == pytest.approx(np.hypot(0.8, 0.5))


@pytest.mark.parametrize("change", [{}, {"yaw": 60, "roll": 30, "expression": {"jawOpen": 1.0}}])
def test_the_face_fills_the_layout_s_box_however_the_head_is_turned(change: dict) -> None:
    head = world_head()
    found = HeadPose.from_layout({"box": BOX} | change, SIZE, head)
    assert found.box is not None
    face, box = face_box(found.camera, found.expression, head), found.box.reshape(2, 2)
    assert found.box.tolist() == pytest.approx([25.6, 25.6, 102.4, 115.2], abs=1e-3)
    np.testing.assert_allclose(face.mean(0), box.mean(0), atol=0.1)
    assert np.prod(face[1] - face[0]) == pytest.approx(np.prod(box[1] - box[0]), rel=0.01)


def test_the_camera_is_found_again_from_the_box_that_it_makes() -> None:
    """Of heads drawn with known cameras, by the box that the world's truth and the detector have."""
    head, rng = world_head(), np.random.default_rng(5)
    for _ in range(20):
        yaw, pitch, roll = rng.normal(0, (15, 6, 5)).tolist()
        camera = Camera(yaw, pitch, roll, rng.uniform(3, 5), rng.uniform(80, 176), rng.uniform(50, 78))
        face = project(head.mean[face_vertices()], camera)[0]
        box = (np.stack([face.min(0), face.max(0)]) / SIZE).ravel().tolist()
        found = HeadPose.from_layout({"box": box, "yaw": yaw, "pitch": pitch, "roll": roll}, SIZE, head)
        height = float(face[:, 1].max() - face[:, 1].min())
        assert found.camera.scale == pytest.approx(camera.scale, rel=0.05)
        assert np.hypot(found.camera.tx - camera.tx, found.camera.ty - camera.ty) < 0.05 * height
        expected = project(head.mean[head.landmarks68], camera)[0]
        assert np.linalg.norm(found.landmarks - expected, axis=1).mean() < 0.04 * height


def test_landmarks_of_a_pose_are_its_projected_vertices(head: Head) -> None:
    """Of a layout with the mean shape, and with the shape of a person."""
    found = HeadPose.from_layout({"box": BOX, "yaw": -30, "expression": {"jawOpen": 1}}, SIZE, head)
    np.testing.assert_allclose(found.landmarks, projected(found, head), atol=0.01)
    shape = np.random.default_rng(1).normal(size=len(head.identity))
    own = found.with_shape(shape, basis_of(head))
    np.testing.assert_allclose(own.landmarks, projected(own, head), atol=1e-3)
    assert np.abs(own.landmarks - found.landmarks).max() > 0.2


def test_the_eye_distance_is_that_of_the_head_seen_from_the_front(head: Head) -> None:
    turned = HeadPose.from_layout({"box": BOX, "yaw": 60}, SIZE, head)
    shape = np.zeros(len(head.identity))
    own = turned.with_shape(shape, basis_of(head))
    frontal = replace(own, camera=replace(own.camera, yaw=0.0)).with_shape(shape, basis_of(head))
    assert own.eye_distance == pytest.approx(float(eye_distance(frontal.landmarks)), rel=0.01)
    assert own.eye_distance > 1.5 * eye_distance(own.landmarks)


def test_a_stored_case_gives_the_same_pose_again(head: Head) -> None:
    found = HeadPose.from_layout({"box": BOX, "yaw": 12.3456, "expression": {"jawOpen": 0.25}}, SIZE, head)
    assert HeadPose.from_case(found.stored()) == found
    assert found.stored()["yaw"] == 12.346
    assert len(found.stored()["landmarks"]) == 136
    assert HeadPose.from_case(found.stored() | {"roll": 1.0}) != found


def test_a_stored_pose_has_these_eight_numbers_and_lists() -> None:
    stored = {
        "box": [1.0, 2.0, 3.0, 4.0], "yaw": 5.0, "pitch": 6.0, "roll": 7.0, "scale": 8.0, "translation": [9.0, 10.0],
        "expression": [0.5], "landmarks": [float(number) for number in range(136)],
    }  # fmt: skip
    found = HeadPose.from_case(stored)
    assert found.camera == Camera(5.0, 6.0, 7.0, 8.0, 9.0, 10.0)
    assert found.landmarks[1].tolist() == [2.0, 3.0]
    assert found.stored() == stored


def test_a_fit_gives_each_face_its_own_pose(crowd: Crowd, head: Head) -> None:
    points, basis, alone = crowd.points[:3].astype(np.float64), basis_of(head), np.arange(3)
    fitted = fit(points, alone, basis, settings.load().shapes)
    found = HeadPose.from_fit(fitted, points, alone, basis)
    for number, each in enumerate(found):
        np.testing.assert_allclose(each.camera.rotation(np.float64), fitted.rotation[number], atol=1e-12)
        np.testing.assert_array_equal(each.landmarks, points[number])
        assert each.camera.scale == fitted.scale[number]
        assert [each.camera.tx, each.camera.ty] == fitted.translation[number].tolist()
        again = landmarks.landmark_error(each, replace(each, landmarks=each.project(head)[0]))
        assert again < 0.05


def test_faces_of_one_person_share_the_fitted_shape(crowd: Crowd, head: Head) -> None:
    points, basis, one = crowd.points[:2].astype(np.float64), basis_of(head), np.zeros(2, np.int64)
    first, second = HeadPose.from_fit(fit(points, one, basis, settings.load().shapes), points, one, basis)
    assert first.shape is not None
    assert np.array_equal(first.shape, second.shape)
    assert first.camera != second.camera


def test_on_a_canvas_the_pose_is_grown_centred_and_freed_of_its_shape() -> None:
    """From 64 x 64 pixels to the right half of 256 x 128: twice as large, 128 to the right, half a pixel more."""
    old = replace(tilted(np.zeros((68, 2))), box=np.array([10.0, 20, 30, 40]))
    new = old.on_canvas((64, 64), (128.0, 128.0, 128.0), tiny_models.head())
    assert new.camera == Camera(20, -10, 15, 60, 128 + 2 * 70 + 0.5, 2 * 50 + 0.5)
    assert new.box is not None
    assert new.box.tolist() == [148.5, 40.5, 188.5, 80.5]
    assert new.shape is None
    np.testing.assert_allclose(new.landmarks, projected(new, tiny_models.head()), atol=0.01)


def test_what_is_drawn_has_the_person_s_shape_and_the_layout_s_landmarks(head: Head) -> None:
    wanted = HeadPose.from_layout({"box": BOX}, SIZE, head)
    shape = np.ones(len(head.identity), np.float32)
    drawn = wanted.for_drawing(shape)
    assert drawn.shape is shape
    assert drawn.landmarks.dtype == drawn.expression.dtype == np.float32
    np.testing.assert_array_equal(drawn.landmarks, wanted.landmarks.astype(np.float32))


def test_a_similarity_of_the_photo_moves_the_head_with_it() -> None:
    head, angle = tiny_models.head(), 0.3
    points, depth = tilted(np.zeros((68, 2), np.float32)).project(head)
    linear = 1.5 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turn = np.concatenate([linear, [[5.0], [-7.0]]], axis=1).astype(np.float32)
    expected = points @ linear.T + [5, -7]
    after = tilted(points).transformed(turn)
    found, deeper = after.project(head)
    assert np.allclose(found, expected, atol=0.01)
    assert np.allclose(after.landmarks, expected, atol=0.01)
    assert np.allclose(deeper, 1.5 * depth, atol=0.01)
