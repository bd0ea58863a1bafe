"""Cleaning: every reason, in its order, and cohesion by hand."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.identities.clean import Cleaned, clean, cohesion, mean_likeness
from pipeline.identities.linkage import Pairing
from tests.identities.people import SETTINGS, faces, photos, unit

LABELS = np.array([0, 0, 0, 1, 1, 2])


def at(*degrees: float) -> np.ndarray:
    return np.stack([np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))], axis=1)


def reasons(vectors: np.ndarray, labels: np.ndarray, level: float = 0.2, where=None, **changes: float) -> list[str]:
    pairing = Pairing(vectors, vectors, np.zeros(len(vectors)))
    names = photos(len(vectors)) if where is None else np.array(where)
    return clean(labels, pairing, vectors, names, level, replace(SETTINGS, **changes)).reject.tolist()


def test_whole_people_are_kept_and_lone_faces_are_not() -> None:
    vectors = at(0, 10, 20, 120, 130, 240)
    assert reasons(vectors, LABELS) == ["", "", "", "", "", "alone"]
    assert reasons(vectors, LABELS, min_faces=3) == ["", "", "", "alone", "alone", "alone"]


def test_of_two_faces_in_one_photo_the_more_alike_stays() -> None:
    found = reasons(at(0, 10, 40, 120, 130, 240), LABELS, where=["a", "b", "a", "c", "d", "a"])
    assert found == ["", "", "same_photo_twice", "", "", "alone"]


def test_a_photo_of_two_people_is_no_conflict() -> None:
    assert reasons(at(0, 10, 20, 120, 130, 240), LABELS, where=["a", "b", "c", "a", "b", "d"])[:5] == [""] * 5


def test_a_member_unlike_the_rest_is_an_outlier() -> None:
    vectors = at(0, 5, 10, 80)
    assert reasons(vectors, np.zeros(4, int), level=0.5) == ["", "", "", "outlier"]


def test_people_without_cohesion_are_rejected_whole() -> None:
    assert reasons(at(0, 10, 120, 150, 180), np.array([0, 0, 1, 1, 1]), min_cohesion=0.9) == [
        "",
        "",
        "incoherent",
        "incoherent",
        "incoherent",
    ]


def test_cohesion_is_the_mean_over_pairs() -> None:
    vectors = at(0, 60, 90)
    found = Cleaned(np.array([0, 0, 0]), np.array(["", "", ""]))
    expected = (np.cos(np.pi / 3) + np.cos(np.pi / 6) + 0) / 3
    assert cohesion(vectors, found)[0] == pytest.approx(expected)


def test_mean_likeness_is_over_the_others_that_are_kept() -> None:
    vectors = unit(faces([6], spread=1.0)[0])
    pairing = Pairing(vectors * 2, vectors, np.arange(6) / 10)
    found = Cleaned(np.zeros(6, int), np.array(["", "", "outlier", "", "", ""]))
    likeness = 2 * vectors @ vectors.T + np.arange(6) / 10 + np.arange(6)[:, None] / 10
    others = [1, 3, 4, 5]
    assert mean_likeness(pairing, found)[0] == pytest.approx(likeness[0, others].mean())
    assert mean_likeness(pairing, found)[2] == np.inf
