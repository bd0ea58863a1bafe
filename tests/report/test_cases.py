"""Which cases are shown, and what is called a failure."""

import pandas as pd
import pytest

from pipeline.benchmark.cases import Case, Person, Shot
from pipeline.report import cases


def row(case: str, metric: str, value: float, slot: int = -1, protocol: str = "free", missing: bool = False) -> dict:
    return {
        "case_id": case, "protocol": protocol, "people": 2, "method": "ours", "metric": metric, "slot": slot,
        "value": value, "missing": missing,
    }  # fmt: skip


def image(case: str, similarity: float, error: float = 0, no_face: bool = False, absent: bool = False, **rates: float):
    counts = {"count_error": error, "no_face": float(no_face or absent), "count_exact": float(error == 0)}
    rows = [row(case, name, value, missing=absent) for name, value in counts.items()]
    rows += [row(case, "sim_heldout", similarity, slot) for slot in (0, 1)]
    return rows + [row(case, name, value, 0) for name, value in rates.items()]


@pytest.fixture
def table() -> pd.DataFrame:
    rows = [
        *image("a", 0.7, swap=0.0, confusion=0.0),
        *image("b", 0.1, error=1, swap=1.0, confusion=0.0),
        *image("c", 0.0, error=2, no_face=True),
        *image("d", 0.0, error=2, absent=True),
    ]
    return cases.failure_flags(pd.DataFrame(rows), ["ours"]).set_index("case_id")


def test_each_image_has_the_failures_that_it_has(table: pd.DataFrame) -> None:
    kinds = {
        name: [kind for kind in cases.KINDS if kind != "unlike" and table.loc[name, kind]]
        for name in ("a", "b", "c", "d")
    }
    assert kinds == {"a": [], "b": ["wrong_count", "swap"], "c": ["no_face"], "d": ["no_image"]}


def test_similarity_is_the_mean_over_people(table: pd.DataFrame) -> None:
    assert table.loc["a", "similarity"] == pytest.approx(0.7)


def test_what_cannot_occur_is_not_counted_as_zero(table: pd.DataFrame) -> None:
    scores = pd.DataFrame([row("a", "swap", 0.0, 0), row("a", "confusion", 0.0, 0)])
    (tally,) = cases.tallies(table.reset_index(), scores, {"ours": "method"})
    assert tally.images == 4
    assert (tally.counts["swap"], tally.counts["confusion"], tally.counts["duplicate"]) == (1, 0, None)


def test_the_worst_come_first_and_once(table: pd.DataFrame) -> None:
    chosen = cases.worst(table.reset_index())
    assert [case for _, _, case, _ in chosen][:3] == ["d", "c", "b"]
    assert len({case for _, _, case, _ in chosen}) == len(chosen)


def case(name: str, *people: str) -> Case:
    cast = tuple(Person(each, (), (), Shot("", "")) for each in people)
    return Case(name, "", 0, 64, 64, cast, (), (), (), ())


def test_cases_are_the_first_of_each_cast() -> None:
    """Another seed or the same people in another order are no new cast."""
    known = [case("1-001-0", "b"), case("1-000-1", "a"), case("1-000-0", "a"), case("2-000-0", "a", "b")]
    known += [case("2-001-0", "b", "a"), case("2-002-0", "b", "c")]
    assert cases.first_of_casts(known) == {1: ["1-000-0", "1-001-0"], 2: ["2-000-0", "2-002-0"]}
    assert cases.sheet_cases(known) == ["1-000-0", "1-001-0", "2-000-0", "2-002-0"]
    assert cases.gallery_keys(known, ["free", "layout"], 2) == [
        ("free", "1-000-0"), ("free", "2-000-0"), ("layout", "1-000-0"), ("layout", "2-000-0"),
    ]  # fmt: skip


def test_gallery_cases_are_spread_evenly_whatever_the_results() -> None:
    assert cases.spread([f"c{index}" for index in range(9)], 3) == ["c0", "c4", "c8"]
    assert cases.spread(["a", "b"], 5) == ["a", "b"]
