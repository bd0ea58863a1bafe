"""Ablations: paired with their own method by hand, what changed in words, and what a paper claims."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import method as contract
from pipeline import plugins, settings
from pipeline.method import Claim
from pipeline.report import board, read
from pipeline.report.statistics import ablations
from tests.report.test_board import EXACT, SIM, inputs, make, score

ROOT = Path(__file__).parents[3]
CLAIM = Claim(2, "sim_worst", "Table 4", "67.3 -> 59.1 %")
WORST = replace(SIM, name="sim_worst")
FULL, LESS, OTHER = "uniportrait", "uniportrait-no_route_loss", "theirs"
PEOPLE = [f"p{index}" for index in range(12)]


def rows(full: float, less: float, people: int = 1) -> list[dict]:
    """Scores of a full method and its ablation whose people differ by more than they do."""
    return [
        score(name, method, value + index / 20, people=people)
        for index, name in enumerate(PEOPLE)
        for method, value in ((FULL, full), (LESS, less))
    ]


def difference(verdict: str) -> board.Difference:
    low, high = {"better": (0.1, 0.3), "worse": (-0.3, -0.1), "not separable": (-0.1, 0.3)}[verdict]
    apart = verdict != "not separable"
    return board.Difference("free", 2, "sim_heldout", "higher", FULL, LESS, (low + high) / 2, low, high, 0.01, apart)


def test_the_difference_by_hand() -> None:
    """0.2 on each of 12 people, whoever is drawn; one ablation is a family of its own: p of 12 equal signs."""
    (found,) = make(rows(0.5, 0.3), (SIM,), (FULL,), ablations={LESS: FULL})[0].ablated()
    assert (found.method, found.other) == (FULL, LESS)
    assert (found.mean, found.low, found.high) == pytest.approx((0.2, 0.2, 0.2))
    assert found.p == pytest.approx(2 / 2**12)


def test_full_form_and_ablation_swapped_change_the_sign() -> None:
    (found,) = make(rows(0.3, 0.5), (SIM,), (FULL,), ablations={LESS: FULL})[0].ablated()
    assert (found.mean, found.low, found.high) == pytest.approx((-0.2, -0.2, -0.2))


def test_p_is_corrected_over_the_ablations_of_one_method_only() -> None:
    """Two ablations of one method: twice the smallest p; the one of another method stays alone."""
    more = [score(name, f"{FULL}-{kind}", index / 20) for index, name in enumerate(PEOPLE) for kind in ("a",)]
    more += [score(name, each, index / 20) for index, name in enumerate(PEOPLE) for each in (OTHER, "theirs-b")]
    family = {LESS: FULL, f"{FULL}-a": FULL, "theirs-b": OTHER}
    found = {
        each.other: each for each in make(rows(0.5, 0.3) + more, (SIM,), (FULL, OTHER), ablations=family)[0].ablated()
    }
    assert found[LESS].p == pytest.approx(2 * 2 / 2**12)
    assert found["theirs-b"].p == 1.0
    assert found["theirs-b"].method == OTHER


def test_ranks_and_differences_are_among_published_forms_only() -> None:
    """The ablation is above everybody and takes no rank, nor a share of the correction of p."""
    others = [score(name, OTHER, index / 20) for index, name in enumerate(PEOPLE)]
    found = rows(0.5, 0.9) + others
    cell = make(found, (SIM,), (FULL, OTHER), ablations={LESS: FULL})[0]
    alone = make([row for row in found if row["method"] != LESS], (SIM,), (FULL, OTHER))[0]
    assert cell.estimates["sim_heldout", FULL].ranks == (1, 1)
    assert cell.estimates["sim_heldout", LESS].ranks is None
    assert list(cell.differences()) == list(alone.differences())
    assert list(alone.ablated()) == []


def test_ablations_are_listed_after_their_method() -> None:
    family = {LESS: FULL, "gone-a": "gone", "theirs-b": OTHER}
    assert inputs([], methods=(FULL, OTHER), ablations=family).listed == (FULL, LESS, OTHER, "theirs-b", "gone-a")


def card(folder: Path, name: str, **settings: object) -> None:
    (folder / name).mkdir()
    (folder / name / "card.json").write_text(json.dumps({"settings": settings}))


def test_a_change_is_said_by_the_settings_that_differ(tmp_path: Path) -> None:
    card(tmp_path, "ours", route_weight=10.0, rank=128, structure=True)
    card(tmp_path, "ours-less", route_weight=0.0, rank=128, structure=False)
    family = dict.fromkeys(("ours-less", "ours-2_references", "ours-less-1_references", "ours-unknown"), "ours")
    assert ablations.changes(family, tmp_path, references=4) == {
        "ours-less": "route_weight 10 -> 0, structure true -> false",
        "ours-2_references": "references 4 -> 2",
        "ours-less-1_references": "route_weight 10 -> 0, structure true -> false, references 4 -> 1",
        "ours-unknown": "settings not known",
    }


@pytest.mark.parametrize(
    ("verdict", "words", "holds"),
    [
        ("better", "holds here: +0.200 (0.100 to 0.300)", True),
        ("worse", "does not hold here: the full form is worse, -0.200", False),
        ("not separable", "not shown here: +0.100 (-0.100 to 0.300) in", None),
    ],
)
def test_a_claim_holds_only_where_its_direction_shows(verdict: str, words: str, holds: bool | None) -> None:
    found = ablations.judged(CLAIM, difference(verdict))
    assert found.here.startswith(words)
    assert found.holds is holds


@pytest.mark.parametrize(
    ("low", "high", "apart", "better", "holds"),
    [
        (-0.02, 0.01, False, "higher", True),
        (-0.02, -0.01, True, "higher", False),
        (-0.02, -0.01, False, "higher", False),  # worse by its own interval, if not by the corrected p
        (-0.05, 0.04, False, "higher", None),
        (-0.09, -0.05, True, "higher", False),
        (-0.01, 0.02, False, "lower", True),
        (0.05, 0.09, True, "lower", False),
    ],
)
def test_a_claim_of_as_good_holds_where_the_whole_interval_shows_it(
    low: float, high: float, apart: bool, better: str, holds: bool | None
) -> None:
    claim = replace(CLAIM, figure="", margin=0.03)
    found = replace(difference("better"), mean=(low + high) / 2, low=low, high=high, apart=apart, better=better)
    judged = ablations.judged(claim, found)
    assert judged.holds is holds
    assert judged.paper == "sim_worst as good (to 0.03) (Table 4)"


def test_a_claim_of_less_error_holds_where_the_full_form_has_less() -> None:
    less = board.Difference("layout", 1, "pose_error", "lower", FULL, LESS, -9.0, -11.0, -7.0, 0.01, True)
    assert ablations.judged(CLAIM, less).holds is True
    assert ablations.judged(CLAIM, replace(less, better="higher")).holds is False


def test_a_claim_of_which_the_cell_is_missing_or_empty_is_not_tested() -> None:
    none = board.Difference("free", 2, "sim_worst", "higher", FULL, LESS, *[float("nan")] * 4, False)
    assert [ablations.judged(CLAIM, each).here for each in (None, none)] == ["not tested here"] * 2


def test_a_claim_says_the_figure_of_its_paper_or_else_what_the_part_is_for() -> None:
    assert str(CLAIM) == "67.3 -> 59.1 % (Table 4)"
    assert str(replace(CLAIM, figure="")) == "better sim_worst (Table 4)"


def test_what_is_claimed_is_measured_and_ablated_in_the_published_run(tmp_path: Path) -> None:
    """By the names of metrics that the run has, of ablations that its profile draws, in protocols that it draws."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    settings.use("published", tmp_path / "params.yaml", ROOT / "profiles")
    run = settings.load(tmp_path / "params.yaml", ROOT / "profiles")
    metrics = {card.name for card in read.cards(run.metrics)}
    claims = {
        f"{name}-{change}": found
        for name in plugins.having("methods", "CLAIMS")
        for change, found in plugins.load("methods", name).CLAIMS.items()
    }
    assert set(claims) <= {*run.methods, *run.fewer_references}
    for claim in (claim for each in claims.values() for claim in each):
        assert claim.metric in metrics
        assert claim.protocol in run.generate.protocols


