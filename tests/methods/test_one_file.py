"""A method needs its file and its name in a profile: one that is made here trains, draws and stands in a report."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import code, methods, plugins, settings
from pipeline import method as contract
from pipeline.report.build import build
from pipeline.settings import Models
from tests.methods.test_contract import train_and_draw
from tests.report import fake_run
from tests.test_docs import FENCED

ROOT = Path(__file__).parents[2]
SOURCE = FENCED.search((ROOT / "docs" / "adding-a-method.md").read_text())[1]  # what the document shows works


@pytest.fixture(params=["throw_away.py", "throw_away/__init__.py"])
def name(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Its file, or its folder, beside those of pipeline/methods."""
    path = tmp_path / "methods" / request.param
    path.parent.mkdir(parents=True)
    path.write_text(SOURCE)
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(tmp_path / "methods")])
    in_the_project = code.path_of
    monkeypatch.setattr(code, "path_of", lambda each: path if each.endswith(".throw_away") else in_the_project(each))
    monkeypatch.delitem(sys.modules, "pipeline.methods.throw_away", raising=False)
    monkeypatch.delattr(methods, "throw_away", raising=False)
    return "throw_away"


def test_a_new_method_trains_and_draws(name: str, models: Models, tmp_path: Path) -> None:
    assert name in plugins.names("methods")
    train_and_draw(name, models, tmp_path)
    written = json.loads((tmp_path / "out" / "card.json").read_text())
    assert (written["method"], written["settings"]) == (name, {"tokens": 4, "small": 0.01})


def test_a_new_method_in_a_profile_stands_in_the_report_with_its_claims(name: str, tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    for profile in (ROOT / "profiles").glob("*.yaml"):
        shutil.copy(profile, tmp_path / "profiles")
    (tmp_path / "profiles" / "mine.yaml").write_text(f"methods: [{name}, {name}-large]\nfewer_references: []\n")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    settings.use("mine", tmp_path / "params.yaml", tmp_path / "profiles")
    run = settings.load(tmp_path / "params.yaml", tmp_path / "profiles")
    assert run.methods == (name, f"{name}-large")
    crowd = fake_run.Crowd(run.methods, run.fewer_references)
    fake_run.write(tmp_path, people=12, casts=(8,), crowd=crowd)
    build(tmp_path / "data", tmp_path / "site", replace(fake_run.chosen(crowd), methods=run.methods))
    page = (tmp_path / "site" / "index.html").read_text()
    assert "0.5 -&gt; 0.4 (a paper of nobody)" in page
    assert "throw_away†" in page
    assert "Throw-Away (arXiv 0000.00000)" in page
    assert contract.claims(f"{name}-large")[0].metric == "sim_heldout"
