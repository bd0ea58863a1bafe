import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline import licences, settings
from pipeline.errors import LicenceError
from tests.conftest import ROOT


def pack(folder: Path, licence: str | None) -> str:
    """A model directory; without a licence it has no card, as published packs have none."""
    folder.mkdir()
    (folder / "model.onnx").write_bytes(b"weights")
    if licence is not None:
        (folder / licences.CARD).write_text(json.dumps({"licence": licence}))
    return str(folder)


def head(path: Path, **texts: str) -> str:
    np.savez(path, **{name: np.array(text) for name, text in texts.items()}, mean=np.zeros((1, 3)))  # type: ignore[arg-type]
    return str(path)


def test_a_part_says_its_licence(tmp_path: Path) -> None:
    assert licences.of(pack(tmp_path / "ours", "Apache-2.0")) == "Apache-2.0"
    assert licences.of(pack(tmp_path / "published", None)) == "not stated"
    assert licences.of(pack(tmp_path / "empty", " ")) == "not stated"
    assert licences.of(head(tmp_path / "head.npz", licence="MIT")) == "MIT"
    assert licences.of(head(tmp_path / "other.npz")) == "not stated"
    (tmp_path / "broken.npz").write_bytes(b"no archive")
    assert licences.of(tmp_path / "broken.npz") == "not stated"


@pytest.mark.parametrize("text", ["{", '["MIT"]', "3"])
def test_a_card_that_is_no_object_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / licences.CARD).write_text(text)
    with pytest.raises(LicenceError, match=r"card\.json must be a JSON object"):
        licences.of(tmp_path)


@pytest.mark.parametrize("licence", ["Apache-2.0", "MIT", "CC-BY-4.0", "creativeml-openrail-m"])
def test_a_commercial_licence_passes(tmp_path: Path, licence: str) -> None:
    licences.check({"models.backbone": pack(tmp_path / "part", licence)})


@pytest.mark.parametrize("licence", [None, "CC-BY-NC-4.0", "research only", "MIT, research only", "LicenseRef-other"])
def test_any_other_licence_is_refused(tmp_path: Path, licence: str | None) -> None:
    with pytest.raises(LicenceError, match=r"models\.backbone in .*part \(licence: "):
        licences.check({"models.backbone": pack(tmp_path / "part", licence)})


def test_every_refused_part_is_named_at_once_and_no_other(tmp_path: Path) -> None:
    parts = {
        "models.recogniser_a": pack(tmp_path / "a", None),
        "models.recogniser_b": pack(tmp_path / "b", "MIT"),
        "models.head": head(tmp_path / "flame.npz", licence="CC-BY-NC-SA-4.0"),
    }
    with pytest.raises(LicenceError) as refusal:
        licences.check(parts)
    said = str(refusal.value)
    assert f"models.recogniser_a in {parts['models.recogniser_a']} (licence: not stated)" in said
    assert f"models.head in {parts['models.head']} (licence: CC-BY-NC-SA-4.0)" in said
    assert "recogniser_b" not in said
    assert "set models.allow_non_commercial: true" in said


def test_what_is_not_there_is_left_to_whoever_loads_it(tmp_path: Path) -> None:
    licences.check({"models.backbone": str(tmp_path / "nowhere")})


def test_the_worlds_parts_all_allow_commercial_use() -> None:
    parts = settings.load().parts()
    assert len(parts) == 6
    licences.check({name: str(ROOT / path) for name, path in parts.items()})


def test_landmark_weights_are_a_part_when_they_are_used() -> None:
    loaded = settings.load()
    other = replace(loaded, faces=replace(loaded.faces, landmark_weights="fan"))
    assert set(other.parts()) - set(loaded.parts()) == {"faces.landmark_weights"}
