"""Whether parts fit: recognisers in two roles, licences, what is no backbone."""

import json
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from pipeline import settings
from pipeline.cli import fit
from tests.conftest import ROOT


def network(path: Path, name: str, side: int, outputs: int = 1) -> None:
    """A network that copies its input (1, 3, side, side)."""
    shape = [1, 3, side, side]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    found = [helper.make_tensor_value_info(f"y{n}", TensorProto.FLOAT, shape) for n in range(outputs)]
    nodes = [helper.make_node("Identity", ["x"], [each.name]) for each in found]
    onnx.save(helper.make_model(helper.make_graph(nodes, name, [given], found)), path)


def recogniser(folder: Path, name: str) -> str:
    """A directory with a recogniser, and with the detector and the attributes that all of them share."""
    folder.mkdir()
    network(folder / "detector.onnx", "detector", 320, outputs=9)
    network(folder / "attributes.onnx", "attributes", 96)
    network(folder / "landmarks.onnx", "landmarks", 192)
    network(folder / f"{name}.onnx", name, 112)
    return str(folder)


@pytest.fixture
def chosen() -> settings.Settings:
    return settings.load(ROOT / "params.yaml", ROOT / "profiles")


def test_the_pack_fits(chosen: settings.Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    found = list(fit.examine(chosen))
    assert {state for state, _, _ in found if state == fit.NO} == set()
    assert (fit.OK, "backbone side", "128 pixels") in found


def test_what_conditions_may_not_score(tmp_path: Path) -> None:
    a, b = recogniser(tmp_path / "a", "one"), recogniser(tmp_path / "b", "one")
    ((state, about, words),) = fit.of_roles({"models.recogniser_a": a, "models.recogniser_b": b})
    assert (state, about) == (fit.NO, "models.recogniser_b")
    assert words.startswith("the same network as models.recogniser_a")


def test_two_that_score_may_be_one_which_is_noted(tmp_path: Path) -> None:
    a, b = recogniser(tmp_path / "a", "one"), recogniser(tmp_path / "b", "other")
    found = fit.of_roles({"models.recogniser_a": a, "models.recogniser_b": b, "models.recogniser_c": b})
    assert [(state, about) for state, about, _ in found] == [(fit.NOTE, "models.recogniser_c")]


def test_a_licence_that_the_run_may_not_use_is_said_before_it_starts(
    chosen: settings.Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    research = Path(recogniser(tmp_path / "research", "one"))
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
