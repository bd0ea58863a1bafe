"""The stages against the truth: worked by hand on a few drawn faces."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline.head.model import load_head
from pipeline.report import audit

SHA = "ab" * 32
EYES = np.zeros((68, 2))
EYES[45] = [10.0, 0.0]  # outer corners ten pixels apart


@pytest.fixture(scope="module")
def head():
    return load_head("pipeline/pack/models/head.npz")


def drawn(person: int, box, shape=(), **pose) -> dict:
    return {"person": person, "box": box, "landmarks": EYES.ravel().tolist(), "shape": list(shape)} | pose


def face(name: str, box, landmarks=EYES) -> dict:
    return {"face_id": name, "photo_id": SHA[:16], "box": box, "landmarks": landmarks.ravel().tolist()}


def found(truth, faces) -> audit.Matches:
    return audit.match([{"sha256": SHA, "faces": truth}], faces, {SHA[:16]})


def value(figures, name: str) -> float:
    return next(figure.value for figure in figures if figure.name == name)


def test_detection_by_hand() -> None:
    """Two of three drawn faces are found; one of three detections is none of them."""
    truth = [drawn(0, [0, 0, 10, 10]), drawn(1, [20, 0, 30, 10]), drawn(2, [40, 0, 50, 10])]
    faces = [face("a", [21, 0, 31, 10]), face("b", [0, 0, 10, 9]), face("c", [70, 0, 80, 10])]
    matches = found(truth, faces)
    assert matches.person_of() == {"b": 0, "a": 1}
    figures = audit.detected(matches)
    assert value(figures, "Detection recall") == pytest.approx(2 / 3)
    assert value(figures, "Detection precision") == pytest.approx(2 / 3)


@pytest.mark.parametrize(("right", "pairs"), [(20, 1), (21, 0)])
def test_a_detection_is_a_drawn_face_from_half_an_overlap_on(right: int, pairs: int) -> None:
    """10 of 20 columns are shared, then 10 of 21."""
    assert len(found([drawn(0, [0, 0, 10, 10])], [face("a", [0, 0, right, 10])]).pairs) == pairs


def test_recall_and_precision_are_not_swapped() -> None:
    figures = audit.detected(found([drawn(0, [0, 0, 9, 9]), drawn(1, [20, 0, 29, 9])], [face("a", [0, 0, 9, 9])]))
    assert (value(figures, "Detection recall"), value(figures, "Detection precision")) == (0.5, 1.0)


def test_photos_that_were_not_crawled_do_not_count() -> None:
    assert audit.match([{"sha256": "cd" * 32, "faces": [drawn(0, [0, 0, 9, 9])]}], [], {SHA[:16]}).drawn == 0


def test_landmark_error_by_hand() -> None:
    """Every point one pixel off, eyes ten pixels apart: 0.1."""
    matches = found([drawn(0, [0, 0, 9, 9])], [face("a", [0, 0, 9, 9], np.add(EYES, (0.0, 1.0)))])
    assert value(audit.landmarks(matches), "Landmark error (NME)") == pytest.approx(0.1)


def test_clusters_by_hand() -> None:
    """People 0, 0, 1 under labels x, x, x: one of three pairs is right, no pair is torn; a fourth face was rejected."""
    boxes = [[20 * index, 0, 20 * index + 9, 9] for index in range(4)]
    truth = [drawn(person, box) for person, box in zip((0, 0, 1, 1), boxes, strict=True)]
    matches = found(truth, [face(name, box) for name, box in zip("abcd", boxes, strict=True)])
    rows = [{"face_id": name, "identity_id": "x" if name != "d" else None} for name in "abcd"]
    figures = audit.clustered(matches, rows)
    assert value(figures, "Pairwise precision") == pytest.approx(1 / 3)
    assert value(figures, "Pairwise recall") == 1.0
    assert value(figures, "Faces kept") == 0.75


def test_forbidden_photographs_and_redirects() -> None:
    truth = [
        {"url": "http://a.test/1.jpg", "offered": "kept"},
        {"url": "http://a.test/2.jpg", "offered": "kept"},
        {"url": "http://a.test/3.jpg", "offered": "robots"},
        {"url": "http://a.test/4.jpg", "offered": "kept"},
        {"url": "http://a.test/5.jpg", "offered": "kept"},
    ]
    urls = [
        {"url": "http://a.test/go/1", "final_url": "http://a.test/1.jpg", "outcome": "kept"},
        {"url": "http://a.test/2.jpg", "final_url": "http://a.test/2.jpg", "outcome": "never"},
        {"url": "http://a.test/3.jpg", "final_url": "http://a.test/3.jpg", "outcome": "kept"},
        {"url": "http://a.test/4.jpg", "final_url": "http://a.test/4.jpg", "outcome": "duplicate"},
    ]
    figures = audit.crawled(truth, urls)
    assert value(figures, "Photographs fetched") == 0.5
    assert value(figures, "Forbidden photographs kept") == 1


def test_a_perfect_fit_has_no_error(head) -> None:
    shape = np.random.default_rng(0).normal(size=len(head.identity))
    pose = {"yaw": 179.0, "pitch": 5.0, "roll": 0.0}
    matches = found([drawn(0, [0, 0, 9, 9], shape, **pose)], [face("a", [0, 0, 9, 9])])
    row = {"face_id": "a", "identity_id": "x", "shape": shape.tolist(), "reject": None}
    figures = audit.fitted(matches, [row | pose | {"yaw": -179.0}], head)
    assert value(figures, "Shape error") == pytest.approx(0.0)
    assert value(figures, "Shape error of the mean head") > 0.01
    assert value(figures, "Error of yaw") == pytest.approx(2.0)


def test_people_on_both_sides() -> None:
    boxes = [[20 * index, 0, 20 * index + 9, 9] for index in range(3)]
    truth = [drawn(person, box) for person, box in zip((0, 0, 1), boxes, strict=True)]
    matches = found(truth, [face(name, box) for name, box in zip("abc", boxes, strict=True)])
    samples = pd.DataFrame({"face_id": ["a", "b", "c"], "split": ["train", "test", "test"]})
    figures = audit.leaked(matches, samples)
    assert value(figures, "People in two splits") == 1
    assert value(figures, "Test people in training") == 1


def test_without_a_truth_there_is_nothing_to_audit(tmp_path: Path, head) -> None:
    assert audit.audit(tmp_path, head) == []
