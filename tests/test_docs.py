"""Documents lead somewhere: links, paths and commands that they name exist; and they stay short."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT

PAGES = sorted(
    path
    for where in ("*.md", "docs/*.md", "reports/*.md", "reports/*/*.md", ".github/**/*.md")
    for path in ROOT.glob(where)
    if "latest" not in path.parts
)
NOW = [path for path in PAGES if path.name not in ("CHANGELOG.md", "log.md")]  # the others tell of the past
LINK = re.compile(r"\]\(([^)\s]+)\)")
NAMED = re.compile(r"`((?:pipeline|stages|tests|docs|profiles|reports|\.ci)/[\w./-]+)`")
MADE = ("reports/latest",)  # by a run
MODULE = re.compile(r"python -m ((?:pipeline|stages|tests)[\w.]*)")
COMMAND = re.compile(r"(?:^ +|`)likeness ([a-z]+)", re.M)
RECONSTRUCTED = re.compile(r"^\| `?(?:HiFi-Portrait|GroupPortrait|hifi_portrait|group_portrait)\b.*$", re.M)
FENCED = re.compile(r"^```python\n(.*?)^```", re.M | re.S)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def anchors(path: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", path.read_text(), re.M)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_links_lead_to_files_that_are_there(path: Path) -> None:
    for link in LINK.findall(path.read_text()):
        target, _, anchor = link.partition("#")
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        where = (path.parent / target).resolve() if target else path
        assert where.exists(), link
        assert not anchor or where.suffix != ".md" or anchor in anchors(where), link


@pytest.mark.parametrize("path", NOW, ids=name)
def test_files_that_are_named_are_there(path: Path) -> None:
    named = [each for each in NAMED.findall(path.read_text()) if not each.startswith(MADE)]
    assert [each for each in named if not (ROOT / each).exists()] == []


@pytest.mark.parametrize("path", NOW, ids=name)
def test_modules_that_are_run_are_there(path: Path) -> None:
    named = MODULE.findall(path.read_text())
    assert [each for each in named if importlib.util.find_spec(each) is None] == []


@pytest.mark.parametrize("path", NOW, ids=name)
def test_commands_that_are_shown_are_there(path: Path) -> None:
    known = pytest.importorskip("pipeline.cli.main").COMMANDS
    assert set(COMMAND.findall(path.read_text())) - set(known) == set()


@pytest.mark.parametrize("path", NOW, ids=name)
def test_python_in_a_document_is_python(path: Path) -> None:
    for block in FENCED.findall(path.read_text()):
        ast.parse(block)


def test_the_readme_is_read_in_a_minute() -> None:
    assert (ROOT / "README.md").stat().st_size <= 6000


def test_the_first_example_has_its_photos() -> None:
    asked = re.findall(r"docs/people/[\w-]+\.jpg", (ROOT / "README.md").read_text())
    assert asked
    assert [each for each in asked if not (ROOT / each).is_file()] == []


def test_pictures_of_the_readme_are_small() -> None:
    assert [path.name for path in (ROOT / "docs/images").iterdir() if path.stat().st_size > 150_000] == []


def test_own_words_are_few() -> None:
    rows = re.findall(r"^\| (?!word \|)", (ROOT / "docs/glossary.md").read_text(), re.M)
    assert 0 < len(rows) <= 25


@pytest.mark.parametrize("path", sorted((ROOT / "reports/decisions").glob("*.md")), ids=lambda path: path.stem)
def test_a_decision_is_half_a_page(path: Path) -> None:
    assert path.stat().st_size <= 2600


@pytest.mark.parametrize("path", NOW, ids=name)
def test_reconstructions_are_called_so_in_tables(path: Path) -> None:
    """A row that begins with one of the two says what it is."""
    rows = RECONSTRUCTED.findall(path.read_text())
    assert [row for row in rows if "reconstruction" not in row and "minus" not in row] == []


def test_the_citation_has_what_its_format_asks_for() -> None:
    """The required keys of the Citation File Format 1.2.0, and the version of the package."""
    found = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(found)
    assert found["cff-version"] == "1.2.0"
    assert all(set(author) & {"name", "family-names"} for author in found["authors"])
    assert f'version = "{found["version"]}"' in (ROOT / "pyproject.toml").read_text()


def test_the_changelog_has_the_cited_version() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert f"## {cited['version']} ({cited['date-released']})" in (ROOT / "CHANGELOG.md").read_text()
