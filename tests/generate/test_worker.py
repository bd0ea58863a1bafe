"""Drawing cases: rows, seeds, protocols, failures, and shards that are named by what made them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline import records, settings, shards
from pipeline.backbone import load
from pipeline.backbone.batch import Batch
from pipeline.backbone.load import Backbone
from pipeline.benchmark.bounds import BOUNDS
from pipeline.benchmark.cases import CASES_FILE, load_cases
from pipeline.errors import MissingInput
from pipeline.generate import worker as drawing_worker
from pipeline.generate.gallery import Gallery
from pipeline.generate.tasks import GenerationJob, tasks, with_reference_count
from pipeline.generate.worker import worker
from pipeline.images import BadImage, decode
from pipeline.sampler import SamplerSettings
from pipeline.settings import GenerateSettings, Models
from pipeline.training import loop
from pipeline.weights import checkpoint
from tests import tiny_models
from tests.tiny_training import make_plan


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, models: Models) -> Path:
    """Samples, cases and a method trained for a moment."""
    folder = tmp_path_factory.mktemp("project")
    plan = make_plan(folder, models, images=32)
    tiny_models.tested(folder / "samples")
    loop.fit(replace(plan, out=folder / "weights"))
    return folder


def drawing(project: Path, models: Models, name: str, out: Path, **changes: object) -> GenerationJob:
    values = {"protocols": ("free", "layout"), "references": 2, "steps": 2, "guidance": 2.0, "eta": 0.5, "half": False}
    values |= {"cases_per_shard": 4}
    samples = project / "samples"
    chosen = GenerateSettings(**{**values, **changes})
    return GenerationJob(
        name, models, chosen, settings.load().shapes, samples / CASES_FILE, samples, project / "weights", out
    )


def draw(one: GenerationJob) -> list[dict]:
    found = worker(one)
    for task in tasks(one):
        found(task)
    return [row for path in shards.paths(one.out, "images") for row in shards.read(path).to_pylist()]


@pytest.mark.parametrize("name", ["uniportrait", *BOUNDS])
def test_there_is_a_row_per_case_and_protocol(project: Path, models: Models, tmp_path: Path, name: str) -> None:
    one = drawing(project, models, name, tmp_path)
    rows = draw(one)
    assert sorted((row["case_id"], row["protocol"]) for row in rows) == sorted(
        (f"c{number}", protocol) for number in range(6) for protocol in ("free", "layout")
    )
    for row in rows:
        assert row["reject"] is None
        assert decode(row["image"]["bytes"]).shape == (row["height"], row["width"], 3)
        assert row["method"] == name
        assert row["benchmark"] == load_cases(one.cases).hash
    assert shards.read(shards.paths(tmp_path, "images")[0]).schema.names == records.IMAGES.names


def test_the_same_cases_give_the_same_bytes(project: Path, models: Models, tmp_path: Path) -> None:
    for name in ("one", "two"):
        draw(drawing(project, models, "uniportrait", tmp_path / name))
    for first, second in zip(*(shards.paths(tmp_path / name, "images") for name in ("one", "two")), strict=True):
        assert first.name == second.name
        assert first.read_bytes() == second.read_bytes()


def test_a_case_that_cannot_be_drawn_is_a_row_with_its_reason(
    project: Path, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Gallery._reference

    def reference(self: Gallery, shot: object) -> object:
        if shot.photo_id == "t1-0":  # type: ignore[attr-defined]
            raise BadImage("truncated")
        return real(self, shot)  # type: ignore[arg-type]

    monkeypatch.setattr(Gallery, "_reference", reference)
    rows = draw(drawing(project, models, "uniportrait", tmp_path))
    failed = {row["case_id"] for row in rows if row["reject"]}
    assert failed == {"c1", "c4"}  # alone, and with person 0
    assert {row["reject"] for row in rows if row["reject"]} == {"reference: truncated"}
    assert len(rows) == 12


def test_a_picture_that_is_not_finite_is_a_failure(
    project: Path, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(backbone: object, method: object, batch: Batch, seeds: list[int], *_: object) -> torch.Tensor:
        return torch.full((len(seeds), 3, 64, 64), torch.nan)

    monkeypatch.setattr(drawing_worker.sampler, "sample", broken)
    rows = draw(drawing(project, models, "no_id", tmp_path))
    assert {row["reject"] for row in rows} == {"the drawn image is not finite"}


def test_layouts_are_given_in_their_protocol_alone(
    project: Path, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Batch] = []
    real = drawing_worker.sampler.sample

    def draw_and_look(backbone: object, method: object, batch: Batch, *rest: object) -> torch.Tensor:
        seen.append(batch)
        return real(backbone, method, batch, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(drawing_worker.sampler, "sample", draw_and_look)
    draw(drawing(project, models, "uniportrait", tmp_path / "free", protocols=("free",)))
    assert all(batch.layout is None and batch.masks is None for batch in seen)
    seen.clear()
    draw(drawing(project, models, "uniportrait", tmp_path / "layout", protocols=("layout",)))
    for batch in seen:
        assert batch.masks is not None
        assert batch.layout is not None
        assert np.allclose(batch.layout.boxes[0, 0, 1], 0.25)
        assert torch.equal(batch.masks.sum(1), torch.ones_like(batch.masks[:, 0]))


def test_pictures_are_drawn_as_the_settings_say(
    project: Path, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[SamplerSettings] = []

    def look(backbone: Backbone, method: object, batch: Batch, seeds: list[int], how: SamplerSettings) -> torch.Tensor:
        asked.append(how)
        return torch.zeros(len(seeds), 3, *(side * backbone.factor for side in batch.size))

    monkeypatch.setattr(drawing_worker.sampler, "sample", look)
    for half in (False, True):
        draw(drawing(project, models, "uniportrait", tmp_path / str(half), half=half, eta=0.3))
    assert set(asked) == {SamplerSettings(2, 2.0, 0.3, False), SamplerSettings(2, 2.0, 0.3, True)}


def test_tasks_follow_the_weights_and_the_settings(project: Path, models: Models, tmp_path: Path) -> None:
    one = drawing(project, models, "uniportrait", tmp_path)
    names = {task.key for task in tasks(one)}
    assert len(names) == 2
    assert not names & {task.key for task in tasks(drawing(project, models, "uniportrait", tmp_path, steps=3))}
    assert not names & {task.key for task in tasks(drawing(project, models, "no_id", tmp_path))}
    other = tmp_path / "other"
    method = checkpoint.load(one.weights, load.load(models.backbone))
    with torch.no_grad():
        next(method.parameters()).add_(1.0)
    _, about = checkpoint.read(one.weights / checkpoint.WEIGHTS)
    checkpoint.save(_made(other), method, about)
    assert not names & {task.key for task in tasks(replace(one, weights=other))}


def test_a_photo_that_is_not_there_is_one_clear_sentence(project: Path) -> None:
    with pytest.raises(MissingInput, match="photo nowhere of a case is in no test shard"):
        Gallery(project / "samples").source("nowhere")


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_fewer_references_are_the_same_method_with_fewer_photos(
    project: Path, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, how = with_reference_count(
        "uniportrait-no_drop-1_references", drawing(project, models, "x", tmp_path).generate
    )
    assert (name, how.references) == ("uniportrait-no_drop", 1)
    asked = []
    real = Gallery._reference
    monkeypatch.setattr(Gallery, "_reference", lambda self, shot: asked.append(shot) or real(self, shot))
    one = replace(drawing(project, models, "uniportrait-1_references", tmp_path), generate=how)
    assert {row["method"] for row in draw(one)} == {"uniportrait-1_references"}
    cases = load_cases(one.cases).cases
    people = {person.identity_id: person for case in cases for person in case.people}
    assert len(asked) == len(people)
    assert set(asked) <= {person.references[0] for person in people.values()}


@pytest.mark.parametrize(
    ("width", "height", "factor", "expected"),
    [(128, 128, 4, 8), (256, 128, 4, 8), (512, 512, 8, 4), (1024, 512, 8, 2), (1024, 1024, 8, 1), (2048, 1024, 8, 1)],
)
def test_a_batch_holds_as_many_cells_as_eight_canvases_of_the_pack(
    width: int, height: int, factor: int, expected: int
) -> None:
    assert drawing_worker.at_once(width, height, factor) == expected
