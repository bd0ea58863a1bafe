"""The rasteriser against triangles worked out by hand, depth order, and what must not change its result."""

import numpy as np

from pipeline.head.raster import FAR, interpolate, rasterise, vertex_normals

POINTS = np.array([[0, 0], [4, 0], [0, 4]], np.float32)
TRIANGLE = np.array([[0, 1, 2]], np.int32)
FLAT = np.zeros(3, np.float32)


def test_a_right_triangle_covers_the_pixels_counted_by_hand() -> None:
    shown = rasterise(POINTS, FLAT, TRIANGLE, (6, 6)).triangle >= 0
    expected = np.array([[column + row <= 4 for column in range(6)] for row in range(6)])  # centres with x + y <= 4
    np.testing.assert_array_equal(shown, expected)


def test_barycentric_weights_and_depth_at_a_pixel() -> None:
    buffers = rasterise(POINTS, np.array([1, 5, 9], np.float32), TRIANGLE, (6, 6))
    # pixel (row 1, column 2): x = 2, y = 1, so v = 2/4, w = 1/4 and u = 1/4; depth 1/4 + 5/2 + 9/4
    np.testing.assert_allclose(buffers.barycentric[1, 2], [0.25, 0.5, 0.25])
    assert buffers.depth[1, 2] == 5.0
    assert buffers.triangle[5, 5] == -1
    assert buffers.depth[5, 5] == FAR


def test_the_nearer_triangle_wins_whatever_the_order() -> None:
    points, depth = np.concatenate([POINTS, POINTS]), np.array([0, 0, 0, 1, 1, 1], np.float32)
    pair = np.array([[0, 1, 2], [3, 4, 5]], np.int32)
    first, second = (rasterise(points, depth, order, (6, 6)).triangle for order in (pair, pair[::-1].copy()))
    assert set(np.unique(first)) == {-1, 1}
    assert set(np.unique(second)) == {-1, 0}


def test_the_winding_of_a_triangle_does_not_matter() -> None:
    turned = np.array([[0, 2, 1]], np.int32)
    one, two = (rasterise(POINTS, FLAT, faces, (6, 6)) for faces in (TRIANGLE, turned))
    np.testing.assert_array_equal(one.triangle, two.triangle)


def test_two_triangles_of_a_square_leave_no_gap() -> None:
    corners = np.array([[0.3, 0.4], [9.7, 0.2], [0.1, 9.6], [9.5, 9.8]], np.float32)
    shown = rasterise(corners, np.zeros(4, np.float32), np.array([[0, 1, 2], [1, 3, 2]], np.int32), (11, 11))
    assert (shown.triangle[1:9, 1:9] >= 0).all()


def test_what_lies_outside_the_image_is_left_out_quietly() -> None:
    far_away = POINTS - 100
    assert (rasterise(far_away, FLAT, TRIANGLE, (6, 6)).triangle == -1).all()
    assert (rasterise(POINTS * 100 - 50, FLAT, TRIANGLE, (6, 6)).triangle == 0).all()


def test_degenerate_triangles_draw_nothing() -> None:
    line = np.array([[0, 0], [2, 2], [4, 4]], np.float32)
    assert (rasterise(line, FLAT, TRIANGLE, (6, 6)).triangle == -1).all()


def test_cover_leaves_pixels_out() -> None:
    nothing, everything = (rasterise(POINTS, FLAT, TRIANGLE, (6, 6), np.full(3, share, np.float32)) for share in (0, 1))
    assert (nothing.triangle == -1).all()
    assert (everything.triangle == 0).sum() == 15


def test_values_are_interpolated_between_the_corners() -> None:
    buffers = rasterise(POINTS, FLAT, TRIANGLE, (6, 6))
    image = interpolate(np.array([[0.0], [4.0], [0.0]], np.float32), TRIANGLE, buffers)
    np.testing.assert_allclose(image[0, :5, 0], [0, 1, 2, 3, 4])
    assert image[5, 5, 0] == 0


def test_normals_point_out_of_counter_clockwise_triangles() -> None:
    flat = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)
    np.testing.assert_allclose(vertex_normals(flat, TRIANGLE), np.tile([0, 0, 1], (3, 1)), atol=1e-6)
