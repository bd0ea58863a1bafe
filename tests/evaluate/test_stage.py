"""What the evaluate command scores, and what it answers to names that are not there."""

from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline import benchmark, records, settings, shards
from pipeline.benchmark import Benchmark
from pipeline.errors import MissingInput, SettingsError
from stages import evaluate
from tests import fairness_data

CASES = [fairness_data.case("a", "b", index=0)]
ASKED = Benchmark("v1", benchmark.hash_of(CASES), tuple(CASES))
PARAMS = replace(settings.load(), methods=("uniportrait",), fewer_references=(), bounds=("no_id",))


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("SAMPLES", "IMAGES", "SCORES"):
        monkeypatch.setattr(evaluate, name, tmp_path / name.lower())
    benchmark.save(ASKED, tmp_path / "samples" / benchmark.FILE)
    return tmp_path / "images"


def drawn(folder: Path, asked: str = ASKED.hash) -> None:
    row = {"case_id": CASES[0].case_id, "protocol": "free", "method": folder.name, "benchmark": asked}
    row |= {"image": None, "width": 8, "height": 8, "reject": "out of memory"}
    shards.write(folder / "images-0.parquet", pa.Table.from_pylist([row], schema=records.IMAGES), records.IMAGES)


def asked(*methods: str, folder: Path | None = None, name: str | None = None) -> Namespace:
    return Namespace(methods=list(methods), folder=folder, name=name, protocol="free")


def test_everything_is_scored_by_default(images: Path) -> None:
    for name in ("uniportrait", "no_id"):
        drawn(images / name)
    assert evaluate.wanted(asked(), PARAMS) == ["no_id", "uniportrait"]
    assert evaluate.wanted(asked("no_id"), PARAMS) == ["no_id"]


def test_images_of_other_cases_are_left_out_and_their_scores_forgotten(images: Path) -> None:
    drawn(images / "uniportrait")
    drawn(images / "instantid", "another")
    old = evaluate.SCORES / "instantid" / "scores-0.parquet"
    old.parent.mkdir(parents=True)
    old.touch()
    assert evaluate.wanted(asked(), PARAMS) == ["uniportrait"]
    assert not old.exists()
    with pytest.raises(MissingInput, match="drawn for other cases"):
        evaluate.wanted(asked("instantid"), PARAMS)


def test_a_misspelt_method_is_named(images: Path) -> None:
    drawn(images / "uniportrait")
    with pytest.raises(MissingInput, match="did you mean uniportrait"):
        evaluate.wanted(asked("uniportait"), PARAMS)


def test_nothing_was_generated(images: Path) -> None:
    with pytest.raises(MissingInput, match="run the generate stage"):
        evaluate.wanted(asked(), PARAMS)


@pytest.mark.parametrize("name", [None, "real", "uniportrait", "no_id"])
def test_a_folder_needs_a_name_of_its_own(images: Path, name: str | None) -> None:
    with pytest.raises(SettingsError, match="--name"):
        evaluate.wanted(asked(folder=images, name=name), PARAMS)
