"""A spatial condition net: nothing at first, people where their places are."""

from dataclasses import replace

import pytest
import torch

from pipeline.backbone import load
from pipeline.backbone.batch import Condition
from pipeline.backbone.decoupled import IdCondition
from pipeline.backbone.load import Backbone
from pipeline.backbone.spatial import SpatialNet
from pipeline.settings import Models

TIMES = torch.tensor([500])


@pytest.fixture
def backbone(any_models: Models) -> Backbone:
    return load.load(any_models.backbone)


def condition(backbone: Backbone, people: int = 2) -> Condition:
    draw = torch.Generator().manual_seed(0)
    text = backbone.encode_text(["a of b"])
    tokens = torch.randn(1, people, 3, text.hidden.shape[-1], generator=draw)
    masks = torch.zeros(1, people, 8, 16)
    masks[0, 0, :, :8], masks[0, -1, :, 8:] = 1.0, 1.0
    faces = IdCondition(tokens, torch.ones(1, people, dtype=torch.bool), masks)
    return Condition(text, faces, torch.rand(1, 3, 64, 128, generator=draw))


def made(backbone: Backbone) -> SpatialNet:
    torch.manual_seed(0)
    return SpatialNet(backbone, 3).eval()


def awake(net: SpatialNet) -> SpatialNet:
    """The same net as if it had learned: its last convolutions are not zeros any more."""
    for part in (*net.net.controlnet_down_blocks, net.net.controlnet_mid_block):
        torch.nn.init.dirac_(part.weight)
    torch.nn.init.normal_(net.net.controlnet_cond_embedding.conv_out.weight)
    return net


@torch.no_grad()
def test_untrained_it_changes_nothing_and_without_a_canvas_it_is_not_asked(backbone: Backbone) -> None:
    noisy, given, net = torch.randn(1, 4, 8, 16), condition(backbone), made(backbone)
    residuals = net(backbone, noisy, TIMES, given)
    assert residuals is not None
    plain = backbone.denoise(noisy, TIMES, given.text)
    assert torch.allclose(backbone.denoise(noisy, TIMES, given.text, residuals), plain, atol=1e-6)
    assert net(backbone, noisy, TIMES, replace(given, control_image=None)) is None


@torch.no_grad()
def test_canvas_people_and_scale_matter_once_it_has_learned(backbone: Backbone) -> None:
    noisy, given, net = torch.randn(1, 4, 8, 16), condition(backbone), awake(made(backbone))

    def middle(which: Condition, scale: float = 1.0) -> torch.Tensor:
        found = net(backbone, noisy, TIMES, which, scale)
        assert found is not None
        return found[1]

    first = middle(given)
    assert not torch.allclose(first, middle(replace(given, control_image=torch.zeros(1, 3, 64, 128))))
    others = replace(given.faces, tokens=given.faces.tokens.flip(1))
    assert not torch.allclose(first, middle(replace(given, faces=others)))
    assert torch.allclose(middle(given, 0.5), 0.5 * first, atol=1e-5)
    # people and their places together may be named in any order
    turned = replace(given.faces, tokens=given.faces.tokens.flip(1), masks=given.faces.masks.flip(1))
    assert torch.allclose(first, middle(replace(given, faces=turned)), atol=1e-4)


@torch.no_grad()
def test_a_place_that_is_nobodys_reads_everybody(backbone: Backbone) -> None:
    noisy, given, net = torch.randn(1, 4, 8, 16), condition(backbone), awake(made(backbone))

    def middle(masks: torch.Tensor | None) -> torch.Tensor:
        found = net(backbone, noisy, TIMES, replace(given, faces=replace(given.faces, masks=masks)))
        assert found is not None
        return found[1]

    everybody = middle(None)
    assert torch.equal(middle(torch.zeros_like(given.faces.masks)), everybody)
    assert not torch.allclose(middle(given.faces.masks), everybody)


@torch.no_grad()
def test_an_empty_slot_is_not_read(backbone: Backbone) -> None:
    noisy, given, net = torch.randn(1, 4, 8, 16), condition(backbone, 1), awake(made(backbone))
    alone = replace(given.faces, masks=None)
    two = torch.cat([alone.tokens, torch.randn_like(alone.tokens)], dim=1)
    padded = IdCondition(two, torch.tensor([[True, False]]), None)
    found = [net(backbone, noisy, TIMES, replace(given, faces=faces)) for faces in (alone, padded)]
    assert found[0] is not None
    assert found[1] is not None
    assert torch.allclose(found[0][1], found[1][1], atol=1e-5)
