"""Recognisers that score, of either library: dlib's interface by a fake one, and the real one where it is installed."""

import importlib.util
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipeline import licences
from pipeline.encoders import judges
from pipeline.encoders.recogniser import Recogniser, align
from pipeline.errors import MissingInput
from tests import toy_pack
from tests.encoders.test_recogniser import REAL

FACE = np.array([[40, 50], [60, 50], [50, 60], [42, 70], [58, 70]], np.float32)
HERE = importlib.util.find_spec("dlib") and importlib.util.find_spec(judges.PACKAGE)


class FakeDlib:
    """Chips are the square's corner pixel; a descriptor is (3, 4, 0, ...) times what the chip shows."""

    def __init__(self) -> None:
        self.read: list[str] = []
        self.rectangle = lambda *corners: corners

    def shape_predictor(self, path: str) -> Any:
        self.read.append(Path(path).name)
        return lambda image, square: square

    def face_recognition_model_v1(self, path: str) -> Any:
        self.read.append(Path(path).name)
        return SimpleNamespace(compute_face_descriptor=lambda chips: [self.descriptor(chip) for chip in chips])

    def get_face_chip(self, image: np.ndarray, found: tuple, side: int, padding: float) -> np.ndarray:
        assert (side, padding) == (150, 0.25)
        return image[found[1], found[0]] * np.ones((side, side, 1))

    @staticmethod
    def descriptor(chip: np.ndarray) -> list[float]:
        assert chip.shape == (150, 150, 3)
        return [3 * chip[0, 0, 0], 4 * chip[0, 0, 0], *[0.0] * 126]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> tuple[FakeDlib, str]:
    """A dlib, and what names a folder of its weights."""
    library = FakeDlib()
    monkeypatch.setitem(sys.modules, "dlib", library)
    for name in licences.DLIB_FILES:
        (tmp_path / name).write_text(name)
    return library, f"dlib:{tmp_path}"


def test_dlib_embeds_located_faces_at_unit_length(fake: tuple[FakeDlib, str]) -> None:
    found = judges.load_judge(fake[1]).embed_faces(np.full((100, 100, 3), 7, np.uint8), np.stack([FACE, FACE + 5]))
    assert found.shape == (2, 128)
    assert found[:, :3] == pytest.approx(np.array([[0.6, 0.8, 0.0]] * 2))


def test_dlibs_68_points_are_never_read(fake: tuple[FakeDlib, str]) -> None:
    judges.load_judge(fake[1])
    assert sorted(fake[0].read) == sorted([judges.NETWORK, judges.FIVE_POINTS])


def test_no_face_has_no_embedding(fake: tuple[FakeDlib, str], tmp_path: Path) -> None:
    image, nobody = np.zeros((9, 9, 3), np.uint8), np.empty((0, 5, 2), np.float32)
    assert judges.load_judge(fake[1]).embed_faces(image, nobody).shape == (0, 128)
    assert judges.load_judge(str(toy_pack.write(tmp_path))).embed_faces(image, nobody).shape == (0, 48)


def test_the_square_follows_the_face() -> None:
    """By hand: points at (+-10, -10), (0, 0), (+-8, 10) about (50, 60) have a spread of sqrt(728 / 5) = 12.07."""
    assert judges.face_square(FACE) == (27, 35, 73, 82)
    left, top, right, bottom = judges.face_square(2 * FACE)
    assert (left, top, right, bottom) == pytest.approx((54, 71, 146, 164), abs=1)


def test_a_directory_embeds_the_faces_that_it_aligns(tmp_path: Path) -> None:
    pack = str(toy_pack.write(tmp_path))
    image = np.random.default_rng(0).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    both = judges.load_judge(pack).embed_faces(image, np.stack([FACE, FACE + 9]))
    assert both == pytest.approx(Recogniser(pack).embed(np.stack([align(image, FACE), align(image, FACE + 9)])))


def test_a_judge_is_another_when_a_file_is(fake: tuple[FakeDlib, str], tmp_path: Path) -> None:
    first, network = judges.judge_fingerprint(fake[1]), judges.network_file(fake[1])
    (tmp_path / "shape_predictor_68_face_landmarks.dat").write_text("another")
    assert judges.judge_fingerprint(fake[1]) == first
    (tmp_path / judges.FIVE_POINTS).write_text("another")
    assert judges.judge_fingerprint(fake[1]) != first
    assert judges.network_file(fake[1]) == network == tmp_path / judges.NETWORK


def test_what_is_not_installed_is_named_with_its_extra(
    fake: tuple[FakeDlib, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(judges, "PACKAGE", "no_such_package_of_faces")
    with pytest.raises(MissingInput, match=r"face-recognition-models.*not there: .*'likeness\[outside\]'"):
        judges.load_judge("dlib")
    monkeypatch.setitem(sys.modules, "dlib", None)
    with pytest.raises(MissingInput, match=r"dlib cannot be imported.*'likeness\[outside\]'"):
        judges.load_judge(fake[1])
    (tmp_path / judges.NETWORK).unlink()
    with pytest.raises(MissingInput, match=f"no {judges.NETWORK} in {tmp_path}"):
        judges.load_judge(fake[1])


@pytest.mark.real
@pytest.mark.skipif(not HERE or not REAL.is_dir(), reason="needs likeness[outside] and the real photographs")
def test_dlib_tells_real_people_apart() -> None:
    """The person in the middle of 40 photographs, two of each of 20 people, at the key points of a real detector."""
    import cv2

    from pipeline.encoders.recogniser import face_analysis

    app = face_analysis(REAL / "packs/models/ms1m", allowed_modules=["detection"])
    app.prepare(ctx_id=-1, det_size=(256, 256))
    judge, seen = judges.load_judge("dlib"), []
    people = [folder for folder in sorted((REAL / "lfw").iterdir()) if len(list(folder.glob("*.jpg"))) >= 2][:20]
    for path in [path for folder in people for path in sorted(folder.glob("*.jpg"))[:2]]:
        image = cv2.imread(str(path))
        boxes, points = app.det_model.detect(image)
        middle = np.abs(boxes[:, :2] + boxes[:, 2:4] - 250).sum(1).argmin()
        seen.append(judge.embed_faces(image[..., ::-1], points[[middle]])[0])
    cosines = np.stack(seen) @ np.stack(seen).T
    same = np.diag(cosines, 1)[::2]
    strangers = cosines[np.arange(40)[:, None] // 2 != np.arange(40) // 2]
    assert same.mean() > 0.93
    assert strangers.mean() < 0.88
    assert np.mean(same > np.quantile(strangers, 0.99)) > 0.9


def test_a_card_does_not_free_the_68_points(tmp_path: Path) -> None:
    (tmp_path / licences.CARD).write_text(json.dumps({"licence": "MIT"}))
    assert "not for commercial use" in licences.of(tmp_path / "shape_predictor_68_face_landmarks.dat")
    assert licences.of(tmp_path / judges.NETWORK) == licences.of("dlib") == licences.of(f"dlib:{tmp_path}") == "CC0-1.0"
