"""The ICT-FaceKit importer, on a made-up file of its layout and, where it lies beside the project, the real one."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.head.camera import Camera
from pipeline.head.importers.ict import arkit_name, halve, import_ict
from pipeline.head.maps import draw_head, region_map
from pipeline.head.model import check, load_head, save_head


def test_names_become_arkits() -> None:
    assert arkit_name("mouthSmile_L") == "mouthSmileLeft"
    assert arkit_name("eyeBlink_R") == "eyeBlinkRight"
    assert arkit_name("jawOpen") == "jawOpen"


def test_both_halves_of_a_quadrilateral_turn_the_same_way() -> None:
    corners = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], float)
    for a, b, c in corners[halve(np.array([[0, 1, 2, 3]]))]:
        assert np.cross(b - a, c - a)[2] == 1.0


def test_a_made_up_file_becomes_a_head_and_eyelashes_are_not_drawn(tmp_path: Path) -> None:
    count, path = 26719, tmp_path / "ict.npz"
    mean = np.random.default_rng(0).normal(size=(count, 3)).astype(np.float32)
    quads = np.array(
        [[0, 1, 2, 3], [21451, 21452, 21453, 21454], [25351, 25352, 25353, 25354]], np.int32
    )  # skin, eye, lashes
    np.savez(
        path,
        mean=mean,
        identity=np.zeros((2, count, 3), np.float16),
        expression=np.zeros((1, count, 3), np.float16),
        expression_names=np.array(["mouthSmile_L"]),
        quads=quads,
        landmarks68=np.arange(68),
    )
    head = import_ict(path)
    check(head, "the import")
    assert len(head.triangles) == 4
    assert head.region_names[head.regions[21451]] == "left_eye"
    save_head(head, tmp_path / "ours.npz")
    assert load_head(tmp_path / "ours.npz").licence == "MIT"


def test_another_file_names_what_it_lacks(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", mean=np.zeros((2, 3)))
    with pytest.raises(ValueError, match="no ICT-FaceKit file, it lacks identity, expression"):
        import_ict(tmp_path / "other.npz")


@pytest.mark.real
def test_the_real_head_faces_the_viewer(real_folder: Path) -> None:
    head = import_ict(real_folder / "heads" / "ict_facekit_light.npz")
    marks = head.mean[head.landmarks68]
    assert marks[36, 0] < 0 < marks[45, 0]  # the person's right eye is on the image's left
    assert marks[8, 1] < marks[30, 1] < marks[27, 1]  # chin, nose tip, bridge
    parts = region_map(head, draw_head(head.mean, head.triangles, Camera(0, 0, 0, 6, 96, 96), (192, 192)))
    seen = {head.region_names[number] for number in np.unique(parts) if number >= 0}
    assert {"skin", "left_eye", "right_eye"} <= seen
    smile = head.expression[head.expression_names.index("mouthSmileLeft")]
    assert np.average(head.mean[:, 0], weights=np.linalg.norm(smile, axis=1)) > 1
