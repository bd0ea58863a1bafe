"""People who appear together stay together, and newcomers move nobody."""

from collections import Counter

import pytest

from pipeline.samples.splits import assign, components, crosses
from tests.samples import hung_together

ALONE = [(f"person{number}",) for number in range(2000)]


def test_components_join_over_chains() -> None:
    found = components([("a", "b"), ("c",), ("b", "d"), ("e", "c")])
    assert found["a"] == found["b"] == found["d"]
    assert found["c"] == found["e"] != found["a"]


def test_order_of_photos_does_not_matter() -> None:
    groups = [("a", "b"), ("c", "d"), ("b", "c"), ("x", "y")]
    assert components(groups) == components([group[::-1] for group in groups[::-1]])


def test_shares_are_kept_and_seeds_differ() -> None:
    found = Counter(assign(ALONE, 0.05, 0.15, 0).values())
    assert abs(found["test"] / 2000 - 0.15) < 0.03
    assert abs(found["validation"] / 2000 - 0.05) < 0.02
    assert assign(ALONE, 0.05, 0.15, 1) != assign(ALONE, 0.05, 0.15, 0)


def test_newcomers_move_nobody() -> None:
    before = assign(ALONE, 0.05, 0.15, 0)
    after = assign([*ALONE, *((f"new{number}",) for number in range(500))], 0.05, 0.15, 0)
    assert {name: after[name] for name in before} == before


def test_a_component_is_on_one_side() -> None:
    groups = [(f"c{circle}p{a}", f"c{circle}p{a + 1}") for circle in range(60) for a in range(9)]
    found = assign(groups, 0.05, 0.15, 0)
    assert all(len({found[f"c{circle}p{person}"] for person in range(10)}) == 1 for circle in range(60))
    assert set(found.values()) == {"train", "validation", "test"}


def test_a_giant_component_trains_and_no_split_stays_empty() -> None:
    giant = [("hub", f"friend{number}") for number in range(10)]
    for seed in range(30):
        found = assign([*giant, ("x",), ("y",), ("z",)], 0.1, 0.1, seed)
        assert found["hub"] == found["friend3"] == "train"
        assert set(found.values()) == {"train", "validation", "test"}


def test_a_share_of_zero_stays_empty() -> None:
    for seed in range(10):
        assert "validation" not in assign([("a",), ("b",), ("c",)], 0.0, 0.5, seed).values()
        assert "train" in assign([("a",), ("b",)], 0.0, 0.5, seed).values()


@pytest.mark.parametrize("seed", range(3))
def test_people_who_hang_together_are_cut_within_two_points_at_less_than_three_plain_ways(seed: int) -> None:
    """760 people; by hash, breadth first and by the Laplacian's second vector the sides have the very same sizes."""
    groups = hung_together.photos(760, seed)
    split = assign(groups, 0.05, 0.15, 0)
    kept = [split[group[0]] for group in groups if not crosses(group, split)]
    for shares in (Counter(split.values()), Counter(kept)):
        found = {name: shares[name] / shares.total() for name in shares}
        assert found == pytest.approx({"train": 0.8, "validation": 0.05, "test": 0.15}, abs=0.02)
    hung = hung_together.largest(groups)
    assert len(hung) > 0.5 * 760
    within = [group for group in groups if set(group) <= set(hung)]
    inside = Counter(split[name] for name in hung)
    spectral = hung_together.spectral(hung, within)
    orders = [hung, hung_together.breadth_first(hung, within), spectral, spectral[::-1]]
    plain = [hung_together.sides(order, inside["test"], inside["validation"]) for order in orders]
    best = min(hung_together.given_up(within, each) for each in plain)
    assert len(groups) - len(kept) == hung_together.given_up(within, split) <= best


def test_small_components_are_hashed_as_if_nobody_hung_together() -> None:
    giant = [(f"g{number}", f"g{number + 1}") for number in range(600)]
    found = assign([*ALONE, *giant], 0.05, 0.15, 0)
    assert {name: found[name] for (name,) in ALONE} == assign(ALONE, 0.05, 0.15, 0)
    assert found == assign([*giant[::-1], *ALONE[::-1]], 0.05, 0.15, 0)


def test_twelve_people_are_never_cut_and_thirteen_are() -> None:
    for size, sides in ((12, 1), (13, 3)):
        assert len(set(assign([tuple(f"p{number}" for number in range(size))], 0.1, 0.1, 0).values())) == sides


def test_a_photo_crosses_when_its_people_are_on_several_sides() -> None:
    split = {"a": "train", "b": "train", "c": "test"}
    assert [crosses(group, split) for group in ((), ("a",), ("a", "b"), ("b", "c"))] == [False, False, False, True]
