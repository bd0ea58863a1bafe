"""The leaderboard: worked by hand, missing faces counted, protocols apart, bounds and shares paired."""

import numpy as np
import pandas as pd
import pytest

from pipeline.metric import LEFT_OUT, Card
from pipeline.metrics import realism
from pipeline.report import board
from pipeline.report.statistics import intervals

SIM = Card("sim_heldout", "Sim", "Sim.", "cosine", "higher", -1, 1, "counts as 0")
SHARE = Card("sim_share", "Share", "Share.", "share", "higher", -1, 1, "is left out", share_of="sim_heldout")
DETECTED = Card("sim_detected", "Detected", "Detected.", "cosine", "higher", -1, 1, "is left out")
EXACT = Card("count_exact", "Exact", "Exact.", "share", "higher", 0, 1, "counts as 0")
CONFUSION = Card("confusion", "Confused", "Confused.", "share", "lower", 0, 1, "is left out", least_people=2)
KID = Card("kid", "KID", "KID.", "10^-3", "lower", -8000, 8000, "is left out")


def score(case: str, method: str, value: float, metric="sim_heldout", missing=False, people=1, protocol="free", slot=0):
    names = [f"{case.split('-')[0]}/{index}" for index in range(people)]
    return {
        "case_id": case, "protocol": protocol, "people": people, "method": method, "metric": metric, "encoder": "",
        "slot": slot, "identity_ids": names, "value": value, "missing": missing,
    }  # fmt: skip


def inputs(rows, cards=(SIM, SHARE), methods=("ours",), features=None, photographs=None, ablations=None, elsewhere=()):
    empty = pd.DataFrame(columns=["case_id", "protocol", "people", "method", "embedding"])
    return board.Inputs(
        pd.DataFrame(rows), empty if features is None else features, photographs or {},
        cards, {"kid": realism.distance}, methods, 300, 0.95, 0, ablations or {}, elsewhere,
    )  # fmt: skip


def make(rows, *args, **kwargs) -> list[board.Cell]:
    return board.cells(inputs(rows, *args, **kwargs))


def find(cells, metric: str, method: str, protocol="free", people=1) -> board.Row:
    cell = next(cell for cell in cells if (cell.protocol, cell.people) == (protocol, people))
    return cell.estimates[metric, method].row


def test_means_by_hand_with_a_missing_face() -> None:
    """(0.8 + 0.4 + 0) / 3 with the missing face as 0; detected only it is 0.6."""
    rows = [score("a", "ours", 0.8), score("b", "ours", 0.4), score("c", "ours", 0.0, missing=True)]
    rows += [score("a", "ours", 0.8, "sim_detected"), score("b", "ours", 0.4, "sim_detected")]
    rows += [score("c", "ours", float("nan"), "sim_detected", missing=True)]
    cells = make(rows, (SIM, DETECTED))
    row = find(cells, "sim_heldout", "ours")
    assert (row.mean, row.n, row.missing) == (pytest.approx(0.4), 3, 1)
    row = find(cells, "sim_detected", "ours")
    assert (row.mean, row.n, row.missing) == (pytest.approx(0.6), 2, 1)
    assert row.low <= row.mean <= row.high


def test_slots_of_a_case_share_its_weight() -> None:
    rows = [score("a", "ours", value, people=2, slot=slot) for slot, value in enumerate((0.2, 0.6))]
    row = find(make(rows), "sim_heldout", "ours", people=2)
    assert (row.mean, row.n) == (pytest.approx(0.4), 2)


def test_share_by_hand() -> None:
    """(0.5 - 0.1) / (0.9 - 0.1) = 0.5; the ends are 0 and 1 without any doubt."""
    ends = (("no_id", 0.1), ("ours", 0.5), ("vae_roundtrip", 0.9))
    cells = make([score(case, name, value) for case in "ab" for name, value in ends])
    assert find(cells, "sim_share", "ours").mean == pytest.approx(0.5)
    for name, end in (("no_id", 0.0), ("vae_roundtrip", 1.0)):
        row = find(cells, "sim_share", name)
        assert (row.low, row.mean, row.high) == pytest.approx((end, end, end))


def test_share_is_not_symmetric_in_its_ends() -> None:
    """Floor and ceiling swapped: no room between them, so no share."""
    cells = make([score("a", name, value) for name, value in (("no_id", 0.9), ("ours", 0.5), ("vae_roundtrip", 0.1))])
    assert np.isnan(find(cells, "sim_share", "ours").mean)


def test_without_a_bound_there_is_no_share() -> None:
    assert ("sim_share", "ours") not in make([score("a", "ours", 0.5)])[0].estimates


def test_protocols_and_numbers_of_people_are_apart() -> None:
    rows = [score("a", "ours", 0.2), score("a", "ours", 0.8, protocol="layout"), score("b", "ours", 0.5, people=2)]
    cells = make(rows)
    assert [(cell.protocol, cell.people) for cell in cells] == [("free", 1), ("free", 2), ("layout", 1)]
    assert find(cells, "sim_heldout", "ours", "layout").mean == pytest.approx(0.8)


