"""The walk over attention layers, on SD-1.5-like and SDXL-like UNets."""

import pytest
import torch
from diffusers.models.attention_processor import Attention

from pipeline.backbone import load
from pipeline.backbone.inject import (
    AttentionLayer,
    AttentionState,
    attach,
    attend,
    attention_layers,
    merge_heads,
    split_heads,
)
from pipeline.backbone.masks import box_masks, region_masks
from pipeline.settings import Models


class Plain(AttentionLayer):
    """Does what the UNet's own layer does, and counts."""

    calls = 0

    def forward(self, attn: Attention, hidden: torch.Tensor, context: torch.Tensor | None) -> torch.Tensor:
        Plain.calls += 1
        source = hidden if context is None else context
        query, key, value = (
            split_heads(each, attn.heads) for each in (attn.to_q(hidden), attn.to_k(source), attn.to_v(source))
        )
        return attn.to_out[1](attn.to_out[0](merge_heads(attend(query, key, value))))


def test_every_layer_is_found_once_in_the_order_of_running(any_models: Models) -> None:
    unet = load.load(any_models.backbone).unet
    found = attention_layers(unet)
    # 2 layers with self- and cross-attention: down 1, middle 1, up 2
    assert len(found) == 8
    assert [site.name.split("_")[0] for site in found] == ["down"] * 2 + ["mid"] * 2 + ["up"] * 4
    assert {site.context for site in found} == {None, 16}
    assert {site.hidden for site in found} == {32}


def test_attached_layers_do_the_work_of_the_unets_own(any_models: Models) -> None:
    backbone = load.load(any_models.backbone)
    text = backbone.encode_text(["a of b", "aa of c"])
    noisy, times = torch.randn(2, 4, 8, 16, generator=torch.Generator().manual_seed(0)), torch.tensor([10, 900])
    with torch.no_grad():
        before = backbone.denoise(noisy, times, text)
        Plain.calls = 0
        attach(backbone.unet, {site.name: Plain() for site in attention_layers(backbone.unet)}, AttentionState())
        after = backbone.denoise(noisy, times, text)
    assert Plain.calls == 8
    assert torch.equal(before, after)


@pytest.mark.parametrize(("number", "near"), [(torch.float32, 1e-6), (torch.bfloat16, 0.03)])
def test_attention_is_the_softmax_of_scaled_products_and_bias(number: torch.dtype, near: float) -> None:
    query, key, value = (torch.randn(2, 3, length, 8) for length in (5, 7, 7))
    bias = torch.randn(2, 1, 5, 7)
    expected = (query @ key.transpose(-1, -2) / 8**0.5 + bias).softmax(-1) @ value
    found = attend(*(each.to(number) for each in (query, key, value, bias)))
    assert found.dtype == number
    assert torch.allclose(found.float(), expected, atol=near)


def test_boxes_become_masks_by_cell_centres() -> None:
    boxes = torch.tensor([[[0.0, 0.0, 0.5, 1.0], [0.6, 0.5, 0.9, 1.0], [0.0, 0.0, 0.0, 0.0]]])
    masks = box_masks(boxes, (2, 4))
    assert masks[0, 0].tolist() == [[1, 1, 0, 0], [1, 1, 0, 0]]
    assert masks[0, 1].tolist() == [[0, 0, 0, 0], [0, 0, 1, 1]]  # centres 0.625 and 0.875; 0.75 of the second row
    assert masks[0, 2].sum() == 0


def test_regions_share_out_the_whole_picture_by_the_nearest_box() -> None:
    boxes = torch.tensor([[[0.0, 0.2, 0.2, 0.6], [0.7, 0.2, 1.0, 0.6]]])
    masks = region_masks(boxes, (4, 10))
    assert torch.equal(masks.sum(1), torch.ones(1, 4, 10))
    # centres at 0.1 and 0.85, widths 0.2 and 0.3: they are equally near at 0.4
    assert masks[0, 0, 1].tolist() == [1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    assert region_masks(boxes[:, :1], (4, 10)).all()


def test_a_levels_grid_follows_from_its_positions() -> None:
    attention_state = AttentionState()
    attention_state.reset(None, (16, 32))
    assert [attention_state.grid(count) for count in (512, 128, 32)] == [(16, 32), (8, 16), (4, 8)]
