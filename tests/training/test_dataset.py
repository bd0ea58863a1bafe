"""References and drops of training photos."""

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.backbone import load
from pipeline.errors import MissingInput
from pipeline.method import Dropout, Method, Phase
from pipeline.settings import Models
from pipeline.shards import training_shards
from pipeline.training import cache, dataset
from pipeline.training.plan import TrainingPlan
from pipeline.training.tasks import latent_tasks
from tests.tiny_training import make_plan

STILL = Dropout(0.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory, models: Models) -> TrainingPlan:
    return make_plan(tmp_path_factory.mktemp("data"), models)


@pytest.fixture(scope="module")
def photos(plan: TrainingPlan) -> dataset.TrainingSet:
    return dataset.TrainingSet(plan.samples, plan.photo_keys, plan.face_keys, plan.cache)


def rows_of(plan: TrainingPlan, columns: list[str]) -> list[dict]:
    """Rows of all training shards in the order in which training sees them."""
    files = training_shards(plan.samples)
    return sorted(
        (row for path in files for row in cache.kept_rows(path, columns).to_pylist()), key=lambda row: row["photo_id"]
    )


def features(photos: dataset.TrainingSet) -> Method:
    """A method that asks for the features that lie in the cache."""
    null_features = {name: torch.zeros(value.shape[1:]) for name, value in photos._features[0].items()}
    return Method(torch.nn.Identity(), null_features)


def test_a_reference_is_never_from_the_target_photo(photos: dataset.TrainingSet) -> None:
    assert photos.eligible((1, 1))
    for photo in photos.eligible((1, 4)):
        for face in photos.photos[photo].faces:
            others = [photos.faces[other] for other in photos.others(face)]
            assert others
            assert {other.identity for other in others} == {photos.faces[face].identity}
            assert photo not in {other.photo for other in others}


def test_places_are_fractions_from_the_edge_and_landmarks_count_from_the_middle_of_a_pixel(
    photos: dataset.TrainingSet, plan: TrainingPlan
) -> None:
    row = rows_of(plan, ["photo_id", "width", "height", "faces"])[0]
    face, wanted = photos.faces[0], row["faces"][0]
    size = np.array([row["width"], row["height"]])
    assert np.allclose(face.box, np.array(wanted["box"]) / [*size, *size])
    assert np.allclose(face.landmarks, (np.array(wanted["landmarks"]).reshape(68, 2) + 0.5) / size)


def test_phases_choose_photos_by_people(photos: dataset.TrainingSet) -> None:
    assert {len(photos.photos[photo].faces) for photo in photos.eligible((1, 1))} == {1}
    assert {len(photos.photos[photo].faces) for photo in photos.eligible((2, 4))} == {2}
    with pytest.raises(MissingInput, match="3 to 4 people"):
        photos.eligible((3, 4))


def test_a_photos_references_do_not_depend_on_the_ranks(photos: dataset.TrainingSet, models: Models) -> None:
    method, empty = features(photos), load.load(models.backbone).encode_text([""])
    phase, chosen = Phase("x", 1.0, (1, 1), {}), photos.eligible((1, 1))[:6]
    seeds = [[0, 0, 5, 0, row] for row in range(6)]
    whole = photos.example(chosen, phase, method, empty, seeds)
    part = photos.example(chosen[1::2], phase, method, empty, seeds[1::2])
    for name, value in part.batch.people.features.items():
        assert torch.equal(value, whole.batch.people.features[name][1::2])
    assert torch.equal(part.batch.text.hidden, whole.batch.text.hidden[1::2])


def test_dropped_faces_and_texts_are_the_unconditional_ones(photos: dataset.TrainingSet, models: Models) -> None:
    method, empty = features(photos), load.load(models.backbone).encode_text([""])
    chosen, seeds = photos.eligible((1, 1))[:4], [[row] for row in range(4)]
    cases = (
        (STILL, False, False),
        (Dropout(1.0, 0.0, 0.0), True, False),
        (Dropout(0.0, 1.0, 0.0), False, True),
        (Dropout(0.0, 0.0, 1.0), True, True),
    )
    for dropout, text, faces in cases:
        batch = photos.example(chosen, Phase("x", 1.0, (1, 1), {}, dropout=dropout), method, empty, seeds).batch
        assert torch.equal(batch.text.hidden, empty.hidden.expand(4, -1, -1)) == text
        assert (batch.people.features["intrinsic"].abs().sum() == 0) == faces
        assert batch.people.present.all()


