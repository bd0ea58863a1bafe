"""The sampler: seeds, batches, guidance, and nothing added by a method that is nothing."""

import pytest
import torch

from pipeline.backbone import load, sample
from pipeline.backbone.batch import Batch, People
from pipeline.backbone.load import Backbone
from pipeline.method import Method
from pipeline.settings import Models


@pytest.fixture(scope="module")
def backbone(models: Models) -> Backbone:
    return load.load(models.backbone)


def draw(backbone: Backbone, prompts: list[str], seeds: list[int], **options: float) -> torch.Tensor:
    people = People({}, torch.zeros(len(prompts), 1, 0, dtype=torch.bool))
    batch = Batch(backbone.encode_text(prompts), people, (8, 8))
    return sample.draw(backbone, Method(backbone.unet, {}), batch, seeds, int(options.get("steps", 3)), 2.0)


def test_a_picture_depends_on_its_own_seed_alone(backbone: Backbone) -> None:
    both = draw(backbone, ["a of b", "aa of c"], [3, 7])
    assert both.shape == (2, 3, 64, 64)
    assert torch.allclose(both[1:], draw(backbone, ["aa of c"], [7]), atol=1e-4)
    assert not torch.allclose(both[1:], draw(backbone, ["aa of c"], [8]), atol=1e-2)


def test_drawing_twice_gives_the_same_bytes(backbone: Backbone) -> None:
    assert torch.equal(draw(backbone, ["a of b"], [3]), draw(backbone, ["a of b"], [3]))


def test_a_perfect_denoiser_is_followed_to_the_clean_picture(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(5))

    def denoise(noisy: torch.Tensor, times: torch.Tensor, *_: object) -> torch.Tensor:
        signal, spread = backbone._levels(times)
        noise = (noisy - signal * wanted) / spread
        return backbone.target(wanted.expand_as(noisy), noise, times)

    monkeypatch.setattr(backbone, "denoise", denoise)
    found = draw(backbone, ["a of b"], [1], steps=20)
    assert torch.allclose(found, backbone.decode(wanted), atol=0.05)
