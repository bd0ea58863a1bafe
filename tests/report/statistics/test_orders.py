"""Kendall's tau-b of two orders of methods: by hand, against scipy, and over resampled people."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kendalltau

from pipeline.report import tables
from pipeline.report.statistics import orders
from tests.report.test_board import SIM, inputs, make, score

JUDGE = replace(SIM, name="outside_dlib", main=False, outside=True)
OTHER = replace(JUDGE, name="outside_ms1m")
METHODS = ("one", "two", "three")


def rows(theirs: dict[str, float], judge: str = "outside_dlib", people: int = 12) -> list[dict]:
    """Methods that B and C order as one < two < three, and a judge by `theirs`; people differ alike for all."""
    ours = dict(zip((*METHODS, "no_id"), (0.1, 0.2, 0.3, 0.0), strict=True))
    return [
        score(f"p{person}", method, value + person / 50, metric)
        for metric, values in (("sim_heldout", ours), (judge, theirs))
        for method, value in values.items()
        for person in range(people)
    ]


def accords(found: list[dict], cards: tuple = (SIM, JUDGE), methods: tuple = METHODS) -> list[orders.Accord]:
    given = inputs(found, cards, methods)
    return orders.accords(make(found, cards, methods)[0], given)


def tau(one: list[float], other: list[float]) -> float:
    return float(orders.tau_b(np.array([one]), np.array([other]))[0])


def test_tau_by_hand() -> None:
    """Of the 6 pairs of four things one is turned round: (5 - 1) / 6. One tie: 5 pairs agree, 5 / sqrt(6 * 5)."""
    assert tau([1, 2, 3, 4], [10, 20, 30, 40]) == 1
    assert tau([1, 2, 3, 4], [4, 3, 2, 1]) == -1
    assert tau([1, 2, 3, 4], [1, 3, 2, 4]) == pytest.approx(4 / 6)
    assert tau([1, 2, 3, 4], [1, 2, 2, 4]) == pytest.approx(5 / np.sqrt(30))
    assert np.isnan(tau([1, 2, 3], [5, 5, 5]))


def test_tau_is_scipys_and_the_same_with_its_sides_swapped() -> None:
    rng = np.random.default_rng(0)
    one, other = (rng.integers(0, 5, (20, 7)).astype(float) for _ in range(2))
    found = orders.tau_b(one, other)
    assert found == pytest.approx([kendalltau(*pair).statistic for pair in zip(one, other, strict=True)])
    assert found == pytest.approx(orders.tau_b(other, one))


def test_a_judge_of_the_same_order_and_one_of_the_reverse() -> None:
    """The order is the same in every draw: no width. The bound, of which a judge says nothing, does not count."""
    (same,) = accords(rows({"one": 0.0, "two": 1.0, "three": 2.0}))
    assert (same.judge, same.methods) == ("outside_dlib", 3)
    assert (same.tau, same.low, same.high) == (1, 1, 1)
    (reverse,) = accords(rows({"one": 2.0, "two": 1.0, "three": 0.0}))
    assert reverse.tau == -1
    assert tables.accord(same) == "outside_dlib 1.000 (1.000 to 1.000), 3 methods"


def test_several_judges_are_told_alone_and_together() -> None:
    """One says 1 < 2 < 3 by 0.1 each, the other 3 < 2 < 1 by 1 each: the mean follows the second."""
    first = rows({"one": 0.0, "two": 0.1, "three": 0.2})
    second = [
        row for row in rows({"one": 2.0, "two": 1.0, "three": 0.0}, "outside_ms1m") if row["metric"] != "sim_heldout"
    ]
    found = accords(first + second, (SIM, JUDGE, OTHER))
    assert [(each.judge, each.tau) for each in found] == [("outside_dlib", 1), ("outside_ms1m", -1), ("all", -1)]


def test_an_order_that_hangs_on_a_few_people_has_a_wide_interval() -> None:
    rng = np.random.default_rng(1)
    found = rows({"one": 0.0, "two": 0.02, "three": 0.04})
    noisy = [
        row | {"value": row["value"] + rng.normal(0, 0.3)} if row["metric"] == "outside_dlib" else row for row in found
    ]
    (each,) = accords(noisy)
    assert -1 <= each.low < each.tau <= each.high <= 1
    assert each.high - each.low > 0.5


def test_no_judge_or_one_method_has_no_order() -> None:
    assert accords(rows({"one": 0.0, "two": 1.0, "three": 2.0}), (SIM,)) == []
    assert accords(rows({"one": 0.0}), methods=("one",)) == []


def test_a_judge_from_outside_ranks_and_compares_nobody() -> None:
    cell = make(rows({"one": 0.0, "two": 1.0, "three": 2.0}), (SIM, JUDGE), METHODS)[0]
    assert cell.estimates["outside_dlib", "one"].ranks is None
    assert cell.estimates["sim_heldout", "one"].ranks == (3, 3)
    assert {each.metric for each in cell.differences()} == {"sim_heldout"}
    assert [card.name for card in tables.main([cell], (SIM, JUDGE))] == ["sim_heldout"]
