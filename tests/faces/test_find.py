"""Finding faces: boxes, points and their order, with models whose answers are known; face-alignment's weights."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from face_alignment.models import FAN

from pipeline.errors import MissingInput, SettingsError
from pipeline.faces.fan import FanLandmarker
from pipeline.faces.find import Finder
from tests import toy_pack
from tests.faces.conftest import SETTINGS


def test_boxes_and_points_are_in_pixels_of_the_photo(pack: Path) -> None:
    found = Finder(SETTINGS, pack)(toy_pack.photo(192, 160, {(1, 0): 40}))
    np.testing.assert_allclose(found.boxes, [[32, 0, 64, 32]], atol=0.1)
    np.testing.assert_allclose(found.keypoints[0], np.array(toy_pack.KEYPOINTS) * 32 + [32, 0], atol=0.1)
    np.testing.assert_allclose(found.landmarks[0], toy_pack.landmark_shares() * 32 + [32, 0], atol=0.1)
    assert found.scores[0] == pytest.approx(0.94, abs=0.02)


def test_faces_come_from_left_to_right(pack: Path) -> None:
    found = Finder(SETTINGS, pack)(toy_pack.photo(192, 128, {(5, 0): 40, (0, 3): 40, (3, 1): 40}))
    assert found.boxes[:, 0].round().tolist() == [0, 96, 160]


def test_a_larger_photo_is_shrunk_and_its_boxes_grow_back(pack: Path) -> None:
    photo = toy_pack.photo(192, 192, {(2, 4): 40}).repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_allclose(Finder(SETTINGS, pack)(photo).boxes, [[128, 256, 192, 320]], atol=0.5)


def test_a_photo_without_a_face_has_none(pack: Path) -> None:
    found = Finder(SETTINGS, pack)(toy_pack.photo(64, 64, {}))
    assert (found.boxes.shape, found.keypoints.shape, found.landmarks.shape) == ((0, 4), (0, 5, 2), (0, 68, 2))


def test_red_and_blue_are_not_mistaken_for_each_other(pack: Path) -> None:
    photo = toy_pack.photo(64, 64, {(1, 0): 40})
    assert not len(Finder(SETTINGS, pack)(photo[..., ::-1]).boxes)


def test_a_pack_without_landmarks_says_what_to_do(pack: Path, tmp_path: Path) -> None:
    for name in ("detector.onnx", "recogniser.onnx"):
        (tmp_path / name).write_bytes((pack / name).read_bytes())
    with pytest.raises(MissingInput, match=r"no model of 68 landmarks.*faces.landmarks: face_alignment"):
        Finder(SETTINGS, tmp_path)


def test_an_unknown_source_of_landmarks_is_named(pack: Path) -> None:
    with pytest.raises(SettingsError, match=r"faces.landmarks is 'recognizer'; did you mean recogniser\?"):
        Finder(replace(SETTINGS, landmarks="recognizer"), pack)


@pytest.fixture(scope="module")
def fan_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smallest face alignment network, with random weights."""
    folder = tmp_path_factory.mktemp("fan")
    torch.manual_seed(0)
    torch.save(FAN(1).state_dict(), folder / "2DFAN1-random.pth.tar")
    return folder


def test_landmarks_of_face_alignment_come_from_a_local_file(pack: Path, fan_weights: Path) -> None:
    chosen = replace(SETTINGS, landmarks="face_alignment", landmark_weights=str(fan_weights))
    found = Finder(chosen, pack)(toy_pack.photo(192, 128, {(1, 0): 40, (4, 2): 90}))
    assert found.landmarks.shape == (2, 68, 2)
    # Even a random network marks places inside the crop around each box.
    middles = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    assert np.abs(found.landmarks - middles[:, None]).max() < 64


def test_face_alignment_without_faces_marks_nothing(fan_weights: Path) -> None:
    blank = np.zeros((64, 64, 3), np.uint8)
    assert FanLandmarker(fan_weights)(blank, np.empty((0, 4), np.float32)).shape == (0, 68, 2)


def test_a_missing_landmark_file_is_named_and_nothing_is_downloaded(pack: Path, tmp_path: Path) -> None:
    chosen = replace(SETTINGS, landmarks="face_alignment", landmark_weights=str(tmp_path))
    with pytest.raises(MissingInput, match=r"put 2DFAN4-11f355bf06\.pth\.tar there"):
        Finder(chosen, pack)
