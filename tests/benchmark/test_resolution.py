"""How large a backbone's pictures are, from its configs."""

import json
from pathlib import Path

import pytest

from pipeline.benchmark import resolution
from pipeline.benchmark.resolution import Resolution
from pipeline.errors import MissingInput, SettingsError
from tests import tiny_models

PUBLISHED = {"sd15": (64, 4, Resolution(512, 64)), "sdxl": (128, 3, Resolution(1024, 64))}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_sizes(tmp_path: Path, name: str) -> None:
    cells, blocks, expected = PUBLISHED[name]
    write(tmp_path, {"sample_size": cells, "block_out_channels": [8] * blocks}, {"block_out_channels": [8] * 4})
    assert resolution.of(tmp_path) == expected


def test_the_pack_and_a_backbone_that_diffusers_wrote(tmp_path: Path) -> None:
    assert resolution.of("pipeline/pack/models/backbone") == Resolution(128, 32)
    assert resolution.of(tiny_models.backbone(tmp_path)) == Resolution(64, 16)  # 8 cells of 8 pixels, two levels


def test_another_side_that_is_asked_for() -> None:
    assert resolution.of("pipeline/pack/models/backbone", 256) == Resolution(256, 32)
    assert resolution.of("pipeline/pack/models/backbone", 512) == Resolution(512, 64)


def test_sizes_are_multiples_and_never_nothing() -> None:
    assert Resolution(512, 64).rounded(700, 10) == (704, 64)


def test_a_backbone_that_does_not_say_it(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"no .*unet/config.json: models.backbone must be"):
        resolution.of(tmp_path)
    for unet in ({"block_out_channels": [8]}, {"sample_size": "large", "block_out_channels": [8]}):
        write(tmp_path, unet, {"block_out_channels": [8]})
        with pytest.raises(SettingsError, match="must state sample_size and block_out_channels"):
            resolution.of(tmp_path)


def write(folder: Path, unet: dict, vae: dict) -> None:
    for name, config in (("unet", unet), ("vae", vae)):
        (folder / name).mkdir(exist_ok=True)
        (folder / name / "config.json").write_text(json.dumps(config))
