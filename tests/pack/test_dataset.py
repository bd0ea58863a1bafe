"""Drawing the pack's photographs: layout, resume, and that nobody shares a photograph's circumstances."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import MissingInput
from pipeline.pack import dataset, settings

SMALL = dataset.Population(seed=77, people=5, portraits=2, groups=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten portraits and three groups, drawn in this process."""
    where = tmp_path_factory.mktemp("drawn")
    draw_here(where)
    return where


def draw_here(where: Path) -> int:
    """Draw what is missing, as `draw.draw` does, without other processes. Returns the number of photographs."""
    done = 0
    for kind in dataset.WIDTHS:
        for chunk in dataset._chunks(SMALL, kind, where / "p0" / kind, 4, "world"):
            dataset._allocate(chunk)
            done += 0 if chunk.path.exists() else dataset.draw_chunk(chunk)
    return done


def test_portraits_of_a_person_follow_each_other(folder: Path) -> None:
    data = dataset.load("p0", "portraits", folder)
    assert data.images.shape == (10, 128, 128, 3)
    assert data.person.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert len(set(data.captions)) > 1
    assert not np.array_equal(data.images[0], data.images[1])


def test_truth_lies_in_the_pictures(folder: Path) -> None:
    for kind, width in dataset.WIDTHS.items():
        data = dataset.load("p0", kind, folder)
        assert (data.box[:, 2:] > data.box[:, :2]).all()
        centre = (data.box[:, :2] + data.box[:, 2:]) / 2
        assert ((centre > 0) & (centre < (width, 128))).all()
        inside = (data.landmarks > data.box[:, None, :2] - 12) & (data.landmarks < data.box[:, None, 2:] + 12)
        assert inside.mean() > 0.95


def test_groups_have_two_three_and_four_different_people(folder: Path) -> None:
    data = dataset.load("p0", "groups", folder)
    assert np.bincount(data.photo).tolist() == [2, 3, 4]
    for photo in range(3):
        faces = data.faces_of(photo)
        assert len(set(data.person[faces])) == len(faces)
        assert sorted(data.person[faces]) == sorted(dataset.group_members(SMALL, photo))


def test_finished_chunks_are_not_drawn_again(folder: Path) -> None:
    assert draw_here(folder) == 0
    chunk = next(iter(dataset._chunks(SMALL, "portraits", folder / "p0" / "portraits", 4, "world")))
    before = np.load(folder / "p0/portraits/images.npy").copy()
    chunk.path.unlink()
    with pytest.raises(MissingInput, match="6 of 10"):
        dataset.load("p0", "portraits", folder)
    assert draw_here(folder) == 4
    assert np.array_equal(np.load(folder / "p0/portraits/images.npy"), before)


def test_another_world_or_another_count_is_another_chunk(tmp_path: Path) -> None:
    first, changed = (next(iter(dataset._chunks(SMALL, "groups", tmp_path, 2, world))) for world in ("old", "new"))
    assert first.path != changed.path
    dataset._clear_stale(tmp_path, {first.path})
    first.path.parent.mkdir(parents=True)
    first.path.touch()
    changed.path.touch()
    dataset._clear_stale(tmp_path, {changed.path})
    assert [path.name for path in (tmp_path / "photos").iterdir()] == [changed.path.name]


def test_missing_photographs_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match="portraits"):
        dataset.load("p1", "portraits", tmp_path)


def test_populations_of_the_pack_are_disjoint() -> None:
    populations = settings.section("draw")["populations"]
    seeds = [values["seed"] for values in populations.values()]
    assert len(set(seeds)) == len(seeds)
    assert {"p1", "p2", "p3", "p9"} <= set(populations)
