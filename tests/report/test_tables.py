"""Numbers and verdicts as text."""

from dataclasses import replace

import pytest

from pipeline.metric import Card
from pipeline.report import board, tables
from tests.report.test_board import inputs, score

UP = Card("sim", "Sim", "Sim.", "cosine", "higher", -1, 1, "counts as 0", main=True)


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0.12345, "cosine", "0.123"),
        (-0.0001, "cosine", "0.000"),
        (31.26, "100 x cosine", "31.3"),
        (float("nan"), "", "–"),
    ],
)
def test_numbers(value: float, unit: str, expected: str) -> None:
    assert tables.number(value, unit) == expected


@pytest.mark.parametrize(
    ("better", "mean", "apart", "verdict"),
    [
        ("higher", 0.2, True, "better"),
        ("lower", 0.2, True, "worse"),
        ("higher", -0.2, True, "worse"),
        ("higher", 0.2, False, "not separable"),
        ("higher", float("nan"), False, "–"),
    ],
)
def test_a_difference_is_judged_by_its_corrected_p_and_direction(
    better: str, mean: float, apart: bool, verdict: str
) -> None:
    each = board.Difference("free", 1, "sim", better, "ours", "theirs", mean, 0.1, 0.3, 0.01, apart)
    assert tables.difference(each, [UP]).verdict == verdict


@pytest.mark.parametrize(
    ("metrics", "main"), [(["sim", "share"], ["sim"]), (["plain"], ["plain"]), ([], ["sim", "share"])]
)
def test_main_metrics_are_those_with_numbers_or_else_the_first(metrics: list[str], main: list[str]) -> None:
    """A share has none without the bounds; a run's metrics may all be others."""
    cards = [replace(UP, name="plain", main=False), UP, replace(UP, name="share", share_of="sim")]
    cells = board.cells(inputs([score("a", "ours", 0.5, metric) for metric in metrics or ["gone"]], cards))
    assert [card.name for card in tables.main(cells, cards)] == main


def test_what_is_no_number_has_an_empty_sort_value() -> None:
    lost = [score("a", "ours", float("nan"), "sim"), score("a", "theirs", 0.4, "sim")]
    run = inputs(lost, (UP,), ("ours", "theirs"))
    shown = tables.shown(board.cells(run)[0], run, ())
    assert [number.sort for line in shown.lines for number in line.numbers if number] == ["", "0.4"]
    assert [each.sort for each in shown.differences] == [""]


def test_methods_stand_before_bounds_and_bounds_from_floor_to_ceiling() -> None:
    names = {"vae_roundtrip", "theirs", "no_id", "ours", "shuffled_id:theirs", "shuffled_id"}
    assert tables.order(names, ["ours", "theirs"]) == [
        "ours", "theirs", "no_id", "shuffled_id", "vae_roundtrip", "shuffled_id:theirs",
    ]  # fmt: skip


def test_kinds() -> None:
    run = inputs([], methods=("ours",), ablations={"ours-less": "ours"})
    names = ("ours", "ours-less", "no_id", "shuffled_id", "shuffled_id:x")
    assert [tables.kind_of(name, run) for name in names] == [
        "method", "ablation", "bound", "shuffled", "shuffled detail",
    ]  # fmt: skip