def test_text_faces_and_both_are_dropped_as_often_as_asked(photos: dataset.TrainingSet, models: Models) -> None:
    """Of 600 pictures; 0.05 is almost three deviations of the most uncertain share."""
    method, empty = features(photos), load.load(models.backbone).encode_text([""])
    photo, count = photos.eligible((1, 1))[0], 600
    phase = Phase("x", 1.0, (1, 1), {}, dropout=Dropout(text=0.2, faces=0.3, both=0.1))
    batch = photos.example([photo] * count, phase, method, empty, [[row] for row in range(count)]).batch
    no_text = (batch.text.hidden == empty.hidden).all(-1).all(-1)
    no_faces = (batch.people.features["intrinsic"] == 0).flatten(1).all(1)
    dropped = [no_text & ~no_faces, no_faces & ~no_text, no_text & no_faces]
    assert [each.float().mean().item() for each in dropped] == pytest.approx([0.2, 0.3, 0.1], abs=0.05)


def test_several_references_are_an_axis(photos: dataset.TrainingSet, models: Models) -> None:
    method, empty = features(photos), load.load(models.backbone).encode_text([""])
    phase = Phase("x", 1.0, (2, 4), {}, references=2)
    people = photos.example(photos.eligible((2, 2))[:2], phase, method, empty, [[0], [1]]).batch.people
    assert people.given.shape == (2, 2, 2)
    assert people.features["intrinsic"].shape[:3] == (2, 2, 2)


def test_latents_in_the_cache_are_those_of_the_photo(
    photos: dataset.TrainingSet, plan: TrainingPlan, models: Models
) -> None:
    from pipeline.images import decode, to_unit

    backbone = load.load(models.backbone)
    rows = rows_of(plan, ["photo_id", "image"])
    for index in (0, len(rows) - 1):
        pixels = torch.from_numpy(to_unit(decode(rows[index]["image"]["bytes"]))).permute(2, 0, 1)[None]
        expected = torch.cat(backbone.encode(pixels), dim=1)[0].numpy()
        assert np.allclose(photos._moments(index), expected, atol=1e-4)


def test_an_entry_is_there_only_when_it_is_whole(plan: TrainingPlan, tmp_path: Path) -> None:
    found = latent_tasks(training_shards(plan.samples), plan.models)
    (tmp_path / f".{found[0].key}.writing-1").mkdir()
    assert cache.unfinished(found, tmp_path) == found
    assert cache.unfinished(found, plan.cache) == []


def test_entries_of_killed_writers_go_and_those_of_living_ones_stay(tmp_path: Path) -> None:
    for name, age in ((".old.writing-1", cache.ABANDONED + 60), (".new.writing-2", 60)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age,) * 2)
    cache.write("key", {"a": np.zeros(3)}, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".new.writing-2", cache.ARRAYS, "key"]


def test_training_order_follows_from_photos_and_not_from_the_names_of_shards(
    plan: TrainingPlan, tmp_path: Path, models: Models
) -> None:
    """Shards are named by the code that made them: other names in another order must train the same."""
    other = tmp_path / "samples"
    shutil.copytree(plan.samples, other)
    files = training_shards(other)
    names = [other / f"train/{99 - number:016d}.parquet" for number in range(len(files))]
    for path, name in zip(files, names, strict=True):
        path.rename(name)
    keys = plan.photo_keys[::-1], plan.face_keys[::-1]
    first, second = (
        dataset.TrainingSet(folder, *found, plan.cache)
        for folder, found in ((plan.samples, (plan.photo_keys, plan.face_keys)), (other, keys))
    )
    assert len(files) > 1
    assert [[first.faces[i].identity for i in photo.faces] for photo in first.photos] == [
        [second.faces[i].identity for i in photo.faces] for photo in second.photos
    ]
    assert all(np.array_equal(first._moments(i), second._moments(i)) for i in range(len(first.photos)))
