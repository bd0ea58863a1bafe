"""Few photographs show both sides of a cut, and the sides have the sizes that were asked for."""

import itertools
import random

import pytest

from pipeline.samples.partition import Cut, Graph, bisect


def test_two_circles_are_cut_at_the_one_photo_that_joins_them() -> None:
    first, second = ([f"{side}{number}" for number in range(8)] for side in "ab")
    groups = [*itertools.combinations(first, 3), *itertools.combinations(second, 2), ("a0", "b0", "b1")]
    found = bisect([*first, *second], groups, 8, 0, 0)
    assert found in (set(first), set(second))


@pytest.mark.parametrize("size", [1, 37, 199])
def test_the_size_is_kept(size: int) -> None:
    rng = random.Random(size)
    people = [f"p{number}" for number in range(200)]
    groups = [tuple(rng.sample(people, 3)) for _ in range(250)]
    assert len(bisect(people, groups, size, 0, 0)) == size
    assert abs(len(bisect(people, groups, size, 5, 0)) - size) <= 5


def test_the_order_of_people_and_photos_does_not_matter_and_the_seed_does() -> None:
    rng = random.Random(0)
    people = [f"p{number}" for number in range(90)]
    groups = [tuple(rng.sample(people, 2)) for _ in range(150)]
    found = bisect(people, groups, 30, 2, 0)
    assert found == bisect(people[::-1], [group[::-1] for group in groups[::-1]], 30, 2, 0)
    assert found != bisect(people, groups, 30, 2, 1)


def test_nobody_and_everybody_can_be_asked_for() -> None:
    assert bisect(["a", "b"], [("a", "b")], 0, 0, 0) == set()
    assert bisect(["a", "b"], [("a", "b")], 2, 0, 0) == {"a", "b"}


def test_someone_in_everybodys_photo_costs_as_many_as_are_on_the_other_side() -> None:
    people = [f"p{number}" for number in range(300)]
    star = [("p0", name) for name in people[1:]]
    chosen = bisect(people, star, 60, 0, 0)
    assert len(chosen) == 60
    assert "p0" not in chosen


def test_gains_stay_what_they_are_counted_anew() -> None:
    """Moves update them; a move back and forth, weights and repeated photos among it."""
    rng = random.Random(2)
    photos = [(tuple(sorted(rng.sample(range(12), rng.choice((2, 3, 4))))), rng.choice((1, 2, 5))) for _ in range(30)]
    cut = Cut(Graph([1, 2, 3] * 4, photos), [False] * 12, 8, 2)
    for vertex in rng.choices(range(12), k=60):
        cut.move(vertex)
        anew = Cut(cut.graph, cut.inside, 8, 2)
        assert (cut.given_up, cut.weight, cut.gains) == (anew.given_up, anew.weight, anew.gains)
    crossing = [count for members, count in photos if len({cut.inside[vertex] for vertex in members}) == 2]
    assert cut.given_up == sum(crossing)
