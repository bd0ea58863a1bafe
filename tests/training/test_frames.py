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
from pipeline.training import cache, features, latents, tasks
from pipeline.training.cache import read
from pipeline.training.dataset import TrainingSet
from tests import tiny_models
from tests.tiny_models import EMBEDDING, EXPRESSION, SHAPE

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
    files, kept = shards.training_shards(folder), folder / "cache"
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
