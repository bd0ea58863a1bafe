"""The page: what stands in it, that it fetches nothing, escapes everything, and has the same bytes twice.

The golden page is tests/golden/report.html: the first table, case and failure, scrubbed of fingerprints. To accept a
change: look at the page that the failing test names, then copy it over the golden one.
"""

import csv
import json
import re
import shutil
from pathlib import Path

import pytest

from pipeline.report.audit import Figure
from pipeline.report.build import build
from pipeline.report.page import figure
from tests.conftest import ROOT
from tests.report import fake_run

PUBLISHED = ("hifi_portrait", "instantid", "uniportrait")
GOLDEN = ROOT / "tests" / "golden" / "report.html"


def text(site: Path) -> str:
    return (site / "index.html").read_text()


def lines(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_every_section_is_there(site: Path) -> None:
    sections = [
        "results",
        "differences",
        "gallery",
        "sheets",
        "failures",
        "stages",
        "training",
        "data",
        "metrics",
        "run",
    ]
    assert re.findall(r'<section id="(\w+)">', text(site)) == sections


def test_nothing_is_fetched_from_outside(site: Path) -> None:
    loaded = re.findall(r'(?:src|href|url)\s*[=(]\s*["\']?([^"\')> ]+)', text(site) + (site / "style.css").read_text())
    assert loaded
    assert not [link for link in loaded if re.match(r"(https?:)?//", link)]
    assert "http" not in (site / "style.css").read_text() + (site / "page.js").read_text()


def test_every_file_that_is_shown_exists_and_no_other_picture_does(site: Path) -> None:
    pages = "".join(path.read_text() for path in sorted(site.glob("*.html")))
    files = {name.partition("#")[0] for name in re.findall(r'(?:src|href)="((?!#|data:)[^"]+)"', pages)}
    assert all((site / name).is_file() for name in files)
    assert {f"pictures/{path.name}" for path in (site / "pictures").iterdir()} == {
        name for name in files if name.startswith("pictures/")
    }


def test_every_anchor_leads_somewhere(site: Path) -> None:
    page = text(site)
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(re.findall(r'id="([^"]+)"', page))


def test_prompts_are_escaped(site: Path) -> None:
    assert "<b>long</b>" not in text(site)
    assert "&lt;b&gt;long&lt;/b&gt;" in text(site)


def test_bounds_methods_and_foreign_images_stand_in_the_leaderboard(site: Path) -> None:
    rows = lines(site / "leaderboard.csv")
    assert list(rows[0]) == ["protocol", "people", "method", "metric", "better", "mean", "low", "high", "n", "missing"]
    assert {row["method"] for row in rows} == {
        "uniportrait", "elsewhere", "no_id", "shuffled_id", "shuffled_id:elsewhere", "pasted_reference", "other_photo",
        "vae_roundtrip",
    }  # fmt: skip
    assert {(row["protocol"], row["people"]) for row in rows} == {
        (protocol, people) for protocol in ("free", "layout") for people in "123"
    }
    ends = [(row["low"] or "-inf", row["mean"], row["high"] or "inf") for row in rows if row["mean"]]
    assert all(float(low) <= float(mean) <= float(high) for low, mean, high in ends)


def test_what_has_no_number_is_sorted_last(site: Path) -> None:
    """page.js keeps an empty `data-sort` last; a dash or `nan` would be a word, and words come first."""
    dashes = re.findall(r'<td class="num[^>]*>(?:<b>)?[–·]', text(site))
    assert dashes
    assert not [cell for cell in dashes if 'data-sort=""' not in cell]
    assert 'data-sort="nan"' not in text(site)


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [(1, "", "1"), (1.0, "", "1.000"), (0.0, "", "0.000"), (float("nan"), "", "–"), (2.5, "degrees", "2.500 degrees")],
)
def test_figures_of_stages(value: float, unit: str, shown: str) -> None:
    assert figure(Figure("crawl", "Kept", value, unit, 9, "")) == shown


def test_weights_of_another_run_stand_with_licence_and_origin(site: Path) -> None:
    (row,) = re.findall(r"<tr><th scope=\"row\">elsewhere</th>.*?</tr>", text(site).partition('<section id="run">')[2])
    assert "<td>CC-BY-4.0</td>" in row
    assert "<code>their.bin 0123</code>" in row


def test_dvc_shows_a_short_table(site: Path) -> None:
    values = json.loads((site / "metrics.json").read_text())
    assert len(values) <= 14
    assert all(isinstance(value, int | float) for value in values.values())
    assert {"faces: Detection recall", "sim_heldout: uniportrait, free_1", "sim_heldout: uniportrait, free_2"} <= set(
        values
    )


def test_every_main_figure_stands_in_one_file(site: Path) -> None:
    values = json.loads((site / "figures.json").read_text())
    assert set(values["results"]) == {f"{protocol}_{people}" for protocol in ("free", "layout") for people in (1, 2, 3)}
    assert set(values["results"]["free_1"]) == {"uniportrait", "elsewhere"}
    assert set(values["results"]["free_1"]["uniportrait"]) == {"sim_heldout", "sim_share"}
    assert values["stages"]["faces"]["Detection recall"] == 1.0


