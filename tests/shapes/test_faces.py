"""Identities stay whole, and a new one disturbs no other bucket."""

from pathlib import Path

import numpy as np

from pipeline import settings
from pipeline.shapes.faces import batches, faces_with_identity
from pipeline.shapes.tasks import buckets, tasks
from tests import tiny_data
from tests.tiny_data import HEAD, Photo

CHOSEN = settings.load().shapes


def test_a_new_identity_changes_one_bucket() -> None:
    names = np.array([f"person{number}" for number in range(45)], object)
    more = np.append(names, "newcomer")
    before, after = buckets(names, 10), buckets(more, 10)
    assert len(set(before)) == 8
    np.testing.assert_array_equal(before, after[:45])


def test_batches_are_whole_identities() -> None:
    names = np.array(sorted(["a"] * 5 + ["b"] * 9 + ["c"] * 2 + ["d"] * 4), object)
    pieces = batches(names, 6)
    assert [set(names[piece]) for piece in pieces] == [{"a", "b"}, {"c", "d"}]
    assert np.concatenate(pieces).tolist() == list(range(20))


def test_a_new_photo_changes_only_the_task_of_its_person(tmp_path: Path) -> None:
    photos = [Photo((f"p{number % 12}",), seed=number) for number in range(36)]
    small = type(CHOSEN)(**{**vars(CHOSEN), "identities_per_shard": 3})

    def keys(folder: str, photos: list[Photo]) -> set[str]:
        data = tiny_data.write(tmp_path / folder, photos)
        return {task.key for task in tasks(faces_with_identity(data / "faces", data / "identities"), small, HEAD)}

    before, after = keys("old", photos), keys("new", [*photos, Photo(("p3",), seed=99)])
    assert len(before - after) == 1
    assert len(after - before) == 1
