"""Dots and lines on pictures of bytes stay within them."""

import numpy as np

from pipeline.head.paint import as_bytes, dot, stroke


def test_a_line_has_its_colour_and_the_brighter_one_wins() -> None:
    canvas = np.zeros((9, 9, 3), np.uint8)
    stroke(canvas, np.array([1.0, 4.0]), np.array([7.0, 4.0]), (200, 0, 10))
    assert canvas[4, 4].tolist() == [200, 0, 10]
    assert canvas[2].sum() == 0
    stroke(canvas, np.array([4.0, 1.0]), np.array([4.0, 7.0]), (100, 50, 0))
    assert canvas[4, 4].tolist() == [200, 50, 10]


def test_a_line_between_pixels_lights_both() -> None:
    canvas = np.zeros((9, 9, 1), np.uint8)
    stroke(canvas, np.array([2.0, 4.25]), np.array([6.0, 4.25]), (200,))
    assert canvas[3:7, 4, 0].tolist() == [0, 150, 50, 0]
    assert not canvas[4, 0, 0]


def test_a_line_of_one_point_and_lines_elsewhere() -> None:
    canvas = np.zeros((9, 9, 1), np.uint8)
    stroke(canvas, np.array([4.0, 4.0]), np.array([4.0, 4.0]), (200,))
    assert canvas[4, 4, 0] == canvas.sum() == 200
    for far in (np.array([-9.0, 3.0]), np.array([30.0, 3.0]), np.array([3.0, -9.0]), np.array([3.0, 30.0])):
        stroke(canvas, far, far + 2, (255,))
    assert canvas.sum() == 200


def test_what_lies_outside_is_not_painted() -> None:
    canvas = np.zeros((9, 9, 3), np.uint8)
    stroke(canvas, np.array([-50.0, 4.0]), np.array([500.0, 4.0]), (255, 255, 255))
    dot(canvas, np.array([20.0, 20.0]), 3, (255, 0, 0))
    assert (canvas[4] == 255).all()
    assert canvas[:3].sum() == 0
    dot(canvas, np.array([8.0, 0.0]), 2, (7, 7, 7))
    assert canvas[0, 8].tolist() == [7, 7, 7]


def test_bytes_are_rounded_and_clipped() -> None:
    assert as_bytes(np.array([-1.0, 0.0, 0.501, 1.0, 2.0])).tolist() == [0, 0, 128, 255, 255]