def test_a_cell_does_not_depend_on_other_cells() -> None:
    rng = np.random.default_rng(0)
    rows = [score(f"p{index}", "ours", value) for index, value in enumerate(rng.normal(size=20))]
    more = [score(f"p{index}", "ours", 0.3, protocol="layout") for index in range(20)]
    assert find(make(rows), "sim_heldout", "ours") == find(make(rows + more), "sim_heldout", "ours")


def test_paired_differences_are_narrower_than_the_methods_are() -> None:
    """Two methods that differ by 0.1 on every person, whose people differ by far more."""
    rng = np.random.default_rng(1)
    rows = []
    for index, value in enumerate(rng.normal(0.5, 0.2, size=30)):
        rows += [score(f"p{index}", "ours", value + 0.1), score(f"p{index}", "theirs", value)]
        rows += [score(f"p{index}", "no_id", 0.0)]
    found = {(each.method, each.other): each for each in make(rows, (SIM,), ("ours", "theirs"))[0].differences()}
    assert set(found) == {("ours", "no_id"), ("ours", "theirs"), ("theirs", "no_id")}
    pair = found["ours", "theirs"]
    assert (pair.mean, pair.low, pair.high) == pytest.approx((0.1, 0.1, 0.1))
    assert pair.p < 0.05


def test_only_methods_are_ranked() -> None:
    values = {"ours": 0.5, "theirs": 0.4, "no_id": 0.9}
    rows = [score(case, name, value) for case in "ab" for name, value in values.items()]
    estimates = make(rows, (SIM,), ("ours", "theirs"))[0].estimates
    assert estimates["sim_heldout", "ours"].ranks == (1, 1)
    assert estimates["sim_heldout", "theirs"].ranks == (2, 2)
    assert estimates["sim_heldout", "no_id"].ranks is None


def test_one_person_tells_nobody_apart() -> None:
    """Ten images, each better by the same, but all of one person: of others they say nothing."""
    rows = [
        {**score(f"c{case}", name, value), "identity_ids": ["somebody"]}
        for case in range(10)
        for name, value in (("ours", 0.5), ("theirs", 0.4))
    ]
    cell = make(rows, (SIM,), ("ours", "theirs"))[0]
    (pair,) = cell.differences()
    assert (pair.mean, pair.p, pair.apart) == (pytest.approx(0.1), 1.0, False)
    assert cell.estimates["sim_heldout", "ours"].ranks == (1, 2)
    assert (find([cell], "sim_heldout", "ours").low, find([cell], "sim_heldout", "ours").high) == (-1, 1)


def test_what_was_made_elsewhere_is_compared_and_not_ranked() -> None:
    rows = [score("a", "ours", 0.5), score("a", "theirs", 0.9), score("a", "no_id", 0.1)]
    cell = make(rows, (SIM,), ("ours",), elsewhere=("theirs",))[0]
    assert cell.estimates["sim_heldout", "ours"].ranks == (1, 1)
    assert cell.estimates["sim_heldout", "theirs"].ranks is None
    assert ("ours", "theirs") in {(each.method, each.other) for each in cell.differences()}


def test_who_knows_nobody_is_not_ranked_by_what_that_makes_easy() -> None:
    """`stranger` copies least, at a similarity below what ranking asks for."""
    copied = Card("copy_paste", "Copy", "C.", "share", "lower", -1, 1, "is left out", ranked_from=("sim_heldout", 0.25))
    rows = [
        score(case, method, value, metric)
        for case in "abc"
        for method, alike, pasted in (("ours", 0.3, 0.2), ("theirs", 0.25, 0.3), ("stranger", 0.2, 0.0))
        for metric, value in (("sim_heldout", alike), ("copy_paste", pasted))
    ]
    methods = ("ours", "theirs", "stranger")
    (cell,) = make(rows, (SIM, copied), methods)
    assert [cell.estimates["copy_paste", name].ranks for name in methods] == [(1, 1), (2, 2), None]
    compared = [(each.method, each.other) for each in cell.differences() if each.metric == "copy_paste"]
    assert compared == [("ours", "theirs")]
    (cell,) = make([row for row in rows if row["metric"] != "sim_heldout"], (SIM, copied), methods)
    assert {cell.estimates["copy_paste", name].ranks for name in methods} == {None}
    assert not [each for each in cell.differences() if each.metric == "copy_paste"]


def test_a_method_without_a_number_takes_no_rank_and_is_neither_better_nor_worse() -> None:
    rows = [score("a", "ours", float("nan")), score("a", "theirs", 0.4), score("a", "no_id", 0.1)]
    cell = make(rows, (SIM,), ("ours", "theirs"))[0]
    assert cell.estimates["sim_heldout", "ours"].ranks is None
    assert cell.estimates["sim_heldout", "theirs"].ranks == (1, 1)
    assert [each.apart for each in cell.differences() if "ours" in (each.method, each.other)] == [False, False]