def test_plots_for_dvc(site: Path) -> None:
    rows = lines(site / "plots" / "training.csv")
    assert len(rows) == 60
    assert float(rows[0]["loss"]) > float(rows[-1]["loss"])
    assert (site / "plots" / "similarity.csv").read_text().startswith("method,sim_heldout\n")


def test_the_same_run_gives_the_same_bytes(finished: Path, site: Path, tmp_path: Path) -> None:
    build(finished / "data", tmp_path / "again", fake_run.chosen())
    one, two = (
        {path.relative_to(each): path.read_bytes() for path in each.rglob("*") if path.suffix != ".html"}
        for each in (site / "pictures", tmp_path / "again" / "pictures")
    )
    assert one == two
    for name in (
        "leaderboard.csv",
        "differences.csv",
        "ablations.csv",
        "metrics.json",
        "figures.json",
        "sheet-uniportrait.html",
    ):
        assert (site / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    assert scrubbed(text(site)) == scrubbed(text(tmp_path / "again"))


def test_missing_parts_are_said_to_be_missing(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished / "data", tmp_path / "data", ignore=shutil.ignore_patterns("world", "weights"))
    shutil.rmtree(tmp_path / "data" / "scores" / "uniportrait")
    build(tmp_path / "data", tmp_path / "site", fake_run.chosen())
    assert "has no drawn truth" in text(tmp_path / "site")
    assert "No method of this run was trained here" in text(tmp_path / "site")
    assert "no scores in this run" in text(tmp_path / "site")


def test_every_sheet_shows_the_same_cases_in_the_same_order(crowded: Path) -> None:
    sheets = sorted(crowded.glob("sheet-*.html"))
    assert {path.stem for path in sheets} == {f"sheet-{name}" for name in (*PUBLISHED, "elsewhere")}
    assert len({tuple(re.findall(r'<article class="case" id="([^"]+)"', path.read_text())) for path in sheets}) == 1
    assert all(path.read_text().count("<figcaption>") == 2 * 9 for path in sheets)


def test_only_methods_that_have_ablations_have_a_table_of_them(crowded: Path, site: Path) -> None:
    assert re.findall(r'<article id="ablations-(\w+)">', text(crowded)) == ["uniportrait", "hifi_portrait"]
    assert "references 4 -&gt; 1" in text(crowded)
    assert 'id="ablations"' not in text(site)
    assert 'data-show="ablations"' not in text(site)


def test_ablations_are_compared_with_their_method_and_never_ranked(crowded: Path, site: Path) -> None:
    rows = lines(crowded / "ablations.csv")
    assert {(row["method"], row["ablation"]) for row in rows} == {
        (name.partition("-")[0], name)
        for name in (*fake_run.FEW.methods, *fake_run.FEW.fewer_references)
        if "-" in name
    }
    assert {row["change"] for row in rows if row["ablation"] == "uniportrait-no_route_loss"} == {"route_weight 10 -> 0"}
    assert {row["verdict"] for row in rows} <= {"better", "worse", "not separable", "–"}
    compared = {row[side] for row in lines(crowded / "differences.csv") for side in ("method", "other")}
    assert compared == {*PUBLISHED, "elsewhere", "no_id"}
    assert lines(site / "ablations.csv") == []


def test_an_ablation_is_hidden_until_it_is_asked_for(crowded: Path) -> None:
    """In tables and in the gallery by its class; its images do not crowd the failures."""
    page = text(crowded)
    assert '<tr class="ablation"><th scope="row">uniportrait-no_route_loss' in page
    assert '<figure class="shot ablation">' in page
    assert not [name for name in re.findall(r'data-method="([^"]+)"', page) if "-" in name]
    assert "tr.ablation" in (crowded / "style.css").read_text()


def scrubbed(page: str) -> str:
    """Without what changes with code, weights or a library's JPEG encoder."""
    page = re.sub(r"pictures/[0-9a-f]{16}", "pictures/0", page)
    page = re.sub(r"\(commit [^)]*\)", "(commit 0)", page)
    return re.sub(r"\b[0-9a-f]{16}\b", "0" * 16, page)


def first_of_each(page: str) -> str:
    """The first article of every section that has some: a table, a case and a failure say how all are made."""
    sections = re.findall(r'<section id="(?:results|gallery|failures)">.*?</section>', scrubbed(page), flags=re.DOTALL)
    return "\n".join(re.findall(r"<article.*?</article>", section, flags=re.DOTALL)[0] for section in sections) + "\n"


def test_the_golden_page(site: Path, tmp_path: Path) -> None:
    actual = first_of_each(text(site))
    if not GOLDEN.exists() or GOLDEN.read_text() != actual:
        kept = tmp_path / "report.html"
        kept.write_text(actual)
        pytest.fail(f"the page differs from {GOLDEN}; look at {kept} and, if it is right, copy it there")
