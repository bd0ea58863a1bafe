"""What the evaluate command answers to names that are not there."""

from argparse import Namespace
from pathlib import Path

import pytest

from pipeline.errors import MissingInput, SettingsError
from stages import evaluate


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(evaluate, "IMAGES", tmp_path)
    return tmp_path


def asked(*methods: str, folder: Path | None = None, name: str | None = None) -> Namespace:
    return Namespace(methods=list(methods), folder=folder, name=name, protocol="free")


def test_everything_is_scored_by_default(images: Path) -> None:
    for name in ("uniportrait", "no_id"):
        (images / name).mkdir()
    assert evaluate.wanted(asked()) == ["no_id", "uniportrait"]
    assert evaluate.wanted(asked("no_id")) == ["no_id"]


def test_a_misspelt_method_is_named(images: Path) -> None:
    (images / "uniportrait").mkdir()
    with pytest.raises(MissingInput, match="did you mean uniportrait"):
        evaluate.wanted(asked("uniportait"))


def test_nothing_was_generated(images: Path) -> None:
    with pytest.raises(MissingInput, match="run the generate stage"):
        evaluate.wanted(asked())


@pytest.mark.parametrize("name", [None, "real"])
def test_a_folder_needs_a_name_of_its_own(images: Path, name: str | None) -> None:
    with pytest.raises(SettingsError, match="--name"):
        evaluate.wanted(asked(folder=images, name=name))
