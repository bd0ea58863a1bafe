"""Condition maps of a tiny head: directions, codes, parts, and who stands in front."""

from dataclasses import replace

import numpy as np
import pytest

from pipeline.head.camera import Camera
from pipeline.head.maps import NOTHING, draw_head, instance_map, normal_map, pncc_map, region_map
from pipeline.head.model import Head
from pipeline.head.raster import Buffers

CAMERA = Camera(0, 0, 0, 10, 16, 16)
SIZE = (33, 33)


@pytest.fixture
def buffers(tiny_head: Head) -> Buffers:
    return draw_head(tiny_head.mean, tiny_head.triangles, CAMERA, SIZE)


def test_normals_are_unit_and_lean_to_their_side(tiny_head: Head, buffers: Buffers) -> None:
    normals = normal_map(tiny_head.mean, tiny_head.triangles, CAMERA, buffers)
    shown = buffers.triangle >= 0
    np.testing.assert_allclose(np.linalg.norm(normals[shown], axis=1), 1, atol=1e-5)
    assert (normals[~shown] == 0).all()
    assert normals[16, 10, 0] < 0 < normals[16, 22, 0]  # x: left half to the left, right half to the right
    assert normals[20, 16, 1] < 0 < normals[12, 16, 1]  # y is up: the upper half (smaller rows) upwards


def test_normals_turn_with_the_head(tiny_head: Head) -> None:
    turned = replace(CAMERA, roll=90.0)
    upright = normal_map(
        tiny_head.mean, tiny_head.triangles, CAMERA, draw_head(tiny_head.mean, tiny_head.triangles, CAMERA, SIZE)
    )
    rolled = normal_map(
        tiny_head.mean, tiny_head.triangles, turned, draw_head(tiny_head.mean, tiny_head.triangles, turned, SIZE)
    )
    # the pixel above the centre moves to its right, and "up" becomes "right"
    np.testing.assert_allclose(rolled[16, 20], upright[12, 16][[1, 0, 2]] * [1, -1, 1], atol=1e-4)


def test_the_code_names_points_of_the_average_head(tiny_head: Head, buffers: Buffers) -> None:
    code = pncc_map(tiny_head, buffers)
    np.testing.assert_allclose(code[16, 16], [0.5, 0.5, 1.0], atol=1e-5)  # the tip: middle in x and y, foremost in z
    assert 0 <= code.min() <= code.max() <= 1


def test_the_code_does_not_change_with_shape_or_pose(tiny_head: Head) -> None:
    wide = tiny_head.vertices([2.0], [0.0])
    camera = replace(CAMERA, tx=14.0, yaw=0.0)
    code = pncc_map(tiny_head, draw_head(wide, tiny_head.triangles, camera, SIZE))
    np.testing.assert_allclose(code[16, 14], [0.5, 0.5, 1.0], atol=1e-5)


def test_parts_are_those_of_the_nearest_vertex(tiny_head: Head, buffers: Buffers) -> None:
    parts = region_map(tiny_head, buffers)
    assert parts[16, 16] == 1  # the tip is "nose"
    assert parts[16, 8] == 0  # near the left corner, "skin"
    assert parts[0, 0] == NOTHING


def test_the_larger_person_is_painted_over_the_smaller(tiny_head: Head) -> None:
    near, far = CAMERA, replace(CAMERA, scale=6.0, tx=20.0)
    drawn = [draw_head(tiny_head.mean, tiny_head.triangles, camera, SIZE) for camera in (near, far)]
    people = instance_map(drawn, [near, far])
    assert people[16, 16] == 0
    assert people[16, 20] == 0  # both are there, the larger one shows
    assert people[0, 0] == NOTHING
    swapped = instance_map(drawn[::-1], [far, near])
    np.testing.assert_array_equal(np.where(swapped >= 0, 1 - swapped, swapped), people)


def test_people_without_cameras_are_refused() -> None:
    with pytest.raises(ValueError, match="0 drawn people and 0 cameras"):
        instance_map([], [])
