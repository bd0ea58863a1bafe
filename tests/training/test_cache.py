"""The cache of what frozen parts say: equal arrays are one file, and ranks need no image encoder."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.settings import Models
from pipeline.training import cache
from pipeline.training.distributed import SINGLE_PROCESS
from pipeline.training.loop import Trainer
from tests.tiny_training import make_plan

TOKENS = np.arange(24, dtype=np.float16).reshape(2, 3, 4)


def inode(folder: Path, key: str, name: str = "patches") -> int:
    return (cache.entry_path(key, folder) / f"{name}.npy").stat().st_ino


def test_an_array_that_two_methods_ask_for_is_one_file(tmp_path: Path) -> None:
    cache.write("one", {"patches": TOKENS, "own": TOKENS[0]}, tmp_path)
    cache.write("two", {"patches": TOKENS.copy(), "own": TOKENS[1]}, tmp_path)
    assert inode(tmp_path, "one") == inode(tmp_path, "two")
    assert inode(tmp_path, "one", "own") != inode(tmp_path, "two", "own")
    assert np.array_equal(cache.read("two", tmp_path)["patches"], TOKENS)
    assert np.array_equal(cache.read("two", tmp_path)["own"], TOKENS[1])


def test_equal_bytes_of_another_shape_or_type_are_another_array(tmp_path: Path) -> None:
    cache.write("one", {"patches": TOKENS}, tmp_path)
    cache.write("two", {"patches": TOKENS.reshape(6, 4)}, tmp_path)
    cache.write("three", {"patches": TOKENS.view(np.int16)}, tmp_path)
    assert len({inode(tmp_path, key) for key in ("one", "two", "three")}) == 3
    assert cache.read("two", tmp_path)["patches"].shape == (6, 4)
    assert cache.read("three", tmp_path)["patches"].dtype == np.int16


def test_arrays_of_deleted_entries_go(tmp_path: Path) -> None:
    cache.write("one", {"patches": TOKENS}, tmp_path)
    shutil.rmtree(cache.entry_path("one", tmp_path))
    cache.write("two", {"patches": TOKENS[:1]}, tmp_path)
    assert len(list((tmp_path / cache.ARRAYS).iterdir())) == 1


def test_a_file_system_without_links_keeps_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise OSError("not supported")

    monkeypatch.setattr(os, "link", link)
    for key in ("one", "two"):
        cache.write(key, {"patches": TOKENS}, tmp_path)
        assert np.array_equal(cache.read(key, tmp_path)["patches"], TOKENS)


def test_control_images_come_back_one_by_one_and_take_less(tmp_path: Path) -> None:
    images = [np.zeros((8, 16, 3), np.uint8) for _ in range(3)]
    for number, image in enumerate(images):
        image[number : 4 + number, 4:8] = np.arange(3) + 100 * number
    cache.write("one", cache.packed(images, (16, 8)) | cache.packed(images[:1], (8, 16)), tmp_path)
    entry = cache.read("one", tmp_path)
    for row, image in enumerate(images):
        assert np.array_equal(cache.control_image(entry, (16, 8), 3, row), image)
    assert entry["control-16x8"].nbytes < sum(image.nbytes for image in images) / 3


def test_a_rank_loads_no_image_encoder(models: Models, tmp_path: Path) -> None:
    plan = make_plan(tmp_path, models, "ip_adapter_faceid_plus")
    without = replace(plan, models=replace(models, image_text=str(tmp_path / "nowhere")))
    null = Trainer(without, SINGLE_PROCESS).method.null_features
    assert null["patches"].abs().sum() > 0  # those of a grey picture, not zeros
    assert {name: value.shape for name, value in null.items()} == {
        name: value.shape for name, value in Trainer(plan, SINGLE_PROCESS).method.null_features.items()
    }


def test_methods_share_the_tokens_of_faces(models: Models, tmp_path: Path) -> None:
    plans = [make_plan(tmp_path, models, name) for name in ("ip_adapter_faceid_plus", "uniportrait")]
    found = [cache.read(plan.face_keys[0], plan.cache) for plan in plans]
    assert found[0]["patches"].dtype == np.float16
    assert np.array_equal(found[0]["patches"], found[1]["patches"])
    assert np.array_equal(found[0]["embedding"], found[1]["embedding"])
