"""The measurement of what an ID loss costs, at a size that says nothing but that it runs."""

from dataclasses import replace

import pytest

from pipeline.backbone.load import load
from pipeline.encoders.recogniser import load_torch_recogniser
from pipeline.settings import Models
from tests import tiny_models
from tests.benchmarks import identity_loss


@pytest.fixture
def size(models: Models) -> identity_loss.Size:
    return replace(
        identity_loss.SIZES["world"],
        backbone=lambda: load(models.backbone, "cpu"),
        judge=lambda: load_torch_recogniser(models.recogniser_a),
        dimension=tiny_models.EMBEDDING,
        context=(16, 16),
        patches=(4, 32),
        pictures=2,
        side=8,
        turns=1,
    )


@pytest.mark.parametrize("judge", identity_loss.JUDGES)
def test_every_judge_is_measured_beside_plain_steps(size: identity_loss.Size, judge: str) -> None:
    found = identity_loss.measure(size, judge)
    assert set(found["seconds"]) == {"plain", judge}
    assert found["peak_mb"] > 0
    assert identity_loss.line(judge, found, 0).startswith(f"| {judge} | ")
