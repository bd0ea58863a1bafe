"""pose: angles between wanted and found rotations, of the face that lies in each box of the layout."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pipeline.head.camera import rotation
from pipeline.metrics import pose
from tests.metrics.evidence import head_pose, laid_out, missing, nobody, person, turned, values

LEFT, RIGHT, AWAY = [0, 0, 10, 10], [20, 0, 30, 10], [50, 50, 60, 60]
NAMES = ("pose_error", "pose_yaw", "pose_pitch", "pose_roll")


def score(wanted, found, places=None, boxes=None):
    ours = places or [LEFT, RIGHT][: len(wanted)]
    return pose.score(laid_out(wanted, found, ours, boxes if boxes is not None else ours[: len(found)]))


def test_by_hand() -> None:
    """From 10 to 40 degrees of yaw it is a turn of 30 and nothing else; 4 degrees of roll are within the limit of 5."""
    scores = score([head_pose(yaw=10), head_pose()], [head_pose(yaw=40), head_pose(roll=4)])
    found = [values(scores, name) for name in NAMES]
    np.testing.assert_allclose(found, [[30, 4], [30, 0], [0, 0], [0, 4]], atol=0.05)
    assert values(scores, "pose_met") == [0.0, 1.0]


def test_a_turn_is_no_sum_of_angles() -> None:
    """90 degrees of yaw and 90 of pitch together turn by 120 degrees, about the diagonal of the axes."""
    assert values(score([head_pose()], [head_pose(yaw=90, pitch=90)]), "pose_error")[0] == pytest.approx(120, abs=0.05)


def test_against_scipy() -> None:
    rng = np.random.default_rng(0)
    for one, other in zip(Rotation.random(50, rng), Rotation.random(50, rng), strict=True):
        expected = np.degrees((one.inv() * other).magnitude())
        assert pose.angle_between(one.as_matrix(), other.as_matrix()) == pytest.approx(expected, abs=1e-4)


def test_turning_the_viewer_changes_nothing() -> None:
    rng = np.random.default_rng(1)
    one, other, turn = Rotation.random(3, rng).as_matrix()
    assert pose.angle_between(turn @ one, turn @ other) == pytest.approx(pose.angle_between(one, other))


def test_angles_go_round() -> None:
    assert pose.turns(rotation(175, 0, 0), rotation(-175, 0, 0)) == pytest.approx([10, 0, 0], abs=0.01)


def test_faces_are_compared_with_the_box_that_they_lie_in_not_by_whom_they_show() -> None:
    scores = score(
        [head_pose(yaw=30), head_pose(yaw=-30)], [head_pose(yaw=-30), head_pose(yaw=30)], boxes=[RIGHT, LEFT]
    )
    np.testing.assert_allclose(values(scores, "pose_error"), [0, 0], atol=0.05)


def test_faces_and_boxes_may_differ_in_number_and_order() -> None:
    """One box and two faces give one score; two boxes and one face give two, one of them missing."""
    more = score([head_pose()], [head_pose(yaw=90), head_pose(yaw=20)], [LEFT], [AWAY, LEFT])
    assert values(more, "pose_error") == pytest.approx([20], abs=0.05)
    fewer = score([head_pose(), head_pose()], [head_pose(yaw=20)], [AWAY, LEFT], [LEFT])
    assert values(fewer, "pose_error") == pytest.approx([np.nan, 20], abs=0.05, nan_ok=True)


def test_a_missing_face_is_left_out_of_angles_and_counts_as_not_met() -> None:
    scores = pose.score(nobody([person("p", [turned(0)], [turned(0)], LEFT, head_pose())]))
    assert np.isnan([values(scores, name) for name in NAMES]).all()
    assert values(scores, "pose_met") == [0.0]
    assert missing(scores, "pose_met") == missing(scores, "pose_error") == [True]


def test_without_a_layout_there_is_no_score() -> None:
    assert score([None], [head_pose()], [None], [LEFT]) == []


def test_a_pose_is_met_within_five_degrees() -> None:
    """The line stands in the report: "within 5 degrees"."""
    scores = score([head_pose(), head_pose()], [head_pose(yaw=4.9), head_pose(yaw=5.1)])
    assert values(scores, "pose_met") == [1.0, 0.0]
