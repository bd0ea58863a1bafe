"""Whether parts fit: recognisers in two roles, licences, what is no backbone."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import settings
from pipeline.cli import fit
from tests.conftest import ROOT


@pytest.fixture
def chosen() -> settings.Settings:
    return settings.load(ROOT / "params.yaml", ROOT / "profiles")


def test_the_pack_fits(chosen: settings.Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    found = list(fit.examine(chosen))
    assert {state for state, _, _ in found if state == fit.NO} == set()
    assert (fit.OK, "backbone side", "128 pixels") in found


def test_one_recogniser_in_two_roles_is_refused(chosen: settings.Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    models = replace(chosen.models, recogniser_c=chosen.models.recogniser_a)
    ((state, _, words),) = fit.of_roles(replace(chosen, models=models))
    assert state == fit.NO
    assert words.startswith("models.recogniser_a and models.recogniser_c have the same recogniser")


def test_a_licence_that_the_run_may_not_use_is_said_before_it_starts(
    chosen: settings.Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    research = tmp_path / "research"
    research.mkdir()
    (research / "card.json").write_text(json.dumps({"licence": "research only"}))
    models = replace(chosen.models, recogniser_c=str(research))
    states = {
        allowed: {
            about: state
            for state, about, _ in fit.of_parts(replace(chosen, models=replace(models, allow_non_commercial=allowed)))
        }
        for allowed in (False, True)
    }
    assert states[False]["models.recogniser_c"] == fit.NO
    assert states[True]["models.recogniser_c"] == fit.OK


def test_a_folder_that_is_no_backbone_is_said_so(tmp_path: Path) -> None:
    ((state, _, words),) = fit.of_backbone(tmp_path, 0)
    assert state == fit.NO
    assert "models.backbone must be a diffusers pipeline directory" in words


def test_another_side_than_the_backbones_is_noted() -> None:
    folder = ROOT / "pipeline/pack/models/backbone"
    assert list(fit.of_backbone(folder, 128)) == [(fit.OK, "backbone side", "128 pixels")]
    ((state, _, words),) = fit.of_backbone(folder, 256)
    assert (state, words) == (fit.NOTE, "samples.side is 256, the backbone was made for 128 pixels")
