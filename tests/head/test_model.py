"""The head's arithmetic, and that its file comes back as it was and rejects what is no head."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.head.model import Head, check, load_head, save_head


def test_vertices_are_the_mean_plus_weighted_modes(tiny_head: Head) -> None:
    vertices = tiny_head.vertices([2.0], [1.0])
    np.testing.assert_allclose(vertices[0], [-2.0, 0, 0])  # -1 + 2 x -0.5
    np.testing.assert_allclose(vertices[4], [0, -1.25, 0])  # -1 + 1 x -0.25


def test_a_batch_equals_its_members(tiny_head: Head) -> None:
    shapes, weights = np.array([[0.0], [1.0], [-2.0]]), np.array([[0.0], [0.5], [1.0]])
    batch = tiny_head.vertices(shapes, weights)
    for place in range(3):
        np.testing.assert_allclose(batch[place], tiny_head.vertices(shapes[place], weights[place]), atol=1e-6)


def test_colours_stay_in_range(tiny_head: Head) -> None:
    np.testing.assert_allclose(tiny_head.colours([1.0])[0], 0.9, atol=1e-6)
    assert tiny_head.colours([5.0]).max() == 1.0
    assert tiny_head.colours([-5.0]).min() == 0.0


def test_a_wrong_number_of_coefficients_is_refused(tiny_head: Head) -> None:
    with pytest.raises(ValueError, match="3 coefficients given, the head's basis has 1"):
        tiny_head.vertices([1.0, 2.0, 3.0], [0.0])


def test_saved_and_loaded_heads_are_equal(tiny_head: Head, tmp_path: Path) -> None:
    save_head(tiny_head, tmp_path / "head.npz")
    loaded = load_head(tmp_path / "head.npz")
    for field in fields(Head):
        found, expected = getattr(loaded, field.name), getattr(tiny_head, field.name)
        if isinstance(expected, np.ndarray):
            assert found.dtype == expected.dtype, field.name
            np.testing.assert_allclose(found, expected, atol=1e-3)
        else:
            assert found == expected


def test_a_file_that_is_no_head_names_what_it_lacks(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", mean=np.zeros((2, 3)))
    with pytest.raises(ValueError, match="no head of ours, it lacks identity"):
        load_head(tmp_path / "other.npz")


def test_pickled_contents_are_refused(tiny_head: Head, tmp_path: Path) -> None:
    contents = {field.name: np.asarray(getattr(tiny_head, field.name)) for field in fields(Head)}
    contents["mean"] = np.array([{"a": 1}], dtype=object)
    np.savez(tmp_path / "evil.npz", **contents)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="allow_pickle=False"):
        load_head(tmp_path / "evil.npz")


def test_sizes_that_contradict_each_other_are_refused(tiny_head: Head) -> None:
    with pytest.raises(ValueError, match=r"here: regions has size \(4,\), expected \(5,\)"):
        check(replace(tiny_head, regions=tiny_head.regions[:4]), "here")
    with pytest.raises(ValueError, match="outside the 5 vertices"):
        check(replace(tiny_head, triangles=tiny_head.triangles + 3), "here")
