"""The world's detector and head on photos of the world, a tiny backbone, and methods that nobody has trained."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from pipeline import settings
from pipeline.backbone import load as backbone_file
from pipeline.backbone.frozen import FrozenEncoders
from pipeline.settings import Settings
from pipeline.weights import checkpoint
from pipeline.world.population import person
from pipeline.world.scene import group, portrait
from tests import tiny_models

SPOTS = ({"box": [0.1, 0.3, 0.3, 0.8], "yaw": 10}, {"box": [0.6, 0.2, 0.85, 0.7], "expression": {"jawOpen": 0.5}})


@pytest.fixture(scope="session")
def params(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """params.yaml with a tiny backbone and image-text model, and few steps."""
    found = settings.load()
    small = tiny_models.models(tmp_path_factory.mktemp("models"))
    models = replace(found.models, backbone=small.backbone, image_text=small.image_text)
    return replace(found, models=models, generate=replace(found.generate, steps=2))


@pytest.fixture(scope="session")
def weights(params: Settings, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The weights of a method as they are before training, by name."""
    folder = tmp_path_factory.mktemp("weights")

    def made(name: str) -> Path:
        if not (folder / name).exists():
            torch.manual_seed(0)
            method = checkpoint.create(name, backbone_file.load(params.models.backbone), FrozenEncoders(params.models))
            card = checkpoint.card(method, checkpoint.Origin(name, "0" * 16, "", params.models, params.train, 0, {}))
            checkpoint.save(folder / name, method, card)
        return folder / name

    return made


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ada.png, ada2.png, ben.png; both.png shows two people, wall.png nobody, and text.png is no picture."""
    folder = tmp_path_factory.mktemp("photos")
    ada, ben = person(77, 0), person(77, 1)
    pictures = {
        "ada": portrait(ada, 1),
        "ada2": portrait(ada, 2),
        "ben": portrait(ben, 3),
        "both": group([ada, ben], 4),
    }
    for name, photo in pictures.items():
        Image.fromarray(photo.image).save(folder / f"{name}.png")
    Image.new("RGB", (128, 128), (90, 120, 90)).save(folder / "wall.png")
    (folder / "text.png").write_text("not a picture")
    (folder / "layout1.json").write_text(json.dumps(SPOTS[:1]))
    (folder / "layout2.json").write_text(json.dumps(SPOTS))
    return folder
