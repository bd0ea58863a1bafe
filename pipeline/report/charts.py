"""Charts as inline SVG text: no script, no library, the same bytes for the same numbers. Colours come from the CSS."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

LABEL, WIDTH, LINE = 190, 720, 26
MARGIN = 56


@dataclass(frozen=True)
class Dot:
    """One line of a forest chart. `kind` is a CSS class: method, elsewhere, bound or shuffled."""

    label: str
    mean: float
    low: float
    high: float
    kind: str


def forest(dots: Sequence[Dot], title: str) -> str:
    """Means with intervals, one line each, on a common axis that shows 0."""
    known = [dot for dot in dots if np.isfinite(dot.mean)]
    if not known:
        return ""
    ticks = nice_ticks(min(0.0, *(dot.low for dot in known)), max(dot.high for dot in known))
    height = LINE * len(known) + 34
    across = _scale(ticks[0], ticks[-1], LABEL, WIDTH - MARGIN)
    parts = [_grid(ticks, across, height)]
    for index, dot in enumerate(known):
        y = LINE * (index + 0.5) + 4
        low, mean, high = across(dot.low), across(dot.mean), across(dot.high)
        parts += [
            f'<g class="{escape(dot.kind)}">',
            f'<text x="{LABEL - 14}" y="{y + 4:.1f}" text-anchor="end">{escape(dot.label)}</text>',
            f'<line class="bar" x1="{low:.1f}" x2="{high:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>',
            f'<circle cx="{mean:.1f}" cy="{y:.1f}" r="4.5"/>',
            f'<text class="value" x="{high + 9:.1f}" y="{y + 4:.1f}">{dot.mean:.3f}</text></g>',
        ]
    return _svg("forest", WIDTH, height, title, parts)


def curves(series: Mapping[str, Sequence[tuple[float, float]]], title: str, x_label: str) -> str:
    """Lines over a common x; each is labelled at its end. At most six can be told apart."""
    lines = {name: points for name, points in series.items() if len(points) > 1}
    if not lines:
        return ""
    xs, ys = (np.array([point[axis] for points in lines.values() for point in points]) for axis in (0, 1))
    columns, rows = nice_ticks(0.0, float(xs.max())), nice_ticks(min(0.0, float(ys.min())), float(ys.max()))
    height, right = 260, WIDTH - 150
    across, up = _scale(columns[0], columns[-1], 54, right), _scale(rows[0], rows[-1], height - 44, 12)
    parts = [_grid(columns, across, height - 8, top=12)]
    parts += [
        f'<line class="grid" x1="54" x2="{right}" y1="{up(tick):.1f}" y2="{up(tick):.1f}"/>'
        f'<text class="tick" x="46" y="{up(tick) + 4:.1f}" text-anchor="end">{_short(tick)}</text>'
        for tick in rows
    ]
    for index, (name, points) in enumerate(lines.items()):
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in points)
        end = points[-1]
        parts.append(
            f'<g class="series s{index % 6}"><polyline points="{path}"/>'
            f'<text x="{across(end[0]) + 8:.1f}" y="{up(end[1]) + 4:.1f}">{escape(name)}</text></g>'
        )
    parts.append(f'<text class="tick" x="{right}" y="{height - 2}" text-anchor="end">{escape(x_label)}</text>')
    return _svg("curves", WIDTH, height + 4, title, parts)


def histogram(values: Sequence[float], edges: Sequence[float], title: str, unit: str) -> str:
    """Counts between edges, as bars."""
    counts = np.histogram(np.asarray(values, np.float64), np.asarray(edges, np.float64))[0]
    width, height = 340, 150
    step, top = (width - 20) / len(counts), max(int(counts.max(initial=0)), 1)
    parts = []
    for index, count in enumerate(counts):
        tall = (height - 46) * count / top
        x = 10 + step * index
        parts.append(
            f'<rect x="{x + 1:.1f}" y="{height - 26 - tall:.1f}" width="{step - 2:.1f}" height="{tall:.1f}">'
            f"<title>{_short(edges[index])} to {_short(edges[index + 1])} {escape(unit)}: {count}</title></rect>"
        )
    for place, edge in ((10.0, edges[0]), (width - 10.0, edges[-1])):
        anchor = "start" if place < width / 2 else "end"
        parts.append(f'<text class="tick" x="{place}" y="{height - 8}" text-anchor="{anchor}">{_short(edge)}</text>')
    parts.append(f'<text class="tick" x="{width / 2}" y="{height - 8}" text-anchor="middle">{escape(unit)}</text>')
    return _svg("histogram", width, height, title, parts)


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About `count` round numbers that hold low and high."""
    span = max(high - low, 1e-9)
    step = 10.0 ** np.floor(np.log10(span / count))
    step *= min((factor for factor in (1, 2, 5, 10) if span / (step * factor) <= count), default=10)
    first, last = np.floor(low / step + 1e-9), np.ceil(high / step - 1e-9)
    return [round(float(number * step), 10) for number in np.arange(first, last + 1)]


@dataclass(frozen=True)
class _Axis:
    """A linear axis from values to pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / ((self.high - self.low) or 1.0) * (self.end - self.start)


def _scale(low: float, high: float, start: float, end: float) -> _Axis:
    return _Axis(low, high, start, end)


def _grid(ticks: Sequence[float], across: _Axis, height: float, top: float = 2) -> str:
    bottom = height - 26
    return "".join(
        f'<line class="grid" x1="{across(tick):.1f}" x2="{across(tick):.1f}" y1="{top}" y2="{bottom}"/>'
        f'<text class="tick" x="{across(tick):.1f}" y="{bottom + 16}" text-anchor="middle">{_short(tick)}</text>'
        for tick in ticks
    )


def _svg(kind: str, width: float, height: float, title: str, parts: Sequence[str]) -> str:
    text = escape(title)
    return (
        f'<svg class="chart {kind}" viewBox="0 0 {width} {height}" role="img" aria-label="{text}" '
        f'style="max-width:{width}px"><title>{text}</title>{"".join(parts)}</svg>'
    )


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"
