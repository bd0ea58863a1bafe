"""The frozen backbone: noise and targets in any parameterisation, latents, text, and what is wrong with a folder."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pipeline.backbone import load
from pipeline.errors import MissingInput, SettingsError
from pipeline.settings import Models


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_the_right_prediction_gives_back_the_clean_latents(models: Models, kind: str) -> None:
    backbone = load.load(models.backbone)
    backbone.prediction = kind
    latents, noise = torch.randn(3, 4, 8, 8), torch.randn(3, 4, 8, 8)
    times = torch.tensor([0, 500, 999])
    noisy = backbone.noisy(latents, noise, times)
    found = backbone.clean(noisy, backbone.target(latents, noise, times), times)
    assert torch.allclose(found, latents, atol=1e-2)


def test_weights_never_exceed_one_and_never_hide_the_noisiest_step(models: Models) -> None:
    backbone = load.load(models.backbone)
    times = torch.tensor([0, 999])
    assert backbone.weights(times, 5.0)[0] < 0.01  # almost no noise
    assert backbone.weights(times, 5.0)[1] == 1.0


def test_texts_have_the_unets_width_and_only_sdxl_a_pooled_one(any_models: Models) -> None:
    backbone = load.load(any_models.backbone)
    text = backbone.encode_text(["a of b", ""])
    assert text.hidden.shape == (2, 16, 16)
    assert text.ids.shape == (2, 16)
    assert (text.pooled is None) == ("sdxl" not in Path(any_models.backbone).parent.name)


def test_pictures_and_latents_have_fitting_sizes(models: Models) -> None:
    backbone = load.load(models.backbone)
    mean, deviation = backbone.encode(torch.zeros(2, 3, 64, 128))
    assert mean.shape == deviation.shape == (2, 4, 8, 16)
    assert backbone.decode(mean).shape == (2, 3, 64, 128)


def test_a_missing_or_foreign_folder_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"no model_index\.json"):
        load.load(tmp_path)
    (tmp_path / "model_index.json").write_text('{"_class_name": "FluxPipeline"}')
    with pytest.raises(SettingsError, match="FluxPipeline"):
        load.load(tmp_path)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("epsilon", [5 / 9, 1.0, 1.0]),  # min(SNR, 5) / SNR
        ("sample", [5.0, 1.0, 1 / 9]),  # min(SNR, 5)
        ("v_prediction", [0.5, 1.0, 1.0]),  # min(SNR + 1, 5) / (SNR + 1)
    ],
)
def test_min_snr_weights_by_hand(models: Models, kind: str, expected: list[float]) -> None:
    """Shares of signal of 0.9, 0.5 and 0.1 are signal-to-noise ratios of 9, 1 and 1/9; gamma is 5."""
    backbone = load.load(models.backbone)
    backbone.alphas, backbone.prediction = torch.tensor([0.9, 0.5, 0.1]), kind
    assert backbone.weights(torch.tensor([0, 1, 2]), 5.0).tolist() == pytest.approx(expected)


@pytest.mark.parametrize(("kind", "target"), [("epsilon", 2.0), ("sample", 1.0), ("v_prediction", 0.4)])
def test_noise_and_target_by_hand(models: Models, kind: str, target: float) -> None:
    """Signal 0.6 and noise 0.8 of latents 1 and noise 2: 0.6 + 1.6; v is 0.6 * 2 - 0.8 * 1."""
    backbone = load.load(models.backbone)
    backbone.alphas, backbone.prediction = torch.tensor([0.36]), kind
    latents, noise, times = torch.full((1, 4, 2, 2), 1.0), torch.full((1, 4, 2, 2), 2.0), torch.tensor([0])
    assert torch.allclose(backbone.noisy(latents, noise, times), torch.tensor(2.2))
    assert torch.allclose(backbone.target(latents, noise, times), torch.tensor(target))


def test_moments_and_pictures_are_scaled_both_ways(models: Models) -> None:
    """Latents are 0.18215 times what the autoencoder calls them (Rombach et al. 2022), their deviation too."""
    backbone = load.load(models.backbone)
    pixels = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    found, (mean, deviation) = backbone.vae.encode(pixels).latent_dist, backbone.encode(pixels)
    assert torch.allclose(mean, 0.18215 * found.mean)
    assert torch.allclose(deviation, 0.18215 * found.std)
    assert torch.allclose(backbone.pixels(0.18215 * found.mean), backbone.vae.decode(found.mean).sample, atol=1e-5)


def test_sdxl_is_told_the_pictures_size_and_that_nothing_is_cropped(any_models: Models) -> None:
    """Original size, upper left corner of the crop and wanted size, height before width (Podell et al. 2023, 2.2)."""
    backbone = load.load(any_models.backbone)
    told = backbone.added(backbone.encode_text(["a of b"]), torch.zeros(2, 4, 8, 16))
    if "sdxl" not in Path(any_models.backbone).parent.name:
        assert told is None
    else:
        assert told is not None
        assert told["time_ids"].tolist() == [[64, 128, 0, 0, 64, 128]] * 2
        sizes = torch.tensor([[600, 900, 10, 20, 64, 128], [70, 80, 0, 3, 64, 128]])
        told = backbone.added(replace(backbone.encode_text(["a", "b"]), sizes=sizes), torch.zeros(2, 4, 8, 16))
        assert told is not None
        assert torch.equal(told["time_ids"], sizes.float())
