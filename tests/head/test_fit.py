"""The fit finds pose, shape and expression again, and an identity's faces help each other."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline import settings
from pipeline.head import pose
from pipeline.head.fit import Basis, basis_of, fit
from pipeline.head.importers.ict import import_ict
from pipeline.head.landmarks import eye_distance
from pipeline.head.model import Head
from tests.crowd import Crowd, draw_crowd

CHOSEN = settings.load().shapes
NOISE = 0.025  # share of the outer eye distance, about what the landmark network leaves


def noisy(crowd: Crowd) -> np.ndarray:
    rng = np.random.default_rng(1)
    return crowd.points + rng.normal(size=crowd.points.shape) * NOISE * 1.2 * eye_distance(crowd.points).mean() / 1.5


def shape_error(found: np.ndarray, crowd: Crowd, basis: Basis) -> float:
    """Mean error of the landmark vertices that shape coefficients (N, K) give."""
    return float(np.linalg.norm(np.tensordot(found - crowd.shape, basis.identity, 1), axis=-1).mean())


def test_exact_landmarks(head: Head, crowd: Crowd) -> None:
    found = fit(crowd.points, crowd.person, basis_of(head), CHOSEN)
    assert found.residual.mean() < 0.01
    assert np.abs(pose.angles(found.rotation) - crowd.angles).mean(axis=0).max() < 1.0


def test_pose_from_noisy_landmarks(head: Head, crowd: Crowd) -> None:
    found = fit(noisy(crowd), crowd.person, basis_of(head), CHOSEN)
    assert np.abs(pose.angles(found.rotation) - crowd.angles).mean(axis=0).max() < 1.0


@pytest.mark.parametrize("points", ["exact", "noisy"])
def test_one_joint_shape_beats_the_mean_of_single_ones(head: Head, crowd: Crowd, points: str) -> None:
    basis, seen = basis_of(head), crowd.points if points == "exact" else noisy(crowd)
    joint = fit(seen, crowd.person, basis, CHOSEN).shape[crowd.person]
    single = fit(seen, np.arange(len(seen)), basis, CHOSEN).shape
    averaged = np.array([single[crowd.person == person].mean(axis=0) for person in range(20)])[crowd.person]
    joint_error, mean_error = shape_error(joint, crowd, basis), shape_error(averaged, crowd, basis)
    assert joint_error < mean_error < shape_error(np.zeros_like(joint), crowd, basis)


def test_expression_is_found_and_stays_within_its_range(head: Head, crowd: Crowd) -> None:
    found = fit(crowd.points, crowd.person, basis_of(head), CHOSEN).expression
    jaw = head.expression_names.index("jawOpen")
    assert found.min() >= 0
    assert found.max() <= 1
    assert np.corrcoef(found[:, jaw], crowd.expression[:, jaw])[0, 1] > 0.95


def test_a_wrong_face_is_seen_and_does_not_spoil_its_identity(head: Head, crowd: Crowd) -> None:
    basis, points = basis_of(head), crowd.points.copy()
    points[0] = np.random.default_rng(3).permutation(points[0])
    found = fit(points, crowd.person, basis, CHOSEN)
    without = fit(crowd.points[1:6], crowd.person[1:6], basis, CHOSEN)
    assert found.residual[0] > CHOSEN.max_residual > found.residual[1:].max()
    np.testing.assert_allclose(found.shape[0], without.shape[0], atol=0.02)


def test_faces_of_others_change_nothing(head: Head, crowd: Crowd) -> None:
    basis = basis_of(head)
    everyone, one = (
        fit(crowd.points, crowd.person, basis, CHOSEN),
        fit(crowd.points[:6], crowd.person[:6], basis, CHOSEN),
    )
    np.testing.assert_allclose(everyone.shape[0], one.shape[0], atol=1e-8)
    np.testing.assert_allclose(everyone.translation[:6], one.translation, atol=1e-8)


def test_size_and_place_of_the_photo_do_not_matter(head: Head, crowd: Crowd) -> None:
    basis = basis_of(head)
    small, large = (fit(crowd.points[:6] * times + 7, crowd.person[:6], basis, CHOSEN) for times in (1, 10))
    np.testing.assert_allclose(small.shape, large.shape, atol=1e-6)
    np.testing.assert_allclose(small.scale * 10, large.scale, rtol=1e-6)


def test_strong_priors_keep_the_mean_face(head: Head, crowd: Crowd) -> None:
    stiff = replace(CHOSEN, shape_weight=1e9)
    assert np.abs(fit(crowd.points, crowd.person, basis_of(head), stiff).shape).max() < 1e-3


@pytest.mark.real
def test_another_head(real_folder: Path) -> None:
    ict = import_ict(real_folder / "heads" / "ict_facekit_light.npz")
    crowd = draw_crowd(ict, people=6, photos=5, seed=2)
    found = fit(crowd.points, crowd.person, basis_of(ict), CHOSEN)
    assert found.residual.mean() < 0.015
    assert np.abs(pose.angles(found.rotation) - crowd.angles).mean(axis=0).max() < 1.0
