"""Crops and sizes: everybody is in them with room to spare, nobody else is, and points move with the picture."""

import numpy as np
import pytest

from pipeline.head.head_pose import HeadPose
from pipeline.head.model import load_head
from pipeline.samples import framing
from pipeline.samples.framing import Frame, Rect, clear_areas, framed, room, sizes_around
from tests.tiny_data import HEAD

RULES = {128: framing.framing(128, 32, 18.0), 512: framing.framing(512, 64, 48.0)}


def face(x: float, y: float, side: float) -> Rect:
    return Rect(x - side / 2, y - side / 2, x + side / 2, y + side / 2)


def shown(found: Frame | str) -> Frame:
    assert isinstance(found, Frame), found
    return found


def test_sizes_around_512_by_hand() -> None:
    wanted = [(384, 704), (384, 640), (448, 576), (512, 512), (576, 448), (640, 384), (704, 384)]
    assert list(sizes_around(512, 64)) == wanted


@pytest.mark.parametrize(("side", "multiple"), [(64, 16), (128, 32), (512, 64), (768, 64), (1024, 64), (1024, 32)])
def test_sizes_are_few_multiples_of_about_one_area(side: int, multiple: int) -> None:
    found = sizes_around(side, multiple)
    assert (side, side) in found
    assert len(found) < framing.MOST_SIZES
    assert all(width % multiple == 0 and height % multiple == 0 for width, height in found)
    assert all(0.8 <= width * height / side**2 <= 1.2 for width, height in found)
    assert {(height, width) for width, height in found} == set(found)


@pytest.mark.parametrize("size", [(128, 128), (256, 128)])
def test_pictures_of_the_drawn_world_are_shown_as_they_are(size: tuple[int, int]) -> None:
    faces = [face(30, 60, 40), face(size[0] - 20, 40, 36)]
    assert RULES[128].frame(size, faces) == Frame(Rect(0, 0, *size), size, 1.0)


def test_a_photograph_gets_the_size_whose_aspect_is_nearest() -> None:
    """3 to 2 lies between 576 x 448 (1.29) and 640 x 384 (1.67); in logarithms the second is nearer."""
    found = shown(RULES[512].frame((1500, 1000), [face(700, 450, 200)]))
    assert found.size == (640, 384)
    assert found.crop.width == pytest.approx(1500)
    assert found.crop.height == pytest.approx(900)
    assert found.scale == pytest.approx(640 / 1500)
    assert abs((found.crop.y1 + found.crop.y2) / 2 - 450) < 1e-6  # the person is in the middle


def photographs(count: int) -> list[tuple[tuple[int, int], list[Rect], list[Rect]]]:
    """Photographs of any sizes with one to four counted faces and up to two others."""
    rng = np.random.default_rng(5)
    found = []
    for _ in range(count):
        size = int(rng.integers(300, 2500)), int(rng.integers(300, 2500))
        people, others = int(rng.integers(1, 5)), int(rng.integers(0, 3))
        boxes = [
            face(rng.uniform(0, size[0]), rng.uniform(0, size[1]), min(size) * rng.uniform(0.05, 0.3))
            for _ in range(people + others)
        ]
        found.append((size, boxes[:people], boxes[people:]))
    return found


@pytest.mark.parametrize("side", RULES)
def test_every_crop_keeps_to_its_rules(side: int) -> None:
    rules, reasons = RULES[side], set()
    for size, faces, others in photographs(800):
        found = rules.frame(size, faces, others)
        if isinstance(found, str):
            reasons.add(found)
            continue
        crop = found.crop
        near = Rect(crop.x1 - 1e-3, crop.y1 - 1e-3, crop.x2 + 1e-3, crop.y2 + 1e-3)
        assert Rect(0, 0, *size).holds(crop)
        assert near.holds(room(size, faces))
        assert not any(crop.touches(other) for other in others)
        assert found.scale <= 1.25 + 1e-6
        assert min(min(each.width, each.height) for each in faces) * found.scale >= rules.min_face - 1e-3
        assert found.size[1] / crop.height == pytest.approx(found.scale, rel=1e-6)  # nobody is stretched
    assert reasons >= {"bystander", "no_size"}


