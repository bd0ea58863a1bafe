"""layout.json, and the camera that follows from a face's box."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.benchmark import cases
from pipeline.errors import MissingInput, SettingsError
from pipeline.head.camera import Camera, project
from pipeline.inference import layout
from pipeline.inference.layout import Spot
from pipeline.world.population import world_head
from pipeline.world.scene import face_vertices
from tests import tiny_models

SIZE = (256, 128)


def written(folder: Path, rows: Any) -> Path:
    path = folder / "layout.json"
    path.write_text(rows if isinstance(rows, str) else json.dumps(rows))
    return path


def test_all_but_the_box_may_be_left_out(tmp_path: Path) -> None:
    rows = [{"box": [0, 0.1, 0.5, 1]}, {"box": [0.5, 0, 1, 1], "yaw": 20, "expression": {"jawOpen": 1}}]
    first, second = layout.read(written(tmp_path, rows))
    assert first == Spot((0.0, 0.1, 0.5, 1.0))
    assert (second.yaw, second.pitch, second.expression) == (20.0, 0.0, {"jawOpen": 1})


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("[{", "is not JSON"),
        ({"box": []}, "must be a list with an object per person, found dict"),
        ([[0, 0, 1, 1]], "person 1: the file must be a section"),
        ([{"box": [0, 0, 1, 1], "yawn": 3}], r"person 1: unknown setting yawn; did you mean yaw\?"),
        ([{"box": [0, 0, 1, 1]}, {"yaw": 3}], "person 2: missing setting box"),
        ([{"box": [0, 0, 1, 1], "roll": "left"}], "roll must be a number, found 'left'"),
    ],
)
def test_what_is_no_layout_is_one_clear_sentence(tmp_path: Path, rows: Any, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        layout.read(written(tmp_path, rows))


def test_a_layout_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="no layout"):
        layout.read(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("spot", "words"),
    [
        (Spot((10, 20, 60, 90)), "in fractions of the picture"),
        (Spot((0.5, 0.2, 0.1, 0.9)), "the upper left corner first"),
        (Spot((0.1, 0.2, 0.5)), "x1, y1, x2, y2"),
        (Spot((0.1, 0.2, 0.5, 0.6), yaw=120), "yaw must be between -90 and 90"),
        (Spot((0.1, 0.2, 0.5, 0.6), expression={"jawOpn": 1}), r"no expression jawOpn; did you mean jawOpen\?"),
        (Spot((0.1, 0.2, 0.5, 0.6), expression={"jawOpen": 2}), "from 0 to 1, found 2"),
    ],
)
def test_a_spot_that_means_no_place(spot: Spot, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        layout.place(spot, SIZE, world_head())


def test_the_camera_is_found_again_from_the_box_that_it_makes() -> None:
    """Of heads drawn with known cameras, by the box that the world's truth and the detector have."""
    head, draw = world_head(), np.random.default_rng(5)
    expression = np.zeros(len(head.expression_names))
    for _ in range(20):
        yaw, pitch, roll = draw.normal(0, (15, 6, 5)).tolist()
        camera = Camera(yaw, pitch, roll, draw.uniform(3, 5), draw.uniform(80, 176), draw.uniform(50, 78))
        face = project(head.mean[face_vertices()], camera)[0]
        box = tuple((np.stack([face.min(0), face.max(0)]) / SIZE).ravel().tolist())
        found = layout.place(Spot(box, yaw, pitch, roll), SIZE, head)
        expected = project(head.vertices(np.zeros(len(head.identity)), expression)[head.landmarks68], camera)[0]
        height = float(face[:, 1].max() - face[:, 1].min())
        assert found.scale == pytest.approx(camera.scale, rel=0.05)
        assert np.abs(np.array(found.translation) - (camera.tx, camera.ty)).max() < 0.05 * height
        off = np.linalg.norm(np.array(found.landmarks).reshape(68, 2) - expected, axis=1).mean()
        assert off < 0.04 * height


def test_the_face_fills_its_box_however_it_is_held() -> None:
    head = world_head()
    for spot in (Spot((0.1, 0.2, 0.4, 0.9)), Spot((0.1, 0.2, 0.4, 0.9), yaw=60, roll=30, expression={"jawOpen": 1.0})):
        found = layout.place(spot, SIZE, head)
        camera = Camera(found.yaw, found.pitch, found.roll, found.scale, *found.translation)
        face = layout.face_box(camera, found.expression, head)
        box = np.array(found.box).reshape(2, 2)
        np.testing.assert_allclose(box.ravel(), np.array(spot.box) * (SIZE * 2), atol=1e-3)
        np.testing.assert_allclose(face.mean(0), box.mean(0), atol=0.1)
        assert np.prod(face[1] - face[0]) == pytest.approx(np.prod(box[1] - box[0]), rel=0.01)


def test_the_prior_is_a_cases_chosen_by_the_seed_and_fits_the_picture(tmp_path: Path) -> None:
    head, path = tiny_models.head(), tmp_path / cases.CASES_FILE
    found = [
        replace(case, prior=tuple(replace(place, yaw=float(number)) for place in case.prior))
        for number, case in enumerate(tiny_models.tested(tmp_path))
    ]
    cases.save_cases(cases.Benchmark("tiny", cases.hash_of_cases(found), tuple(found)), path)
    drawn = [layout.prior(path, 2, (256, 128), seed, head) for seed in range(12)]
    assert {places[0].yaw for places in drawn} == {4.0, 5.0}
    assert drawn == [layout.prior(path, 2, (256, 128), seed, head) for seed in range(12)]
    for first, second in drawn:  # the cases are half as large: 128 x 64
        np.testing.assert_allclose(first.box, np.array(found[4].prior[0].box) * 2 + 0.5)
        assert (first.scale, second.translation) == (32.0, (192.5, 64.5))
    with pytest.raises(MissingInput, match=r"give one, for .* has no case of 3 people"):
        layout.prior(path, 3, (256, 128), 0, head)
    with pytest.raises(MissingInput, match=r"give one, or take the prior of a case list; .* does not exist"):
        layout.prior(tmp_path / "none.json", 1, (256, 128), 0, head)
