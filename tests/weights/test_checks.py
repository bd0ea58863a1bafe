"""weights: what may draw with which parts, and what is said otherwise."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pipeline import settings, shards
from pipeline.backbone import load
from pipeline.backbone.frozen import FrozenEncoders
from pipeline.errors import FairnessError, LicenceError, MissingInput, SettingsError
from pipeline.settings import Models
from pipeline.weights import checkpoint, checks
from tests import tiny_models


def written(name: str, models: Models, weights: Path) -> Path:
    torch.manual_seed(0)
    method = checkpoint.create(name, load.load(models.backbone), FrozenEncoders(models))
    (weights / name).mkdir(parents=True)
    checkpoint.save(weights / name, method, checkpoint.describe_parts(method, name, "0" * 16, models))
    return weights / name


@pytest.fixture
def trained(models: Models, tmp_path: Path) -> Path:
    return written("hifi_portrait", models, tmp_path / "weights")


def changed(trained: Path, **values: object) -> None:
    path = trained / checkpoint.CARD
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_weights_draw_with_the_parts_that_they_were_made_with(trained: Path, models: Models) -> None:
    checks.check(trained, models)
    assert checks.read_card(trained)["method"] == "hifi_portrait"


@pytest.mark.parametrize("part", checks.PARTS)
def test_another_part_is_named(trained: Path, models: Models, part: str) -> None:
    changed(trained, **{checks.PARTS[part]: "another"})
    with pytest.raises(SettingsError, match=rf"made with another {part} \(.*\) than models\.{part} in params\.yaml"):
        checks.check(trained, models)


def test_another_head_is_nothing_to_a_method_without_a_canvas(models: Models, tmp_path: Path) -> None:
    folder = written("uniportrait", models, tmp_path)
    changed(folder, head_fingerprint="another")
    checks.check(folder, models)


def test_a_relative_of_the_base_is_allowed_when_it_is_asked_for(trained: Path, models: Models, tmp_path: Path) -> None:
    relative = replace(models, backbone=str(tiny_models.backbone(tmp_path / "relative")))
    (Path(relative.backbone) / "README.md").write_text("another one")
    with pytest.raises(SettingsError, match="another backbone"):
        checks.check(trained, relative)
    checks.check(trained, relative, another_base=True)
    changed(trained, recogniser_fingerprint="another")
    with pytest.raises(SettingsError, match="another recogniser_a"):
        checks.check(trained, relative, another_base=True)


def test_weights_of_other_photos_or_another_budget_enter_no_benchmark(trained: Path, tmp_path: Path) -> None:
    train = settings.load().train
    (tmp_path / "train").mkdir()
    (tmp_path / "train/1.parquet").touch()
    checks.check_contract(trained, tmp_path, train)  # converted: its card says nothing of photos
    changed(trained, data_fingerprint=shards.fingerprint("1.parquet"), train={"images": train.images})
    checks.check_contract(trained, tmp_path, train)
    with pytest.raises(FairnessError, match=r"trained on [\d,]+ images, train\.images is"):
        checks.check_contract(trained, tmp_path, replace(train, images=train.images + 1))
    (tmp_path / "train/2.parquet").touch()
    with pytest.raises(FairnessError, match="trained on other photos"):
        checks.check_contract(trained, tmp_path, train)


def test_no_weights_and_converted_ones_without_a_licence(trained: Path, models: Models) -> None:
    with pytest.raises(MissingInput, match=r"train the method .*; trained: hifi_portrait"):
        checks.check(trained.parent / "instantid", models)
    changed(trained, released=True, licence="not stated")
    with pytest.raises(LicenceError, match="not stated"):
        checks.check(trained, models)
    checks.check(trained, replace(models, allow_non_commercial=True))
