"""Charts: where things stand, and that texts are escaped."""

import re

import pytest

from pipeline.report import charts
from pipeline.report.charts import Dot


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]), (-0.1, 0.73, [-0.2, 0.0, 0.2, 0.4, 0.6, 0.8]), (0, 0, [0.0])],
)
def test_ticks_are_round_and_hold_the_ends(low: float, high: float, expected: list[float]) -> None:
    found = charts.nice_ticks(low, high)
    assert found[0] <= low
    assert found[-1] >= high
    if high > low:
        assert found == pytest.approx(expected)


def test_larger_means_stand_further_right() -> None:
    svg = charts.forest([Dot("one", 0.2, 0.1, 0.3, "method"), Dot("two", 0.6, 0.5, 0.7, "bound")], "title")
    places = [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', svg)]
    assert places[0] < places[1]


def test_unknown_means_are_left_out() -> None:
    assert charts.forest([Dot("one", float("nan"), 0.0, 0.0, "method")], "title") == ""


def test_texts_are_escaped() -> None:
    svg = charts.forest([Dot("<script>", 0.2, 0.1, 0.3, "method")], 'a "title"')
    assert "<script>" not in svg
    assert "&lt;script&gt;" in svg
    assert "&quot;title&quot;" in svg


def test_curves_need_two_points() -> None:
    assert charts.curves({"a": [(0.0, 1.0)]}, "title", "images") == ""
    assert charts.curves({"a": [(0.0, 1.0), (1.0, 0.5)]}, "title", "images").count("<polyline") == 1


def test_bars_count_values_between_edges() -> None:
    svg = charts.histogram([1, 1, 2, 5], [0, 2, 4, 6], "title", "faces")
    assert re.findall(r"faces: (\d+)</title>", svg) == ["2", "1", "1"]
