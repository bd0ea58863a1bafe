"""Every method trains and draws at every size of a run, at four and eight pixels a cell, from photographs as framed."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from pipeline import images, plugins, records, sampler, settings, shards
from pipeline.backbone import load
from pipeline.backbone.batch import Reference
from pipeline.backbone.frozen import FrozenEncoders
from pipeline.benchmark import resolution
from pipeline.head.head_pose import HeadPose
from pipeline.inference.batching import BatchBuilder, Scene
from pipeline.method import Phase
from pipeline.samples import framing
from pipeline.samples.framing import Frame, Framing, Rect, Size, framed
from pipeline.settings import Models
from pipeline.training import cache, loop, tasks
from pipeline.training.distributed import SINGLE_PROCESS
from pipeline.training.features import FeatureWorker
from pipeline.training.latents import LatentWorker
from pipeline.training.optimiser import Gradients
from pipeline.training.plan import TrainingPlan
from pipeline.training.randomness import StepKey
from pipeline.weights import checkpoint
from tests import tiny_models
from tests.tiny_training import train_settings

pytestmark = pytest.mark.long

NAMES = plugins.names("methods")
# A size of photographs each, beside those that fit no multiple of eight: they made spatial condition nets fail.
ODD = [(250, 250), (1600, 1067), (375, 500)]
EMBEDDING, BOX = np.ones(tiny_models.EMBEDDING, np.float32) * 8**-0.5, np.array([-10.0, -10.0, 10.0, 10.0])
BATCH, DRAWN = 2, sampler.SamplerSettings(steps=1, guidance=2.0)


@dataclass(frozen=True)
class Shown:
    """Models of so many pixels a cell, the sizes of a run with them, and photographs framed for it."""

    models: Models
    rules: Framing
    samples: Path
    cache: Path
    photo_keys: tuple[str, ...]


@pytest.fixture(scope="module", params=[("sd", 4), ("sdxl", 8)], ids=str)
def shown(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Shown:
    folder = tmp_path_factory.mktemp("sizes")
    models = tiny_models.models(folder / "models", *request.param)
    drawn = resolution.of(models.backbone)
    rules = framing.framing(drawn.side, drawn.multiple, 8.0)
    rows = list(photographs(rules))
    wanted = records.samples(tiny_models.EMBEDDING, tiny_models.SHAPE, tiny_models.EXPRESSION)
    shards.write(folder / "samples/train/0.parquet", pa.Table.from_pylist(rows, schema=wanted), wanted)
    tiny_models._references(folder / "samples", rows)
    todo = tasks.latent_tasks(shards.training_shards(folder / "samples"), models)
    for task in todo:
        LatentWorker(models, folder / "cache")(task)
    return Shown(models, rules, folder / "samples", folder / "cache", tuple(task.key for task in todo))


def photographs(rules: Framing) -> Iterator[dict]:
    """Rows of photographs of one person and of two, as many of each size as a batch takes."""
    whole = [(3 * width + 7, 3 * height + 5) for width, height in rules.sizes]
    for number, size in enumerate([*whole, rules.canvas, *ODD]):
        for people in ([0], [1], [0, 1], [1, 0])[:: 1 + (size in ODD)]:
            yield photograph(f"{number:02}-{''.join(map(str, people))}", size, people, rules)


def photograph(name: str, size: Size, people: list[int], rules: Framing) -> dict:
    """A photograph in whose middle is what tiny_models makes of the people, grown to half of what there is room for."""
    row, (width, height) = tiny_models._row(name, people), size
    grown = max(0.75, 0.5 * min(width / row["width"], height / row["height"]))
    left, top = (width - grown * row["width"]) / 2, (height - grown * row["height"]) / 2
    seen = [-left / grown, -top / grown, (width - left) / grown, (height - top) / grown]
    faces = [framed(face, seen, size) for face in row["faces"]]
    frame = rules.frame(size, [Rect(*face["box"]) for face in faces])
    assert isinstance(frame, Frame), f"{name}: {frame}"
    pixels = np.linspace((0, 40, 80), (160, 200, 240), width * height).reshape(height, width, 3).astype(np.uint8)
    data = {"bytes": images.encode_jpeg(pixels), "path": f"{name}.jpg"}
    cut = {"crop": list(frame.crop), "size": list(frame.size), "scale": frame.scale}
    return {**row, **cut, "image": data, "width": width, "height": height, "faces": faces}


def trainer_of(name: str, shown: Shown, folder: Path, close_ups: float) -> loop.Trainer:
    todo = tasks.feature_tasks(shards.training_shards(shown.samples), shown.models, name)
    null = tasks.null_task(shown.models, name)
    worker = FeatureWorker(shown.models, name, shown.cache)
    for task in cache.unfinished([*todo, null], shown.cache):
        worker(task)
    train = train_settings(batch=BATCH, close_ups=close_ups)
    keys = shown.photo_keys, tuple(task.key for task in todo), null.key
    plan = TrainingPlan(name, shown.models, train, shown.samples, *keys, shown.cache, folder)
    return loop.Trainer(plan, SINGLE_PROCESS)


def by_size(trainer: loop.Trainer, phase: Phase) -> dict[Size, list[int]]:
    """The photos that a phase may show, by size."""
    found: dict[Size, list[int]] = {}
    for photo in trainer.data.eligible(phase.people):
        found.setdefault(trainer.data.photos[photo].size, []).append(photo)
    return found


@pytest.mark.parametrize("close_ups", [0.0, 1.0])
@pytest.mark.parametrize("name", NAMES)
def test_it_trains_a_step_at_every_size(name: str, shown: Shown, close_ups: float, tmp_path: Path) -> None:
    trainer = trainer_of(name, shown, tmp_path, close_ups)
    for phase in trainer.phases:
        if close_ups and phase.people != (1, 1):  # has none
            continue
        trainer.method.on_phase_start(phase)
        trainer.method.on_phase_resume(phase)
        gradients = Gradients(trainer.optimiser(phase).parameters, len(phase.losses))
        photos = by_size(trainer, phase)
        assert set(photos) == {*shown.rules.sizes, shown.rules.canvas}
        for step, chosen in enumerate(photos.values()):
            terms = trainer._step(phase, StepKey(*phase.people, step), chosen[:BATCH], gradients)
            assert set(terms) == set(phase.losses)
            assert gradients.buffer.any()


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_it_draws_at_every_size(name: str, shown: Shown) -> None:
    """One person and two, where a layout wants them."""
    torch.manual_seed(0)
    backbone = load.load(shown.models.backbone)
    frozen = FrozenEncoders(shown.models, backbone)
    method = checkpoint.create(name, backbone, frozen)
    method.attach(backbone.unet)
    builder = BatchBuilder(method, backbone, frozen, settings.load().shapes)
    known = builder.encode_person([Reference(np.full((112, 112, 3), 90, np.uint8), EMBEDDING, tiny_models.head_pose())])
    for size in (*shown.rules.sizes, shown.rules.canvas):
        for people in (1, 2):
            batch = builder.batch([Scene("a of b", *size, [known] * people, layout(size, people))])
            pictures = sampler.sample(backbone, method, batch, [1], DRAWN)
            assert pictures.shape == (1, 3, size[1], size[0])
            assert pictures.isfinite().all()


def layout(size: Size, people: int) -> tuple[HeadPose, ...]:
    """Heads side by side."""
    width, height = size
    places = [((slot + 0.5) * width / people, height / 2) for slot in range(people)]
    landmarks = np.linspace((-8, -8), (8, 8), 68, dtype=np.float32)
    return tuple(
        replace(tiny_models.head_pose(place, 10.0), landmarks=landmarks + place, box=np.array([*place, *place]) + BOX)
        for place in places
    )
