"""People are a pure function of seed and number, differ, and are spread as documented."""

import numpy as np

from pipeline.world.anatomy.build import albedo_names
from pipeline.world.population import MARKS, person


def test_a_person_depends_on_nothing_but_seed_and_number() -> None:
    first, again = person(3, 7), person(3, 7)
    assert first.name == again.name
    np.testing.assert_array_equal(first.shape, again.shape)
    np.testing.assert_array_equal(first.albedo, again.albedo)


def test_other_numbers_and_seeds_give_other_people() -> None:
    people = [person(seed, index) for seed in (1, 2) for index in range(40)]
    shapes = np.stack([someone.shape for someone in people])
    distance = np.linalg.norm(shapes[:, None] - shapes[None], axis=-1) + 100 * np.eye(len(people))
    assert distance.min() > 5  # of about 9.8 between two people on average
    assert len({someone.name for someone in people}) > 75


def test_shape_is_a_unit_normal_population() -> None:
    shapes = np.stack([person(4, index).shape for index in range(400)])
    assert abs(shapes.mean()) < 0.02
    assert 0.85 < shapes.std() < 1.0  # a little below one: the tails are cut at 2.2
    assert np.abs(shapes).max() <= 2.2
    correlation = np.corrcoef(shapes.T) - np.eye(shapes.shape[1])
    assert np.abs(correlation).max() < 0.25


def test_marks_are_one_sided_and_rare() -> None:
    albedo = np.stack([person(5, index).albedo for index in range(400)])
    for place, name in enumerate(albedo_names()):
        if name in MARKS:
            assert albedo[:, place].min() == 0
            assert abs((albedo[:, place] > 0).mean() - MARKS[name][0]) < 0.08, name
