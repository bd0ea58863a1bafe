"""A small data/ folder up to shapes: circles of people with portraits and groups, and photos that must be rejected."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import settings, shards
from pipeline.samples import selection
from pipeline.settings import SamplesSettings
from pipeline.shapes.faces import faces_with_identity
from pipeline.shapes.tasks import tasks
from pipeline.shapes.worker import ShapeWorker
from tests import tiny_data
from tests.tiny_data import HEAD, Photo

CIRCLES = [[f"c{circle}p{person}" for person in range(4)] for circle in range(8)]
PROMPT = "a photo of a person with long red hair, smiling, in a garden"
RULES = selection.rules(settings.load())


def photos() -> Iterator[Photo]:
    for circle in CIRCLES:
        for name in circle:
            yield from (Photo((name,), f"a portrait number {seed}", seed=seed) for seed in range(4))
        yield from (Photo((circle[seed], circle[3]), "two people by the sea", seed=seed) for seed in range(3))
        yield Photo(tuple(circle[:3]), "three friends")
    yield Photo((), "nobody known", extra=1)
    yield Photo(("c0p0",), "with a stranger", extra=1)
    yield Photo(("c1p0", "c1p0"), "twins?")
    yield Photo(("recluse",), "just one photo of them")
    yield from (Photo((name,), f"{PROMPT.upper()}!", seed=9) for circle in CIRCLES for name in circle)


@pytest.fixture
def chosen() -> SamplesSettings:
    return replace(settings.load().samples, test_share=0.3, validation_share=0.15, cases=(6, 4, 2), seed=1)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Treat as read-only; samples go elsewhere."""
    folder = tiny_data.write(tmp_path_factory.mktemp("data"), list(photos()))
    fit(folder)
    return folder


def fit(folder: Path) -> None:
    """Run the shapes stage's worker on a tiny data folder."""
    wanted = settings.load().shapes
    todo = tasks(faces_with_identity(folder / "faces", folder / "identities"), wanted, HEAD)
    worker = ShapeWorker(wanted, HEAD, folder / "crawl", folder / "shapes")
    shards.remove_stale(folder / "shapes", "shapes", todo)
    for task in shards.missing(folder / "shapes", "shapes", todo):
        worker(task)
