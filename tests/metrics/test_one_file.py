"""A metric needs its file and its name under `metrics`: CLIP-I is made here, scores images and stands in a report."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pipeline import metrics, plugins, settings, shards
from pipeline.report.build import build
from tests.metrics.evidence import evidence, nobody, person, turned
from tests.report import fake_run

SOURCE = '''"""Does the picture look like the people's photographs? CLIP-I with the run's image-text model."""

import numpy as np

from pipeline.metric import Card, Evidence, Score, cosines

CARDS = (
    Card(
        "clip_i", "Image similarity", "100 x mean cosine between the image and each person's held-out photographs.",
        "100 x cosine", "higher", -100, 100, absent="counts as 0",
    ),
)


def score(evidence: Evidence) -> list[Score]:
    return [Score("clip_i", slot, _alike(evidence.image, person), not evidence.present, "image_text")
            for slot, person in enumerate(evidence.people)]


def _alike(image: np.ndarray | None, person: object) -> float:
    return 0.0 if image is None else 100.0 * float(cosines(image[None], person.held_out_images).mean())
'''


@pytest.fixture
def name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Its file, beside those of pipeline/metrics, and the settings of a run that names it."""
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics" / "clip_i.py").write_text(SOURCE)
    monkeypatch.setattr(metrics, "__path__", [*metrics.__path__, str(tmp_path / "metrics")])
    monkeypatch.delitem(sys.modules, "pipeline.metrics.clip_i", raising=False)
    monkeypatch.delattr(metrics, "clip_i", raising=False)
    loaded = settings.load()
    monkeypatch.setattr(settings, "load", lambda: replace(loaded, metrics=(*loaded.metrics, "clip_i")))
    return "clip_i"


def test_a_new_metric_reads_the_images_of_the_model_that_reads_prompts(name: str) -> None:
    """Photographs at 0 and 60 degrees from the image: cosines 1 and 0.5."""
    angles = np.radians([0.0, 60.0])
    photographs = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    who = replace(person("ada", [turned(0)], [turned(0)]), held_out_images=photographs)
    module = plugins.load("metrics", name)
    assert module.score(evidence([who], [turned(0)], [0]))[0].value == pytest.approx(75.0)
    missing = module.score(nobody([who]))[0]
    assert (missing.value, missing.missing) == (0.0, True)


def test_a_new_metric_stands_in_the_report_with_its_card(name: str, tmp_path: Path) -> None:
    fake_run.write(tmp_path, people=12, casts=(8,))
    build(tmp_path / "data", tmp_path / "site", fake_run.chosen())
    rows = shards.read_all(tmp_path / "data/scores/uniportrait", "scores").to_pandas()
    found = rows[(rows["metric"] == name) & (rows["method"] == "uniportrait")]
    assert len(found) == 16  # 8 cases of one person under both protocols
    assert found["value"].notna().all()
    board = pd.read_csv(tmp_path / "site/leaderboard.csv")
    assert board.loc[(board["metric"] == name) & (board["method"] == "uniportrait"), "mean"].notna().all()
    page = (tmp_path / "site/index.html").read_text()
    assert "Image similarity" in page
    assert "each person&#39;s held-out photographs" in page
