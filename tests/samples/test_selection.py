"""Which photos are samples, why others are not, and which shards a change touches."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.benchmark.cases import Benchmark
from pipeline.benchmark.spec import read_spec
from pipeline.errors import MissingInput
from pipeline.samples.faces import FaceTable
from pipeline.samples.selection import Photo, decide, in_split
from pipeline.samples.summary import summarise
from pipeline.samples.tasks import tasks
from pipeline.settings import SamplesSettings
from tests import tiny_data
from tests.samples.conftest import CIRCLES, PROMPT, fit, photos

PROMPTS = read_spec("pipeline/benchmark/prompts/v1.yaml").all_prompts()


@pytest.fixture
def decided(data: Path, chosen: SamplesSettings) -> list[Photo]:
    return decide(data, FaceTable(data), chosen, PROMPTS)


def test_every_photo_is_decided_about_once(data: Path, decided: list[Photo]) -> None:
    assert sorted(photo.photo_id for photo in decided) == sorted(photo.photo_id for photo in photos())
    assert {photo.split for photo in decided if not photo.reject} == {"train", "validation", "test"}


def test_rejects_have_reasons(decided: list[Photo]) -> None:
    found = Counter(photo.reject for photo in decided)
    assert found["no_identity"] == 2
    assert found["same_person_twice"] == 1
    recluse = next(photo for photo in decided if photo.caption == "just one photo of them")
    assert recluse.reject == ("only_photo" if recluse.split == "train" else None)


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
        found = tasks(decide(data, faces, chosen, PROMPTS), faces, chosen)
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
        decide(data, faces, chosen, PROMPTS)


def test_other_settings_give_other_splits(data: Path, chosen: SamplesSettings, decided: list[Photo]) -> None:
    other = decide(data, FaceTable(data), replace(chosen, seed=5), PROMPTS)
    assert [photo.split for photo in other] != [photo.split for photo in decided]
