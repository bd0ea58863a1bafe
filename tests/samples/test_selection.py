"""Which photos are samples, why others are not, and which shards a change touches."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import settings
from pipeline.benchmark.cases import Benchmark
from pipeline.benchmark.spec import read_spec
from pipeline.errors import MissingInput
from pipeline.samples import selection
from pipeline.samples.faces import FaceTable
from pipeline.samples.framing import Frame, Rect
from pipeline.samples.selection import Photo, decide, in_split, merge_rare_sizes
from pipeline.samples.summary import summarise
from pipeline.samples.tasks import tasks
from pipeline.settings import SamplesSettings
from tests import tiny_data, tiny_models
from tests.samples.conftest import CIRCLES, PROMPT, RULES, fit, photos

PROMPTS = read_spec("pipeline/benchmark/prompts/v1.yaml").all_prompts()


@pytest.fixture
def decided(data: Path, chosen: SamplesSettings) -> list[Photo]:
    return decide(data, FaceTable(data), chosen, PROMPTS, RULES)


def test_every_photo_is_decided_about_once(data: Path, decided: list[Photo]) -> None:
    assert sorted(photo.photo_id for photo in decided) == sorted(photo.photo_id for photo in photos())
    assert {photo.split for photo in decided if not photo.reject} == {"train", "validation", "test"}


def test_rejects_have_reasons(decided: list[Photo]) -> None:
    found = Counter(photo.reject for photo in decided)
    assert found["no_identity"] == 1
    assert found["same_person_twice"] == 1
    recluse = next(photo for photo in decided if photo.caption == "just one photo of them")
    assert recluse.reject == ("only_photo" if recluse.split == "train" else None)


def test_a_stranger_is_cropped_away(data: Path, chosen: SamplesSettings, decided: list[Photo]) -> None:
    photo = next(photo for photo in decided if photo.caption == "with a stranger")
    stranger = FaceTable(data).of(photo.photo_id)["box"].to_pylist()[1]
    assert (photo.reject, len(photo.identity_ids)) == (None, 1)
    assert photo.frame is not None
    assert photo.frame.crop.x2 <= stranger[0]
    assert [face["identity_id"] for face in FaceTable(data).structs(photo.photo_id)] == list(photo.identity_ids)


def test_other_photos_of_the_drawn_world_are_shown_whole(decided: list[Photo]) -> None:
    shown = [photo for photo in decided if photo.frame and photo.caption != "with a stranger"]
    assert {photo.frame.size for photo in shown if photo.frame} == {(128, 128), (256, 128)}
    assert all(photo.frame == Frame(Rect(0, 0, *photo.frame.size), photo.frame.size, 1.0) for photo in shown)


def sized(data: Path, photos: list[Photo], size: tuple[int, int], few: int) -> list[Photo]:
    """Photos of one person whose first ones are of a size."""
    chosen = [photo for photo in photos if photo.reject is None and photo.split == "train"]
    alone = [photo for photo in chosen if len(photo.identity_ids) == 1 and photo.caption != "with a stranger"][:40]
    frame = Frame(Rect(0, 0, *size), size, 1.0)
    return [replace(photo, frame=frame) for photo in alone[:few]] + alone[few:]


def test_rare_sizes_are_cropped_to_others(data: Path, decided: list[Photo]) -> None:
    for few, wanted in ((15, {(128, 128): 40}), (16, {(160, 96): 16, (128, 128): 24})):
        merged = merge_rare_sizes(sized(data, decided, (160, 96), few), FaceTable(data), RULES, 16)
        assert Counter(photo.frame.size for photo in merged if photo.frame) == wanted


def test_a_rare_size_without_another_is_a_reject(data: Path, decided: list[Photo]) -> None:
    """Photos of 128 x 128 would have to be enlarged to be 192 pixels wide."""
    photos = sized(data, decided, (192, 96), 30)
    merged = merge_rare_sizes(photos, FaceTable(data), RULES, 16)
    assert Counter(photo.reject for photo in merged) == {None: 30, "rare_size": 10}
    assert [photo.photo_id for photo in merged] == [photo.photo_id for photo in photos]


def test_the_only_size_stays_however_few_have_it(data: Path, decided: list[Photo]) -> None:
    photos = sized(data, decided, (160, 96), 0)[:3]
    assert merge_rare_sizes(photos, FaceTable(data), RULES, 16) == photos


def test_the_side_is_the_backbones_own_or_that_of_the_settings(tmp_path: Path) -> None:
    chosen = settings.load()
    assert RULES.canvas == (256, 128)
    larger = selection.rules(replace(chosen, samples=replace(chosen.samples, side=512)))
    assert larger.canvas == (1024, 512)
    assert all(width % 64 == 0 and height % 64 == 0 for width, height in larger.sizes)
    folder = tiny_models.backbone(tmp_path / "backbone")
    tiny = selection.rules(replace(chosen, models=replace(chosen.models, backbone=str(folder))))
    assert (64, 64) in tiny.sizes
    assert all(width % 16 == 0 and height % 16 == 0 for width, height in tiny.sizes)


def test_no_training_caption_is_a_prompt(decided: list[Photo]) -> None:
    assert PROMPT in PROMPTS
    shouted = [photo for photo in decided if photo.caption == f"{PROMPT.upper()}!"]
    assert len(shouted) == sum(map(len, CIRCLES))
    assert {(photo.split == "train", photo.reject) for photo in shouted} == {(True, "benchmark_prompt"), (False, None)}


def test_a_circle_is_on_one_side(decided: list[Photo]) -> None:
    side = {name: photo.split for photo in decided for name in photo.identity_ids}
    assert all(side[name] == photo.split for photo in decided for name in photo.identity_ids)


def test_a_photo_of_people_in_several_splits_is_rejected_and_counted() -> None:
    photo = Photo("one", "shard", 8, 8, "two people", ("a", "b"), None, None)
    photos = [
        in_split(photo, {"a": "test", "b": "train"}),
        in_split(replace(photo, reject="face"), {"a": "test", "b": "train"}),
        in_split(photo, {"a": "test", "b": "test"}),
        in_split(replace(photo, identity_ids=()), {}),
    ]
    assert [(each.split, each.reject) for each in photos] == [
        (None, "split"), (None, "face"), ("test", None), (None, None),
    ]  # fmt: skip
    found = summarise(photos[:3], (), Benchmark("none", "", ()))
    assert (found["given_up"], found["rejected"]) == (1, {"split": 1, "face": 1})
    assert found["shares"] == {"people": {"test": 1.0}, "photos": {"test": 1.0}}


def test_a_new_photo_costs_only_itself(tmp_path: Path, chosen: SamplesSettings) -> None:
    def keys(folder: str, wanted: list[tiny_data.Photo]) -> set[str]:
        data = tiny_data.write(tmp_path / folder, wanted, per_shard=16)
        fit(data)
        faces = FaceTable(data)
        found = tasks(decide(data, faces, chosen, PROMPTS, RULES), faces, chosen)
        return {f"{kind} {task.key}" for kind, each in found.items() for task in each}

    people = [tiny_data.Photo((f"p{person}",), seed=seed) for person in range(12) for seed in range(4)]
    before = keys("old", people)
    assert before == keys("same", people)
    after = keys("new", [*people, tiny_data.Photo(("newcomer",), seed=7), tiny_data.Photo(("newcomer",), seed=8)])
    assert before < after
    assert len(after - before) == 1


def test_a_photo_that_faces_has_not_seen_is_one_sentence(data: Path, chosen: SamplesSettings) -> None:
    faces = FaceTable(data)
    faces._rows.popitem()
    with pytest.raises(MissingInput, match="run the faces stage again"):
        decide(data, faces, chosen, PROMPTS, RULES)


def test_other_settings_give_other_splits(data: Path, chosen: SamplesSettings, decided: list[Photo]) -> None:
    other = decide(data, FaceTable(data), replace(chosen, seed=5), PROMPTS, RULES)
    assert [photo.split for photo in other] != [photo.split for photo in decided]
