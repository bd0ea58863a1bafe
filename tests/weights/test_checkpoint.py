"""Weights on disk."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from pipeline import shards
from pipeline.backbone import load
from pipeline.backbone.frozen import FrozenEncoders
from pipeline.errors import MissingInput, ShardError, StorageError
from pipeline.method import Method
from pipeline.settings import Models, TrainSettings
from pipeline.weights import checkpoint

TRAIN = TrainSettings(160, 4, 1, 1e-3, 5.0, 2.0, 0.5, False, 60.0, 1, 0)


def write(folder: Path, models: Models) -> Method:
    backbone = load.load(models.backbone)
    torch.manual_seed(3)
    method = checkpoint.create("uniportrait", backbone, FrozenEncoders(models))
    origin = checkpoint.Origin("uniportrait", "f", "d", models, TRAIN, 160, {"single": 7})
    checkpoint.save(folder, method, checkpoint.card(method, origin))
    return method


def test_weights_come_back_with_their_card(tmp_path: Path, models: Models) -> None:
    written = write(tmp_path, models).state_dict()
    backbone = load.load(models.backbone)
    read = checkpoint.load(tmp_path, backbone).state_dict()
    assert written.keys() == read.keys()
    assert all(torch.equal(read[name], written[name]) for name in read)
    card = json.loads((tmp_path / checkpoint.CARD).read_text())
    assert (card["images_seen"], card["trainable_parameters"]) == (160, {"single": 7})
    assert "licence" in card
    for part, said in (("backbone", "backbone"), ("recogniser_a", "recogniser"), ("image_text", "image_text")):
        assert card[f"{said}_fingerprint"] == shards.directory_fingerprint(Path(getattr(models, part)))
    assert card["head_fingerprint"] == shards.file_fingerprint([Path(models.head)])
    assert checkpoint.finished(tmp_path, "f")
    assert not checkpoint.finished(tmp_path, "another run")


def test_an_untrained_or_corrupt_method_is_one_clear_sentence(tmp_path: Path, models: Models) -> None:
    backbone = load.load(models.backbone)
    with pytest.raises(MissingInput, match="train the method first"):
        checkpoint.load(tmp_path, backbone)
    write(tmp_path, models)
    (tmp_path / checkpoint.WEIGHTS).write_bytes(b"nonsense")
    with pytest.raises(ShardError, match="corrupt"):
        checkpoint.load(tmp_path, backbone)


def test_weights_with_a_setting_that_is_no_more_are_one_clear_sentence(tmp_path: Path, models: Models) -> None:
    method = write(tmp_path, models)
    card = json.loads((tmp_path / checkpoint.CARD).read_text())
    checkpoint.save(tmp_path, method, card | {"settings": card["settings"] | {"old_name": 1}})
    with pytest.raises(MissingInput, match="uniportrait has no setting old_name: the weights are of another code"):
        checkpoint.load(tmp_path, load.load(models.backbone))


def test_weights_on_a_full_disk_are_one_clear_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: object, path: Path, **__: object) -> None:
        path.write_bytes(b"half")
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(checkpoint, "save_file", full)
    state = checkpoint.TrainingState({}, {}, 0, 0, 0.0)
    with pytest.raises(StorageError, match="No space left on device"):
        checkpoint.Checkpoint(tmp_path / "c.safetensors", "mine").write(state)
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_of_another_run_is_ignored(tmp_path: Path) -> None:
    state = checkpoint.TrainingState({"w": torch.ones(2)}, {"0/step": torch.tensor(3.0)}, 1, 20, 2.5)
    checkpoint.Checkpoint(tmp_path / "c.safetensors", "mine").write(state)
    found = checkpoint.Checkpoint(tmp_path / "c.safetensors", "mine").read()
    assert found
    assert (found.phase, found.step, found.optimiser["0/step"].item()) == (1, 20, 3.0)
    assert checkpoint.Checkpoint(tmp_path / "c.safetensors", "other").read() is None
