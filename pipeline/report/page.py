"""The page: everything gathered into dataclasses, then a template that knows loops and ifs only.

The result is a folder that opens from file://: one index.html, a style sheet, a script for sorting and filtering, and
pictures that are loaded when they come into view. The same inputs give the same bytes; nothing is fetched from outside.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline.benchmark import Benchmark
from pipeline.metric import Card
from pipeline.report import audit, board, cases, manifest, read, tables
from pipeline.report.pictures import Album
from pipeline.settings import Settings

SITE = Path(__file__).parent / "site"
ASSETS = ("style.css", "page.js")


@dataclass(frozen=True)
class Glance:
    """A line of the first table: the main result of one method in every cell."""

    method: str
    kind: str
    numbers: tuple[tables.Number | None, ...]


@dataclass(frozen=True)
class Page:
    """All that the template shows."""

    title: str
    facts: Sequence[manifest.Fact]
    main: Card
    glance: Sequence[Glance]
    cells: Sequence[tables.CellShown]
    bounds: Sequence[manifest.Fact]
    gallery: Sequence[cases.CaseShown]
    kinds: dict[str, str]
    tallies: Sequence[cases.Tally]
    failures: Sequence[cases.Failure]
    figures: Sequence[tuple[str, Sequence[tuple[audit.Figure, str]]]]
    stages: Sequence[manifest.Group]
    training: Sequence[manifest.Training]
    data: manifest.DataCard
    cards: Sequence[Card]
    scales: Sequence[manifest.Group]
    weights: Sequence[manifest.Weights]
    settings: Sequence[manifest.Group]


@dataclass(frozen=True)
class Sources:
    """Where the run's results lie, and what was worked out of them."""

    data: Path
    settings: Settings
    benchmark: Benchmark
    inputs: board.Inputs
    cells: Sequence[board.Cell]
    figures: Sequence[audit.Figure]


def gather(sources: Sources, album: Album) -> Page:
    """Everything that the page shows, as text and pictures."""
    settings, inputs, data = sources.settings, sources.inputs, sources.data
    names = read.scored(data / "scores")
    shown = [tables.shown(cell, inputs.cards, inputs.methods, [*settings.methods]) for cell in sources.cells]
    trouble = cases.troubles(inputs.scores, [name for name in inputs.methods if name in names])
    exhibition = _exhibition(sources, names, album)
    chosen, keys = cases.worst(trouble), cases.gallery_keys(inputs.scores, settings.report.gallery_cases)
    exhibition.load([*keys, *((each[1], each[2]) for each in chosen)], data / "images", data / "samples")
    return Page(
        title=settings.report.title,
        facts=manifest.run_facts(
            settings, data, f"{sources.benchmark.name} {sources.benchmark.hash}", len(sources.benchmark.cases)
        ),
        main=_main(inputs.cards),
        glance=_glance(shown, _main(inputs.cards)),
        cells=shown,
        bounds=[manifest.Fact(name, note) for name, note in tables.BOUNDS.items()],
        gallery=[exhibition.show(*key) for key in keys],
        kinds=cases.KINDS,
        tallies=cases.tallies(trouble, inputs.scores),
        failures=list(cases.failures(exhibition, chosen)),
        figures=_by_stage(sources.figures),
        stages=manifest.stage_groups(data),
        training=manifest.training(settings, data / "weights"),
        data=manifest.data_card(data),
        cards=inputs.cards,
        scales=manifest.score_groups(data / "scores" / read.REAL),
        weights=manifest.weights(settings),
        settings=manifest.settings_groups(settings),
    )


def render(page: Page) -> str:
    """The page's HTML. Every text is escaped; only our own charts are markup."""
    environment = Environment(
        loader=FileSystemLoader(SITE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["chart"] = Markup
    return environment.get_template("page.html").render(page=page) + "\n"


def write_assets(folder: Path) -> None:
    """Copy the style sheet and the script beside the page."""
    for name in ASSETS:
        shutil.copyfile(SITE / name, folder / name)


def _exhibition(sources: Sources, names: Sequence[str], album: Album) -> cases.Exhibition:
    ordered = tables.order(set(names), sources.inputs.methods)
    # The picture without an ID comes first: what the method adds is seen against it.
    ordered.sort(key=lambda name: name != board.FLOOR)
    kinds = {name: tables.kind_of(name, sources.inputs.methods) for name in ordered}
    found = read.table(sources.data / "scores", names, "found")
    return cases.Exhibition(sources.benchmark.cases, sources.inputs.scores, found, kinds, album)


def _main(cards: Sequence[Card]) -> Card:
    """The metric of the first table: the last main one, a share where there is one."""
    return [card for card in cards if card.main or card is cards[0]][-1]


def _glance(cells: Sequence[tables.CellShown], main: Card) -> list[Glance]:
    kinds = {line.method: line.kind for cell in cells for line in cell.lines}
    return [Glance(name, kind, tuple(_find(cell, name, main) for cell in cells)) for name, kind in kinds.items()]


def _find(cell: tables.CellShown, method: str, main: Card) -> tables.Number | None:
    place = [column.name for column in cell.columns]
    lines = {line.method: line for line in cell.lines}
    if main.name not in place or method not in lines:
        return None
    return lines[method].numbers[place.index(main.name)]


def _by_stage(figures: Sequence[audit.Figure]) -> list[tuple[str, list[tuple[audit.Figure, str]]]]:
    groups: dict[str, list[tuple[audit.Figure, str]]] = {}
    for each in figures:
        groups.setdefault(each.stage, []).append((each, _figure(each)))
    return list(groups.items())


def _figure(each: audit.Figure) -> str:
    if each.value == int(each.value if each.value == each.value else 0.5) and not each.unit and abs(each.value) != 1:
        return f"{int(each.value)}"
    return f"{each.value:.4f}" if not each.unit else f"{each.value:.2f} {each.unit}"
