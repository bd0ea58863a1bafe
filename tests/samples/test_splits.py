"""People who appear together stay together, and newcomers move nobody."""

from collections import Counter

from pipeline.samples.splits import assign, components

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
