"""A model's captions: of the photos that are to have one, not made twice, and no picture that fails costs another."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import settings, shards
from pipeline.errors import SettingsError
from pipeline.images import Pixels
from pipeline.samples import model_captions
from pipeline.samples.faces import FaceTable
from pipeline.samples.model_captions import CaptionWorker
from pipeline.samples.selection import decide
from pipeline.settings import SamplesSettings, Settings
from pipeline.settings.load import _check_together
from tests import tiny_captioner, tiny_data
from tests.samples.conftest import RULES, fit
from tests.tiny_data import Photo

PHOTOS = [Photo(("ann",), "ann@mail.com", seed=1), Photo(("ann",), "Ann by the sea", seed=2), Photo((), "", extra=1)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_captioner.write(tmp_path_factory.mktemp("captioner"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tiny_data.write(tmp_path_factory.mktemp("data"), PHOTOS)
    fit(folder)
    return folder


def asked(source: str, model: Path | str) -> Settings:
    loaded = settings.load()
    samples: SamplesSettings = replace(loaded.samples, captions=source)  # type: ignore[arg-type]
    return replace(loaded, samples=samples, models=replace(loaded.models, captioner=str(model)))


def made(data: Path, wanted: Settings) -> dict[str, str | None]:
    todo = model_captions.tasks(data, FaceTable(data), wanted)
    for task in shards.missing(data / "samples", model_captions.KIND, todo):
        CaptionWorker(wanted.models.captioner, wanted.samples.captions, data / "samples")(task)
    return model_captions.read(data / "samples", todo)


def captions(data: Path, wanted: Settings) -> list[str]:
    photos = decide(data, FaceTable(data), wanted.samples, (), RULES, made(data, wanted))
    return [next(photo.caption for photo in photos if photo.photo_id == each.photo_id) for each in PHOTOS]


def test_the_setting_says_whose_caption_a_photo_has(data: Path, model: Path) -> None:
    page = captions(data, asked("page", ""))
    assert page[:2] == ["a photo of a person", "Ann by the sea"]
    either = captions(data, asked("page_else_model", model))
    assert set(either[0].split()) <= set(tiny_captioner.WORDS)
    assert either[1] == "Ann by the sea"
    told = made(data, asked("model", model))
    assert captions(data, asked("model", model))[:2] == [told[each.photo_id] for each in PHOTOS[:2]]


def test_captions_are_not_made_twice_and_anew_for_another_model(data: Path, model: Path, tmp_path: Path) -> None:
    todo = model_captions.tasks(data, FaceTable(data), asked("model", model))
    made(data, asked("model", model))
    assert shards.missing(data / "samples", model_captions.KIND, todo) == []
    other = shutil.copytree(model, tmp_path / "other")
    (other / "added").write_text("x")
    assert {task.key for task in model_captions.tasks(data, FaceTable(data), asked("model", other))}.isdisjoint(
        task.key for task in todo
    )
    assert model_captions.tasks(data, FaceTable(data), asked("page", model)) == []


def test_a_picture_that_fails_is_a_row_with_its_reason(
    data: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not readable, or too much for the model: the others of its batch have their captions."""
    data = shutil.copytree(data, tmp_path / "data")
    (path,) = shards.paths(data / "crawl", "photos")
    rows = shards.read(path).to_pylist()
    faces = FaceTable(data)
    (task,) = model_captions.tasks(data, faces, asked("model", model))
    name = PHOTOS[0].photo_id
    next(row for row in rows if row["photo_id"] == name)["image"]["bytes"] = b"no picture"
    schema = shards.read(path).schema
    shards.write(path, schema.empty_table().from_pylist(rows, schema), schema)
    worker = CaptionWorker(str(model), "model", data / "samples")
    good = worker._captioner

    def captioner(pictures: Sequence[Pixels]) -> list[str]:
        if len(pictures) > 1:
            raise RuntimeError("too much")
        return good(pictures)

    monkeypatch.setattr(worker, "_captioner", captioner)
    worker(task)
    found = {
        row["photo_id"]: row
        for row in shards.read(shards.path_of(data / "samples", model_captions.KIND, task.key)).to_pylist()
    }
    assert "not a readable" in found[name]["reject"]
    assert found[name]["caption"] is None
    assert found[PHOTOS[1].photo_id]["reject"] is None
    assert found[PHOTOS[1].photo_id]["caption"]


def test_what_a_model_writes_is_cleaned(data: Path, model: Path) -> None:
    told = {each.photo_id: "Ann, call 555-123-4567" for each in PHOTOS} | {PHOTOS[1].photo_id: None}
    photos = decide(data, FaceTable(data), asked("model", model).samples, (), RULES, told)
    found = {photo.photo_id: photo.caption for photo in photos}
    assert found[PHOTOS[0].photo_id] == "Ann, call"
    assert found[PHOTOS[1].photo_id] == "a photo of a person"


def test_a_model_is_asked_for_where_it_is_to_write() -> None:
    with pytest.raises(SettingsError, match=r"models\.captioner must name a directory with samples\.captions: model"):
        _check_together(asked("model", ""), "params.yaml")
    _check_together(asked("page", ""), "params.yaml")
    assert "models.captioner" not in asked("page", "").parts()
    assert asked("model", "blip").parts()["models.captioner"] == "blip"
