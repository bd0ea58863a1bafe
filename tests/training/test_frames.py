"""Photos that are shown in part: latents, places, control images and SDXL's sizes are those of the crop."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from pipeline import images, records, shards
from pipeline import method as contract
from pipeline.backbone import load
from pipeline.head.head_pose import HeadPose
from pipeline.settings import Models
from pipeline.shards import training_shards
from pipeline.training import cache, features, latents, loop, tasks
from pipeline.training.cache import read
from pipeline.training.dataset import TrainingSet
from pipeline.training.distributed import SINGLE_PROCESS
from pipeline.training.plan import TrainingPlan
from pipeline.training.randomness import StepKey
from tests import tiny_models
from tests.tiny_models import EMBEDDING, EXPRESSION, SHAPE
from tests.tiny_training import train_settings

CROP, SIZE = [8.0, 4.0, 56.0, 40.0], [64, 48]  # 4 pixels of the sample for 3 of the photo
METHOD = "instantid"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two photos of one person: the first in part, the second whole."""
    found = tmp_path_factory.mktemp("frames")
    rows = [tiny_models.samples_row(), tiny_models.samples_row()]
    rows[0] |= {"crop": CROP, "size": SIZE, "scale": SIZE[0] / (CROP[2] - CROP[0])}
    rows[1] |= {"photo_id": "p0-1", "faces": [{**rows[1]["faces"][0], "face_id": "p0-1-0"}]}
    wanted = records.samples(EMBEDDING, SHAPE, EXPRESSION)
    shards.write(found / "train/0.parquet", pa.Table.from_pylist(rows, schema=wanted), wanted)
    tiny_models._references(found, rows)
    return found


@pytest.fixture(scope="module")
def training(folder: Path, models: Models) -> tuple[TrainingSet, dict[str, np.ndarray]]:
    files, kept = training_shards(folder), folder / "cache"
    seen, faces = tasks.latent_tasks(files, models)[0], tasks.feature_tasks(files, models, METHOD)[0]
    latents.LatentWorker(models, kept)(seen)
    features.FeatureWorker(models, METHOD, kept)(faces)
    return TrainingSet(folder, [seen.key], [faces.key], kept), read(faces.key, kept)


def photo() -> images.Pixels:
    return images.decode(tiny_models.samples_row()["image"]["bytes"])


def test_latents_are_those_of_the_crop(training: tuple[TrainingSet, dict[str, np.ndarray]], models: Models) -> None:
    shown = images.to_unit(images.cut(photo(), CROP, SIZE))
    pixels = torch.from_numpy(shown).permute(2, 0, 1)[None]
    expected = torch.cat(load.load(models.backbone).encode(pixels), dim=1)[0].numpy()
    assert training[0].photos[0].size == (64, 48)
    assert np.allclose(training[0]._moments(0), expected, atol=1e-4)


def test_places_are_fractions_of_the_crop(training: tuple[TrainingSet, dict[str, np.ndarray]]) -> None:
    face, before = training[0].faces[0], tiny_models.samples_row()["faces"][0]
    assert np.allclose(face.box, [(16 - 8) / 48, (16 - 4) / 36, (48 - 8) / 48, (48 - 4) / 36])
    points = np.array(before["landmarks"]).reshape(-1, 2) + 0.5
    assert np.allclose(face.landmarks, (points - CROP[:2]) / [48, 36], atol=1e-6)


def test_control_images_are_painted_at_the_size_of_the_crop(
    training: tuple[TrainingSet, dict[str, np.ndarray]],
) -> None:
    """The head is painted in the crop where the whole photo's, cut and grown, has it."""
    kind = contract.method_class(METHOD)
    whole = HeadPose.from_photo(tiny_models.samples_row()["faces"][0])
    found = cache.control_image(training[1], (64, 48), kind.control_channels, 0).astype(int)
    drawn = kind.render_control(tiny_models.head(), [whole], (64, 64))[..., :3]
    expected = images.cut(np.ascontiguousarray(drawn), CROP, SIZE).astype(int)
    assert found.shape[:2] == (48, 64)
    assert np.corrcoef(found[..., :3].ravel(), expected.ravel())[0, 1] > 0.8


def test_features_of_faces_come_from_the_whole_photo(training: tuple[TrainingSet, dict[str, np.ndarray]]) -> None:
    """The same face of the same photo, shown in part and whole, says the same."""
    for name, value in training[1].items():
        if not name.startswith("control"):
            assert np.array_equal(value[0], value[1]), name


def test_sdxl_is_told_of_the_crop(training: tuple[TrainingSet, dict[str, np.ndarray]]) -> None:
    """Original height and width, top and left of the crop in pixels of the sample, height and width of the sample."""
    assert training[0]._text([0]).sizes.tolist() == [[64, 64, round(4 * 4 / 3), round(8 * 4 / 3), 48, 64]]
    assert training[0]._text([1]).sizes.tolist() == [[64, 64, 0, 0, 64, 64]]


def test_the_unet_of_sdxl_is_told_the_numbers_of_the_row(folder: Path, tmp_path: Path) -> None:
    """From the shard to the embedding of its times: what reaches it is what the row says of the crop."""
    models, kept, files = tiny_models.models(tmp_path / "sdxl", "sdxl"), tmp_path / "cache", training_shards(folder)
    seen, faces = tasks.latent_tasks(files, models)[0], tasks.feature_tasks(files, models, METHOD)[0]
    null = tasks.null_task(models, METHOD)
    latents.LatentWorker(models, kept)(seen)
    for task in (faces, null):
        features.FeatureWorker(models, METHOD, kept)(task)
    train = train_settings(batch=1, close_ups=0.0)
    plan = TrainingPlan(METHOD, models, train, folder, (seen.key,), (faces.key,), null.key, kept, tmp_path / "out")
    trainer, told = loop.Trainer(plan, SINGLE_PROCESS), list[list[float]]()
    for net in (trainer.backbone.unet, trainer.method.net.net):
        net.add_time_proj.register_forward_pre_hook(lambda _, given: told.append(given[0].tolist()))
    phase = trainer.phases[0]
    for photo in (0, 1):
        with torch.no_grad():
            trainer.method.denoised(trainer.batches.at(phase, StepKey(*phase.people, 0), [photo]))
    assert told[:2] == [[64, 64, 5, 11, 48, 64]] * 2  # UNet and condition net: 4 and 8 pixels, four thirds as large
    assert told[2:] == [[64, 64, 0, 0, 64, 64]] * 2
