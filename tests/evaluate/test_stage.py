"""What the evaluate command scores, and what it answers to names that are not there."""

from argparse import Namespace
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline import records, shards
from pipeline.benchmark import cases as benchmark
from pipeline.benchmark.cases import Benchmark
from pipeline.errors import MissingInput, SettingsError
from stages import evaluate
from tests.benchmark import fairness_data

CASES = [fairness_data.case("a", "b", index=0), fairness_data.case("a", "b", index=1)]
NAMES = tuple(case.case_id for case in CASES)
ASKED = Benchmark("v1", benchmark.hash_of_cases(CASES), tuple(CASES))


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("SAMPLES", "IMAGES", "SCORES"):
        monkeypatch.setattr(evaluate, name, tmp_path / name.lower())
    benchmark.save_cases(ASKED, tmp_path / "samples" / benchmark.CASES_FILE)
    return tmp_path / "images"


def drawn(folder: Path, asked: str = ASKED.hash, protocol: str = "free", cases: tuple[str, ...] = NAMES) -> None:
    head = {"protocol": protocol, "method": folder.name, "benchmark": asked}
    rest = {"image": None, "width": 8, "height": 8, "reject": "out of memory"}
    rows = pa.Table.from_pylist([head | {"case_id": name} | rest for name in cases], schema=records.IMAGES)
    shards.write(folder / f"images/{protocol}.parquet", rows, records.IMAGES)


def asked(*methods: str, folder: Path | None = None, name: str | None = None, protocol: str | None = None) -> Namespace:
    return Namespace(methods=list(methods), folder=folder, name=name, protocol=protocol)


def test_everything_is_scored_by_default(images: Path) -> None:
    for name in ("uniportrait", "no_id"):
        drawn(images / name)
    assert evaluate.wanted(asked()) == ["no_id", "uniportrait"]
    assert evaluate.wanted(asked("no_id")) == ["no_id"]


def test_images_of_other_cases_are_left_out_and_their_scores_forgotten(images: Path) -> None:
    drawn(images / "uniportrait")
    drawn(images / "instantid", "another")
    old = evaluate.SCORES / "instantid" / "scores/0.parquet"
    old.parent.mkdir(parents=True)
    old.touch()
    assert evaluate.wanted(asked()) == ["uniportrait"]
    assert not old.exists()
    with pytest.raises(MissingInput, match="drawn for other cases"):
        evaluate.wanted(asked("instantid"))


def test_a_half_drawn_method_is_not_scored(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawn(images / "uniportrait")
    drawn(images / "instantid")
    drawn(images / "instantid", protocol="layout", cases=NAMES[:1])
    assert evaluate.wanted(asked()) == ["uniportrait"]
    assert "instantid has rows for 1 of the 2 cases of the protocol layout and is left out" in capsys.readouterr().out
    with pytest.raises(MissingInput, match="1 of the 2 cases of the protocol layout: generate it again"):
        evaluate.wanted(asked("instantid"))


def test_scores_whose_images_are_gone_are_forgotten(images: Path) -> None:
    drawn(images / "uniportrait")
    for name in ("theirs", "uniportrait", "real"):
        (evaluate.SCORES / name).mkdir(parents=True)
    assert evaluate.wanted(asked("uniportrait")) == ["uniportrait"]
    assert (evaluate.SCORES / "theirs").exists(), "one method was asked for"
    assert evaluate.wanted(asked()) == ["uniportrait"]
    assert sorted(path.name for path in evaluate.SCORES.iterdir()) == ["real", "uniportrait"]


def test_a_misspelt_method_is_named(images: Path) -> None:
    drawn(images / "uniportrait")
    with pytest.raises(MissingInput, match="did you mean uniportrait"):
        evaluate.wanted(asked("uniportait"))


def test_nothing_was_generated(images: Path) -> None:
    with pytest.raises(MissingInput, match="run the generate stage"):
        evaluate.wanted(asked())


def one_image(folder: Path) -> Path:
    """A folder with a file for the only case; what is in it does not matter here."""
    folder.mkdir()
    (folder / f"{CASES[0].case_id}.png").touch()
    return folder


@pytest.mark.parametrize(
    "name",
    [
        None, "", "real", "uniportrait", "no_id", "other_photo", "group_portrait", "group_portrait-released",
        "uniportrait-1_references", "shuffled_id", "a:b", "../x", "a/b", ".", "-a", "a b", "\u00e4", "a\n",
    ],
)  # fmt: skip
def test_a_folder_needs_a_plain_name_of_its_own(images: Path, tmp_path: Path, name: str | None) -> None:
    """group_portrait and other_photo are no names of this run, but of another profile's."""
    with pytest.raises(SettingsError, match="--name"):
        evaluate.wanted(asked(folder=one_image(tmp_path / "made"), name=name))
    assert not images.exists()


def test_a_folder_taken_in_for_other_cases_is_not_mixed(images: Path, tmp_path: Path) -> None:
    drawn(images / "theirs", "another", protocol="layout")
    evaluate.wanted(asked(folder=one_image(tmp_path / "made"), name="theirs"))
    assert {row["protocol"] for row in shards.read_all(images / "theirs", "images").to_pylist()} == {"free"}
    evaluate.wanted(asked(folder=tmp_path / "made", name="theirs", protocol="layout"))
    assert evaluate.wanted(asked("theirs")) == ["theirs"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["uniportrait", "--folder", "x", "--name", "theirs"], "found uniportrait beside it"),
        (["--name", "theirs"], "those of a --folder"),
        (["uniportrait", "--protocol", "layout"], "those of a --folder"),
    ],
)
def test_words_that_do_not_go_together(words: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        evaluate.arguments(words)
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("name", ["theirs", "Their-2nd_try", "unreal", "2024"])
def test_a_folder_with_a_name_is_taken_in(images: Path, tmp_path: Path, name: str) -> None:
    assert evaluate.wanted(asked(folder=one_image(tmp_path / "made"), name=name)) == [name]
    assert [path.name for path in images.iterdir()] == [name]
