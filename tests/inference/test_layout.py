"""layout.json: what is read and refused, and the prior where nobody gives one."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.benchmark import cases
from pipeline.errors import MissingInput, SettingsError
from pipeline.head.head_pose import HeadPose
from pipeline.inference import layout
from pipeline.world.population import world_head
from tests import tiny_models

BOX = [0.1, 0.2, 0.5, 0.6]


def written(folder: Path, rows: Any) -> Path:
    path = folder / "layout.json"
    path.write_text(rows if isinstance(rows, str) else json.dumps(rows))
    return path


def test_all_but_the_box_may_be_left_out(tmp_path: Path) -> None:
    rows = [{"box": [0, 0.1, 0.5, 1]}, {"box": [0.5, 0, 1, 1], "yaw": 20, "expression": {"jawOpen": 1}}]
    assert layout.read(written(tmp_path, rows)) == tuple(rows)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("[{", "is not JSON"),
        ({"box": []}, "must be a list with an object per person, found dict"),
        ([[0, 0, 1, 1]], "person 1 must be an object with a box, found list"),
        ([{"box": BOX, "yawn": 3}], r"person 1: unknown key yawn; did you mean yaw\?"),
        ([{"box": BOX}, {"yaw": 3}], "person 2: missing box"),
        ([{"box": BOX, "roll": "left"}], "roll must be a number, found 'left'"),
        ([{"box": BOX, "expression": ["jawOpen"]}], r"expression must be names with weights, found \['jawOpen'\]"),
    ],
)
def test_what_is_no_layout_is_one_clear_sentence(tmp_path: Path, rows: Any, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        layout.read(written(tmp_path, rows))


def test_a_layout_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="no layout"):
        layout.read(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"box": (10, 20, 60, 90)}, "in fractions of the image"),
        ({"box": (0.5, 0.2, 0.1, 0.9)}, "the upper left corner first"),
        ({"box": (0.1, 0.2, 0.5)}, "x1, y1, x2, y2"),
        ({"box": ("a", 0.2, 0.5, 1)}, "x1, y1, x2, y2"),
        ({"box": BOX, "yaw": 120}, "person 1: yaw must be between -90 and 90 degrees, found 120"),
        ({"box": BOX, "yaw": float("nan")}, "yaw must be between"),
        ({"box": BOX, "expression": {"jawOpn": 1}}, r"no expression jawOpn; did you mean jawOpen\?"),
        ({"box": BOX, "expression": {"jawOpen": 2}}, "from 0 to 1, found 2"),
    ],
)
def test_values_out_of_range_are_named(wanted: layout.WantedHead, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        layout.check([wanted], head=world_head())


def test_boxes_alone_turn_no_head() -> None:
    assert not layout.turns_heads([{"box": BOX}, {"box": BOX, "yaw": 0, "expression": {}}])
    assert layout.turns_heads([{"box": BOX}, {"box": BOX, "roll": -3}])
    assert layout.turns_heads([{"box": BOX, "expression": {"jawOpen": 0.5}}])


def test_the_prior_is_a_cases_chosen_by_the_seed_and_fits_the_picture(tmp_path: Path) -> None:
    head, path = tiny_models.head(), tmp_path / cases.CASES_FILE
    found = [
        replace(case, prior=tuple(yawed(pose, number) for pose in case.prior))
        for number, case in enumerate(tiny_models.tested(tmp_path))
    ]
    cases.save_cases(cases.Benchmark("tiny", cases.hash_of_cases(found), tuple(found)), path)
    drawn = [layout.prior(path, 2, (256, 128), seed, head) for seed in range(12)]
    assert {poses[0].camera.yaw for poses in drawn} == {4.0, 5.0}
    assert drawn == [layout.prior(path, 2, (256, 128), seed, head) for seed in range(12)]
    for first, second in drawn:  # the cases are half as large: 128 x 64
        np.testing.assert_allclose(first.box, found[4].prior[0].box * 2 + 0.5)
        assert (first.camera.scale, second.camera.tx, second.camera.ty) == (32.0, 192.5, 64.5)
    with pytest.raises(MissingInput, match=r"give one, for .* has no case of 3 people"):
        layout.prior(path, 3, (256, 128), 0, head)
    with pytest.raises(MissingInput, match=r"give one, or take the prior of a case list; .* does not exist"):
        layout.prior(tmp_path / "none.json", 1, (256, 128), 0, head)


def yawed(pose: HeadPose, degrees: int) -> HeadPose:
    return replace(pose, camera=replace(pose.camera, yaw=float(degrees)))
