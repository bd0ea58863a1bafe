"""The sculptor: the committed head is what the code builds, and its modes do what their names say."""

from functools import cache

import numpy as np
import pytest

from pipeline.head.model import Head, check, load_head
from pipeline.head.raster import vertex_normals
from pipeline.world.anatomy.build import MODEL, SHAPE_NAMES, albedo_names, build

RIGHT_EYE, LEFT_EYE = [37, 38, 40, 41], [43, 44, 46, 47]


@cache
def head() -> Head:
    return load_head(MODEL)


def marks(expression: dict[str, float] | None = None, shape: dict[str, float] | None = None) -> np.ndarray:
    """The 68 landmarks (68, 3) of named weights."""
    weights = [(expression or {}).get(name, 0.0) for name in head().expression_names]
    sizes = [(shape or {}).get(name, 0.0) for name in SHAPE_NAMES]
    return head().vertices(sizes, weights)[head().landmarks68]


def opening(points: np.ndarray, eye: list[int]) -> float:
    return float(points[eye[:2], 1].mean() - points[eye[2:], 1].mean())


def test_the_committed_head_is_what_the_code_builds() -> None:
    built = build()
    check(built, "the sculptor")
    for name in ("mean", "identity", "expression", "albedo_mean", "albedo"):
        np.testing.assert_allclose(getattr(head(), name), getattr(built, name), atol=2e-3, err_msg=name)
    np.testing.assert_array_equal(head().triangles, built.triangles)
    np.testing.assert_array_equal(head().landmarks68, built.landmarks68)
    np.testing.assert_array_equal(head().regions, built.regions)
    assert MODEL.stat().st_size < 4e6


def test_landmarks_lie_where_ibug_puts_them() -> None:
    points = marks()
    assert (np.diff(points[:17, 0]) > 0).all()  # the jaw runs from the image's left to its right
    assert points[:17, 1].argmin() == 8  # over the chin
    assert points[30, 2] == points[:, 2].max()  # the nose tip stands out most
    assert (np.diff(points[27:31, 1]) < 0).all()
    assert points[36, 0] < points[39, 0] < 0 < points[42, 0] < points[45, 0]
    assert points[48, 0] < points[51, 0] < points[54, 0]
    assert points[51, 1] > points[62, 1] >= points[66, 1] > points[57, 1]  # outline, inner line, inner line, outline


def test_the_average_head_is_symmetric() -> None:
    points = marks()
    for right, left in ((2, 14), (5, 11), (17, 26), (31, 35), (36, 45), (39, 42), (48, 54), (60, 64)):
        np.testing.assert_allclose(points[right] * [-1, 1, 1], points[left], atol=0.02)


def test_the_face_is_turned_outwards() -> None:
    normals = vertex_normals(head().mean, head().triangles)
    front = head().mean[:, 2] > 9
    assert (normals[front, 2] > 0).mean() > 0.97


@pytest.mark.parametrize(
    ("name", "eye", "other"), [("eyeBlinkRight", RIGHT_EYE, LEFT_EYE), ("eyeBlinkLeft", LEFT_EYE, RIGHT_EYE)]
)
def test_a_blink_closes_its_own_eye_only(name: str, eye: list[int], other: list[int]) -> None:
    rest, closed = marks(), marks({name: 1.0})
    assert opening(rest, eye) > 0.8
    assert opening(closed, eye) < 0.1
    assert opening(closed, other) == pytest.approx(opening(rest, other), abs=0.01)


def test_the_jaw_opens_the_lips() -> None:
    rest, wide = marks(), marks({"jawOpen": 1.0})
    assert wide[62, 1] - wide[66, 1] > rest[62, 1] - rest[66, 1] + 1.5
    assert wide[8, 1] < rest[8, 1] - 1
    np.testing.assert_allclose(wide[27:36], rest[27:36], atol=0.01)  # the nose stays


def test_smiles_lift_and_frowns_lower_their_corner() -> None:
    rest = marks()
    assert marks({"mouthSmileLeft": 1.0})[54, 1] > rest[54, 1] + 0.4
    assert marks({"mouthSmileLeft": 1.0})[48, 1] == pytest.approx(rest[48, 1], abs=0.02)
    assert marks({"mouthFrownRight": 1.0})[48, 1] < rest[48, 1] - 0.3


def test_brows_rise_and_sink() -> None:
    rest = marks()
    assert marks({"browInnerUp": 1.0})[21, 1] > rest[21, 1] + 0.3
    assert marks({"browDownLeft": 1.0})[22, 1] < rest[22, 1] - 0.2


def test_shape_modes_do_what_they_say() -> None:
    rest = marks()
    assert np.ptp(marks(shape={"nose_length": 2.0})[27:34, 1]) >= np.ptp(rest[27:34, 1])
    wide = marks(shape={"eye_spacing": 2.0})
    assert wide[42, 0] - wide[39, 0] > rest[42, 0] - rest[39, 0] + 0.8
    assert np.ptp(marks(shape={"jaw_width": 2.0})[[4, 12], 0]) > 1.1 * np.ptp(rest[[4, 12], 0])
    assert np.ptp(marks(shape={"mouth_width": 2.0})[[48, 54], 0]) > 1.15 * np.ptp(rest[[48, 54], 0])


def test_shape_modes_are_independent_and_strong() -> None:
    basis = head().identity.reshape(len(SHAPE_NAMES), -1)
    lengths = np.linalg.norm(basis, axis=1)
    alike = np.abs((basis / lengths[:, None]) @ (basis / lengths[:, None]).T) - np.eye(len(basis))
    assert alike.max() < 0.97  # no two modes are the same
    assert np.linalg.matrix_rank(basis, tol=1e-2) == len(basis)
    largest = np.linalg.norm(head().identity, axis=2).max(1)
    assert (largest > 0.15).sum() >= 40  # over a millimetre and a half per standard deviation


def test_eyes_brows_and_lips_have_their_regions() -> None:
    count = np.bincount(head().regions, minlength=len(head().region_names))
    assert (count > 15).all(), dict(zip(head().region_names, count, strict=True))
    left = head().mean[head().regions == head().region_names.index("left_eye")]
    assert (left[:, 0] > 0).all()


def test_every_albedo_mode_has_a_name() -> None:
    assert len(albedo_names()) == len(head().albedo) == len(set(albedo_names()))
