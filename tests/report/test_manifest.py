"""manifest: what is said of a training."""

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from pipeline import shards
from pipeline.report import manifest


def test_a_method_has_the_parameters_that_all_of_its_phases_left(tmp_path: Path) -> None:
    """The largest phase alone says too little; what stands for no reference is not trained."""
    shards.write_metrics(tmp_path, {"images_seen": 8, "trainable_parameters": 6})
    kept = {"identity.weight": (2, 3), "router.bias": (4,), "scale": (), "null_embedding": (100,)}
    save_file({name: np.zeros(shape, np.float32) for name, shape in kept.items()}, tmp_path / "adapter.safetensors")
    facts = {fact.name: fact.value for fact in manifest._training_facts(tmp_path)}
    assert facts == {"images_seen": "8", "trainable_parameters": "11"}


def test_a_training_without_weights_says_what_it_measured(tmp_path: Path) -> None:
    assert manifest._training_facts(tmp_path) == ()
    shards.write_metrics(tmp_path, {"images_seen": 8})
    assert [fact.name for fact in manifest._training_facts(tmp_path)] == ["images_seen"]