def test_a_claim_stands_in_the_line_that_tests_it_and_in_no_other() -> None:
    """The routing loss is claimed to matter for two people; one person's line has no claim."""
    found = [score(name, each, 0.5, people=n) for n in (1, 2) for name in PEOPLE for each in (FULL, LESS)]
    cells = make([row | {"metric": "sim_worst"} for row in found], (WORST,), (FULL,), ablations={LESS: FULL})
    lines = [dict(zip(ablations.COLUMNS, row, strict=True)) for row in ablations.rows(cells, {LESS: ""})]
    assert {line["people"]: line["paper"][:4] for line in lines} == {1: "", 2: "67.3"}


def test_a_run_without_a_main_metric_compares_by_its_first() -> None:
    run = inputs(rows(0.5, 0.3), (SIM, EXACT), (FULL,), ablations={LESS: FULL})
    (family,) = ablations.families(board.cells(run), run, {LESS: "route_weight 10 -> 0"})
    assert [column.metric for column in family.columns] == ["sim_heldout"]
    assert family.metrics == 1


def test_a_method_without_ablations_has_no_table() -> None:
    run = inputs(rows(0.5, 0.3, people=2), (SIM,), (OTHER, FULL), ablations={LESS: FULL})
    (family,) = ablations.families(board.cells(run), run, {LESS: "route_weight 10 -> 0"})
    (line,) = family.lines
    assert (family.method, line.name) == (FULL, LESS)
    assert [claim.paper for claim in line.claims] == [str(claim) for claim in contract.claims(LESS)]