@pytest.mark.parametrize(
    ("size", "faces", "others", "reason"),
    [
        ((300, 300), [face(150, 150, 90)], [], "small_photo"),  # 512 / 300 = 1.7 times
        ((2000, 2000), [face(200, 200, 60), face(1800, 1800, 60)], [], "small_faces"),
        ((1000, 1000), [face(500, 500, 200)], [face(500, 640, 60)], "bystander"),
        ((4000, 600), [face(200, 300, 200), face(3800, 300, 200)], [], "no_size"),
    ],
)
def test_reasons(size: tuple[int, int], faces: list[Rect], others: list[Rect], reason: str) -> None:
    assert RULES[512].frame(size, faces, others) == reason


def test_a_group_with_small_faces_is_cropped_to_them() -> None:
    """Faces of 60 pixels of 3000 would be 10; they must be 48, so that at most 640 are shown across."""
    found = shown(RULES[512].frame((3000, 3000), [face(1400, 1500, 60), face(1600, 1500, 60)]))
    assert 60 * found.scale == pytest.approx(48)
    assert (found.crop.x1 + found.crop.x2) / 2 == pytest.approx(1500)


def test_a_bystander_is_cropped_away() -> None:
    """At the right end: what is left of the picture, 900 x 1000, still holds the person."""
    found = shown(RULES[512].frame((1000, 1000), [face(400, 500, 200)], [face(950, 300, 100)]))
    assert found.crop.x2 <= 900
    assert found.size == (512, 512)
    assert found.scale == pytest.approx(512 / 900)


def test_clear_areas_by_hand() -> None:
    areas = clear_areas((100, 100), Rect(40, 40, 60, 60), [Rect(80, 10, 90, 20)])
    assert areas == [Rect(0, 0, 80, 100), Rect(0, 20, 100, 100)]  # 8000 each; the others miss what is needed
    assert clear_areas((100, 100), Rect(40, 40, 60, 60), [Rect(50, 50, 55, 55)]) == []


def test_room_ends_at_the_photograph() -> None:
    assert room((100, 100), [Rect(10, 10, 50, 50)]) == Rect(0, 0, 66, 74)


def row() -> dict:
    rng = np.random.default_rng(2)
    head = load_head(HEAD)
    points = {name: rng.uniform(0, 300, size).tolist() for name, size in (("keypoints", 10), ("landmarks", 136))}
    turns = dict(zip(("yaw", "pitch", "roll"), rng.normal(0, 10, 3).tolist(), strict=True))
    shape, expression = rng.normal(size=len(head.identity)), np.zeros(len(head.expression))
    place = {"box": [10.0, 20.0, 60.0, 90.0], "scale": 7.0, "translation": [120.0, 80.0]}
    return {**points, **turns, **place, "shape": shape.tolist(), "expression": expression.tolist()}


def test_a_head_moves_with_its_landmarks() -> None:
    """The head projected in the sample is the head projected in the photograph, moved as points are."""
    head, crop, size = load_head(HEAD), (30.0, 10.0, 290.0, 140.0), (520, 260)
    before = row()
    moved = framed({**before, "landmarks": HeadPose.from_photo(before).project(head)[0].ravel().tolist()}, crop, size)
    there = HeadPose.from_photo(moved)
    assert np.allclose(there.project(head)[0], there.landmarks, atol=1e-3)
    assert moved["box"] == [-40.0, 20.0, 60.0, 160.0]
    assert moved["translation"] == [(120.5 - 30) * 2 - 0.5, (80.5 - 10) * 2 - 0.5]


def test_what_is_shown_whole_is_unchanged() -> None:
    before = row()
    assert framed(before, (0.0, 0.0, 300.0, 300.0), (300, 300)) == before


def test_fewer_sizes_are_those_alone() -> None:
    fewer = RULES[512].among([(512, 512)])
    assert shown(fewer.frame((1500, 1000), [face(700, 450, 200)])).size == (512, 512)
