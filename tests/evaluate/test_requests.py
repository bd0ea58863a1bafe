"""What the evaluate stage scores, and what it answers to names that are not there."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline import records, shards
from pipeline.benchmark import cases as benchmark
from pipeline.benchmark.cases import Benchmark
from pipeline.errors import MissingInput, SettingsError
from pipeline.evaluate.requests import Request, names
from tests.benchmark import fairness_data

CASES = [fairness_data.case("a", "b", index=0), fairness_data.case("a", "b", index=1)]
NAMES = tuple(case.case_id for case in CASES)
ASKED = Benchmark("v1", benchmark.hash_of_cases(CASES), tuple(CASES))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    benchmark.save_cases(ASKED, tmp_path / "samples" / benchmark.CASES_FILE)
    return tmp_path / "images"


def drawn(folder: Path, asked: str = ASKED.hash, protocol: str = "free", cases: tuple[str, ...] = NAMES) -> None:
    head = {"protocol": protocol, "method": folder.name, "benchmark": asked}
    rest = {"image": None, "width": 8, "height": 8, "reject": "out of memory"}
    rows = pa.Table.from_pylist([head | {"case_id": name} | rest for name in cases], schema=records.IMAGES)
    shards.write(folder / f"images/{protocol}.parquet", rows, records.IMAGES)


def wanted(folder: Path, *methods: str, **asked: Any) -> list[str]:
    root = folder.parent
    return list(names(Request(methods, **asked), root / "samples", folder, root / "scores"))


def test_everything_is_scored_by_default(images: Path) -> None:
    for name in ("uniportrait", "no_id"):
        drawn(images / name)
    assert wanted(images) == ["no_id", "uniportrait"]
    assert wanted(images, "no_id") == ["no_id"]


def test_images_of_other_cases_are_left_out_and_their_scores_forgotten(images: Path) -> None:
    drawn(images / "uniportrait")
    drawn(images / "instantid", "another")
    old = images.parent / "scores" / "instantid" / "scores/0.parquet"
    old.parent.mkdir(parents=True)
    old.touch()
    assert wanted(images) == ["uniportrait"]
    assert not old.exists()
    with pytest.raises(MissingInput, match="drawn for other cases"):
        wanted(images, "instantid")


def test_a_half_drawn_method_is_not_scored(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawn(images / "uniportrait")
    drawn(images / "instantid")
    drawn(images / "instantid", protocol="layout", cases=NAMES[:1])
    assert wanted(images) == ["uniportrait"]
    assert "instantid has rows for 1 of the 2 cases of the protocol layout and is left out" in capsys.readouterr().out
    with pytest.raises(MissingInput, match="1 of the 2 cases of the protocol layout: generate it again"):
        wanted(images, "instantid")


def test_scores_whose_images_are_gone_are_forgotten(images: Path) -> None:
    drawn(images / "uniportrait")
    for name in ("theirs", "uniportrait", "real"):
        (images.parent / "scores" / name).mkdir(parents=True)
    assert wanted(images, "uniportrait") == ["uniportrait"]
    assert (images.parent / "scores" / "theirs").exists(), "one method was asked for"
    assert wanted(images) == ["uniportrait"]
    assert sorted(path.name for path in (images.parent / "scores").iterdir()) == ["real", "uniportrait"]


def test_a_misspelt_method_is_named(images: Path) -> None:
    drawn(images / "uniportrait")
    with pytest.raises(MissingInput, match="did you mean uniportrait"):
        wanted(images, "uniportait")


def test_nothing_was_generated(images: Path) -> None:
    with pytest.raises(MissingInput, match="run the generate stage"):
        wanted(images)


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
        wanted(images, images=one_image(tmp_path / "made"), name=name)
    assert not images.exists()


def test_a_folder_taken_in_for_other_cases_is_not_mixed(images: Path, tmp_path: Path) -> None:
    drawn(images / "theirs", "another", protocol="layout")
    wanted(images, images=one_image(tmp_path / "made"), name="theirs")
    assert {row["protocol"] for row in shards.read_all(images / "theirs", "images").to_pylist()} == {"free"}
    wanted(images, images=tmp_path / "made", name="theirs", protocol="layout")
    assert wanted(images, "theirs") == ["theirs"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ({"methods": ["uniportrait"], "images": Path("x"), "name": "theirs"}, "found uniportrait beside it"),
        ({"name": "theirs"}, "those of --images"),
        ({"methods": ["uniportrait"], "protocol": "layout"}, "those of --images"),
    ],
)
def test_words_that_do_not_go_together(words: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        Request(**words)


@pytest.mark.parametrize("name", ["theirs", "Their-2nd_try", "unreal", "2024"])
def test_a_folder_with_a_name_is_taken_in(images: Path, tmp_path: Path, name: str) -> None:
    assert wanted(images, images=one_image(tmp_path / "made"), name=name) == [name]
    assert [path.name for path in images.iterdir()] == [name]
