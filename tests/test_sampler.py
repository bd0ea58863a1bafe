"""The sampler: seeds, batches, guidance, and nothing added by a method that is nothing."""

from collections.abc import Iterable
from typing import Any

import pytest
import torch

from pipeline import precision, sampler
from pipeline.backbone import load
from pipeline.backbone.batch import Batch, Condition, People
from pipeline.backbone.load import Backbone
from pipeline.method import Method
from pipeline.settings import Models


@pytest.fixture(scope="module")
def backbone(models: Models) -> Backbone:
    return load.load(models.backbone)


def draw(backbone: Backbone, prompts: list[str], seeds: list[int], steps: int = 3, eta: float = 0.0) -> torch.Tensor:
    people = People({}, torch.zeros(len(prompts), 1, 0, dtype=torch.bool))
    batch = Batch(backbone.encode_text(prompts), people, (8, 8))
    how = sampler.SamplerSettings(steps, 2.0, eta)
    return sampler.sample(backbone, Method(backbone, {}), batch, seeds, how)


@pytest.mark.parametrize("eta", [0.0, 0.7])
def test_a_picture_depends_on_its_own_seed_alone(backbone: Backbone, eta: float) -> None:
    both = draw(backbone, ["a of b", "aa of c"], [3, 7], eta=eta)
    assert both.shape == (2, 3, 64, 64)
    assert torch.allclose(both[1:], draw(backbone, ["aa of c"], [7], eta=eta), atol=1e-4)
    assert not torch.allclose(both[1:], draw(backbone, ["aa of c"], [8], eta=eta), atol=1e-2)


def test_noise_is_added_back_as_asked(backbone: Backbone) -> None:
    found = [draw(backbone, ["a of b"], [3], eta=eta) for eta in (0.0, 0.3, 0.7)]
    assert all(one.isfinite().all() for one in found)
    assert not torch.allclose(found[0], found[1], atol=1e-2)
    assert not torch.allclose(found[1], found[2], atol=1e-2)


def test_a_schedule_that_ends_in_pure_noise_takes_noise_too(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing", "prediction_type": "v_prediction"}
    monkeypatch.setattr(backbone, "scheduler_config", {**backbone.scheduler_config, **changes})
    assert draw(backbone, ["a of b"], [3], eta=0.7).isfinite().all()


def test_half_precision_is_of_the_unet_alone_and_steps_can_be_watched(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    dtypes, steps, denoise = set(), [], backbone.denoise

    def spy(*given: Any) -> torch.Tensor:
        found = denoise(*given)
        dtypes.add(found.dtype)
        return found

    monkeypatch.setattr(backbone, "denoise", spy)
    monkeypatch.setattr(precision, "half_is_fast", lambda device: True)

    def watched(times: Iterable[Any]) -> Iterable[Any]:
        for time in times:
            yield time
            steps.append(int(time))

    batch = Batch(backbone.encode_text(["a of b"]), People({}, torch.zeros(1, 1, 0, dtype=torch.bool)), (8, 8))
    how = sampler.SamplerSettings(3, 2.0, 0.5, half=True)
    picture = sampler.sample(backbone, Method(backbone, {}), batch, [3], how, watched)
    assert dtypes == {torch.bfloat16}
    assert picture.dtype == torch.float32
    assert len(steps) == 3
    exact = draw(backbone, ["a of b"], [3], eta=0.5)
    assert 0 < (picture - exact).abs().max() < 0.2


def test_drawing_twice_gives_the_same_bytes(backbone: Backbone) -> None:
    assert torch.equal(draw(backbone, ["a of b"], [3]), draw(backbone, ["a of b"], [3]))


def test_a_perfect_denoiser_is_followed_to_the_clean_picture(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(5))

    def denoise(noisy: torch.Tensor, times: torch.Tensor, *_: object) -> torch.Tensor:
        alpha, sigma = backbone._alpha_sigma(times)
        noise = (noisy - alpha * wanted) / sigma
        return backbone.target(wanted.expand_as(noisy), noise, times)

    monkeypatch.setattr(backbone, "denoise", denoise)
    found = draw(backbone, ["a of b"], [1], steps=20)
    assert torch.allclose(found, backbone.decode(wanted), atol=0.05)


@pytest.mark.parametrize(("guidance", "expected"), [(0.0, -1.0), (1.0, 25.0), (3.0, 77.0)])
def test_guidance_goes_from_neither_prompt_nor_people_towards_both(
    backbone: Backbone, monkeypatch: pytest.MonkeyPatch, guidance: float, expected: float
) -> None:
    """By hand: 4 for any picture, 1 more for a prompt, 10 per unit of a face; nobody's face is -0.5, this one's is 2.

    Without both 4 - 5 = -1, with both 4 + 1 + 20 = 25, so -1 + guidance * 26. One step to predicted clean latents ends
    at what was predicted.
    """
    empty = backbone.encode_text([""]).ids

    class Told(Method):
        def condition(self, batch: Batch) -> Condition:
            return Condition(batch.text, faces=batch.people.features["face"])

        def predict(self, backbone: Any, noisy: torch.Tensor, times: Any, condition: Condition) -> torch.Tensor:
            said = (condition.text.ids != empty).any(1)
            shown = condition.faces[:, 0, 0, 0]
            return (4 + said + 10 * shown).view(-1, 1, 1, 1).expand_as(noisy)

    monkeypatch.setattr(backbone, "scheduler_config", {**backbone.scheduler_config, "prediction_type": "sample"})
    monkeypatch.setattr(backbone, "decode", lambda latents: latents)
    people = People({"face": torch.full((2, 1, 1, 1), 2.0)}, torch.ones(2, 1, 1, dtype=torch.bool))
    batch = Batch(backbone.encode_text(["a of b", "aa of c"]), people, (8, 8))
    method = Told(backbone, {"face": torch.tensor([-0.5])})
    found = sampler.sample(backbone, method, batch, [3, 7], sampler.SamplerSettings(1, guidance))
    assert torch.allclose(found, torch.full((2, 4, 8, 8), expected))
