"""The page: everything gathered into dataclasses, then a template that knows loops and ifs only.

The result is a folder that opens from file://: index.html, a contact sheet per method, a style sheet, a script for
sorting and filtering, and pictures that are loaded when they come into view. The same inputs give the same bytes;
nothing is fetched from outside.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from pipeline.method import is_method, method_class
from pipeline.metric import Card
from pipeline.report import audit, board, cases, manifest, read, tables
from pipeline.report.pictures import Album
from pipeline.report.sources import Sources
from pipeline.report.statistics import ablations

SITE = Path(__file__).parent / "site"
ASSETS = ("style.css", "page.js")


@dataclass(frozen=True)
class SummaryRow:
    """A line of the first table: the main result of one method in every cell."""

    method: str
    kind: str
    numbers: tuple[tables.Number | None, ...]


@dataclass(frozen=True)
class Page:
    """All that the template shows."""

    title: str
    facts: Sequence[manifest.Fact]
    elsewhere: Sequence[str]  # images that this run did not train for
    told: Sequence[str]  # methods that are given places in the protocol that gives none
    reconstructions: Sequence[str]  # papers whose methods are marked: title and where it was published
    main: Card
    glance: Sequence[SummaryRow]
    cells: Sequence[tables.CellShown]
    bounds: Sequence[manifest.Fact]
    ablations: Sequence[ablations.Family]
    gallery: Sequence[cases.CaseShown]
    sheets: Sequence[cases.Sheet]
    kinds: dict[str, str]
    tallies: Sequence[cases.Tally]
    failures: Sequence[cases.Failure]
    figures: Sequence[tuple[str, Sequence[tuple[audit.Figure, str]]]]
    stages: Sequence[manifest.Group]
    training: Sequence[tuple[manifest.Training, Sequence[manifest.Training]]]  # methods with their ablations
    data: manifest.DataCard
    cards: Sequence[Card]
    scales: Sequence[manifest.Group]
    weights: Sequence[manifest.Weights]
    settings: Sequence[manifest.Group]


def gather(sources: Sources, album: Album) -> Page:
    """Everything that the page shows, as text and pictures."""
    settings, inputs, data = sources.settings, sources.inputs, sources.data
    names = read.scored(data / "scores")
    shown = [tables.shown(cell, inputs, settings.drawn) for cell in sources.cells]
    listed = [name for name in inputs.listed if name in names]
    trouble = cases.failure_flags(inputs.scores, listed)
    exhibition = _exhibition(sources, names, album)
    protocols = sorted({cell.protocol for cell in sources.cells})
    shown_alone = [*inputs.methods, *inputs.elsewhere]
    # Ablations fail as their methods do; six more of each kind for every one of them would bury what is to be seen.
    chosen = cases.worst(trouble[trouble["method"].isin(shown_alone)])
    keys = cases.gallery_keys(sources.benchmark.cases, protocols, settings.report.gallery_cases)
    on_sheets = cases.sheet_cases(sources.benchmark.cases)
    wanted = [*keys, *((each[1], each[2]) for each in chosen), *product(protocols, on_sheets)]
    exhibition.load(wanted, data / "images", data / "samples")
    main = tables.main(sources.cells, inputs.cards)[-1]  # a share where there is one
    return Page(
        title=settings.report.title,
        facts=manifest.run_facts(
            settings, data, f"{sources.benchmark.name} {sources.benchmark.hash}", len(sources.benchmark.cases)
        ),
        elsewhere=inputs.elsewhere,
        told=[name for name in inputs.methods if method_class(name).needs_layout],
        reconstructions=_reconstructions(inputs.listed),
        main=main,
        glance=_glance(shown, main),
        cells=shown,
        bounds=[manifest.Fact(name, note) for name, note in tables.BOUNDS.items()],
        ablations=ablations.families(sources.cells, inputs, sources.changed),
        gallery=[exhibition.show(*key) for key in keys],
        sheets=[cases.sheet(exhibition, name, on_sheets, protocols) for name in shown_alone if name in names],
        kinds=cases.KINDS,
        tallies=cases.tallies(trouble, inputs.scores, {name: tables.kind_of(name, inputs) for name in listed}),
        failures=list(cases.failures(exhibition, chosen)),
        figures=_by_stage(sources.figures),
        stages=manifest.stage_groups(data),
        training=_training(sources),
        data=manifest.data_card(data),
        cards=inputs.cards,
        scales=manifest.score_groups(data / "scores" / read.REAL),
        weights=manifest.weights(settings, data / "weights", inputs.elsewhere),
        settings=manifest.settings_groups(settings),
    )


def write(page: Page, folder: Path) -> None:
    """Write the style sheet, the script, the sheets and last the page."""
    for name in ASSETS:
        shutil.copyfile(SITE / name, folder / name)
    environment = _environment()
    for sheet in page.sheets:
        text = environment.get_template("sheet.html").render(page=page, sheet=sheet)
        (folder / sheet.path).write_text(text + "\n")
    (folder / "index.html").write_text(environment.get_template("page.html").render(page=page) + "\n")


def _environment() -> Environment:
    """Every text is escaped; only our own charts are markup."""
    environment = Environment(
        loader=FileSystemLoader(SITE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["chart"] = Markup
    environment.filters["label"] = tables.label
    return environment


def _exhibition(sources: Sources, names: Sequence[str], album: Album) -> cases.CaseGallery:
    ordered = tables.order(set(names), sources.inputs.listed)
    # The picture without an ID comes first: what the method adds is seen against it.
    ordered.sort(key=lambda name: name != board.FLOOR)
    kinds = {name: tables.kind_of(name, sources.inputs) for name in ordered}
    found = read.table(sources.data / "scores", names, "found")
    return cases.CaseGallery(sources.benchmark.cases, sources.inputs.scores, found, kinds, album)


def _reconstructions(names: Sequence[str]) -> list[str]:
    classes = dict.fromkeys(method_class(name) for name in names if is_method(name))
    return [f"{each.title} ({each.paper})" for each in classes if each.reconstruction]


def _training(sources: Sources) -> list[tuple[manifest.Training, list[manifest.Training]]]:
    """Methods with their ablations beneath; an ablation without its method stands alone."""
    found = {each.method: each for each in manifest.training(sources.settings, sources.data / "weights")}
    inputs = sources.inputs
    heads = [name for name in found if inputs.ablations.get(name) not in found]
    return [(found[name], [found[each] for each in inputs.ablations_of(name) if each in found]) for name in heads]


def _glance(cells: Sequence[tables.CellShown], main: Card) -> list[SummaryRow]:
    kinds = {line.method: line.kind for cell in cells for line in cell.lines}
    return [SummaryRow(name, kind, tuple(_find(cell, name, main) for cell in cells)) for name, kind in kinds.items()]


def _find(cell: tables.CellShown, method: str, main: Card) -> tables.Number | None:
    place = [column.name for column in cell.columns]
    lines = {line.method: line for line in cell.lines}
    if main.name not in place or method not in lines:
        return None
    return lines[method].numbers[place.index(main.name)]


def _by_stage(figures: Sequence[audit.Figure]) -> list[tuple[str, list[tuple[audit.Figure, str]]]]:
    groups: dict[str, list[tuple[audit.Figure, str]]] = {}
    for each in figures:
        groups.setdefault(each.stage, []).append((each, figure(each)))
    return list(groups.items())


def figure(each: audit.Figure) -> str:
    """A stage's figure as text: counts are whole numbers, and a figure of nothing is a dash."""
    value = str(each.value) if isinstance(each.value, int) else tables.number(each.value)
    return f"{value} {each.unit}".rstrip()