def test_a_difference_whose_interval_excludes_0_is_not_apart_when_it_is_one_of_many() -> None:
    """Ten methods against each other: a p of 0.02 to 0.05 alone is no longer below 0.05."""
    draw = np.random.default_rng(0)
    names = [f"m{number}" for number in range(10)]
    rows = [score(f"c{case}", name, draw.normal(), people=1) for case in range(30) for name in names]
    found = [each for each in make(rows, (SIM,), names)[0].differences() if each.low > 0 or each.high < 0]
    assert found
    assert not any(each.apart for each in found if each.p >= 0.05)
    assert any(each.p >= 0.05 for each in found)


def test_a_share_of_none_among_people_who_all_meet_is_as_certain_as_there_are_people() -> None:
    """Twelve people in a ring are one group, but no single observation: Wilson's interval of 0 of 12."""
    rows = [
        {**score(f"c{number}", "ours", 0.0, "count_exact"), "identity_ids": [f"p{number}", f"p{(number + 1) % 12}"]}
        for number in range(12)
    ]
    row = find(make(rows, (EXACT,)), "count_exact", "ours")
    assert (row.mean, row.low) == (0.0, 0.0)
    assert row.high == pytest.approx(intervals.wilson(0.0, 12, 0.95)[1])


@pytest.mark.parametrize("step", [1, 2], ids=["people who all meet", "casts that never meet"])
def test_a_share_of_none_is_as_certain_as_the_cases_that_have_a_face(step: int) -> None:
    """Three of 48 cases have a value, 0: Wilson's interval of 0 of 3, whatever is resampled of the others."""
    rows = [
        {
            **score(f"c{number:02d}", "ours", 0.0 if number in (0, 10, 20) else LEFT_OUT, "confusion", people=2),
            "identity_ids": [f"p{step * number}", f"p{(step * number + 1) % (step * 48)}"],
        }
        for number in range(48)
    ]
    row = find(make(rows, (CONFUSION,)), "confusion", "ours", people=2)
    assert (row.mean, row.low, row.n) == (0.0, 0.0, 3)
    assert row.high == pytest.approx(intervals.wilson(0.0, 3, 0.95)[1])


def test_a_share_of_one_is_not_certain() -> None:
    row = find(
        make([score(f"p{index}", "ours", 1.0, "count_exact") for index in range(10)], (EXACT,)), "count_exact", "ours"
    )
    assert (row.mean, row.high) == (1.0, 1.0)
    assert row.low == pytest.approx(0.7225, abs=1e-4)


def test_set_distances_and_their_missing_images() -> None:
    rng = np.random.default_rng(2)
    names = [f"p{index}" for index in range(12)]
    features = pd.DataFrame(
        [
            {
                "case_id": name,
                "protocol": "free",
                "people": 1,
                "method": "ours",
                "embedding": vector / np.linalg.norm(vector),
            }
            for name, vector in zip(names[:11], rng.normal(size=(11, 6)), strict=True)
        ]
    )
    real = np.tile(rng.normal(size=(3, 6)), (5, 1)) + 0.1 * rng.normal(size=(15, 6))
    real /= np.linalg.norm(real, axis=1, keepdims=True)
    rows = [score(name, "ours", 0.5) for name in names]

    def kid(casts: list[list[str]]) -> board.Row:
        photographs = {1: board.Photographs(real, casts)}
        return find(make(rows, (SIM, KID), features=features, photographs=photographs), "kid", "ours")

    row = kid([[f"q{index}"] for index in range(15)])
    assert (row.n, row.missing) == (11, 1)
    assert row.low < row.mean < row.high
    of_three = kid([[f"q{index % 3}"] for index in range(15)])  # photographs of one person are drawn together
    assert of_three.mean == row.mean
    assert of_three.high - of_three.low > row.high - row.low


def test_the_first_methods_shuffled_images_are_the_bound() -> None:
    table = pd.DataFrame([score("a", "shuffled_id:ours", 0.1), score("a", "shuffled_id:theirs", 0.2)])
    assert list(board.named(table, ["ours", "theirs"])["method"]) == ["shuffled_id", "shuffled_id:theirs"]


def test_two_people_of_one_method_leave_its_rank_and_difference_open() -> None:
    """`ours` has twenty people, `theirs` two of them, below by 0.15 on average: only these two say how they compare.

    Student's t of one degree of freedom makes their draws over nine times as wide as the bootstrap's, and flips of two
    signs give no level below 2 / 2^2. Counted as twenty, `ours` would be first for certain.
    """
    rows = [score(f"p{index:02d}", "ours", 0.5) for index in range(20)]
    rows += [score("p00", "theirs", 0.3), score("p01", "theirs", 0.4)]
    cell = make(rows, (SIM,), ("ours", "theirs"))[0]
    assert [cell.estimates["sim_heldout", name].ranks for name in ("ours", "theirs")] == [(1, 2), (1, 2)]
    (pair,) = cell.differences()
    assert (pair.mean, pair.p, pair.apart) == (pytest.approx(0.15), 0.5, False)
