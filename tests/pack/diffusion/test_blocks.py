"""Block coefficients: a value worked by hand, orthonormal, inverted, and coarse before fine."""

import pytest
import torch
import torch.nn.functional as F

from pipeline.pack.diffusion import blocks


def test_a_grey_block_is_its_mean_times_four() -> None:
    found = blocks.coefficients(torch.full((1, 3, 4, 4), 0.5))[0, :, 0, 0]
    # 16 pixels of 0.5 in three colours, each weighted by 1 / sqrt(16) and 1 / sqrt(3)
    assert found[0].item() * blocks.LUMA_SCALES[0] == pytest.approx(0.5 * 4 * 3**0.5, abs=1e-4)
    assert found[1:].abs().max() < 1e-5


def test_a_vertical_edge_lies_in_the_horizontal_wave() -> None:
    edge = torch.ones(1, 3, 4, 4)
    edge[..., :2] = -1
    first = blocks.coefficients(edge)[0, 1:3, 0, 0].abs()
    assert first[0] > 1
    assert first[1] < 1e-5


def test_coefficients_of_their_picture_are_the_same() -> None:
    scaled = torch.randn(2, blocks.CHANNELS, 3, 4, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(blocks.coefficients(blocks.pictures(scaled)), scaled, atol=1e-4)


def test_the_picture_is_the_nearest_that_the_coefficients_can_make() -> None:
    image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    near = blocks.pictures(blocks.coefficients(image))
    parts = near.square().sum() + (image - near).square().sum()
    assert image.square().sum().item() == pytest.approx(parts.item(), rel=1e-4)


def test_a_smooth_picture_passes_and_a_checkerboard_does_not() -> None:
    smooth = F.interpolate(torch.tensor([[-1.0, 1.0]]).expand(1, 3, 2, 2), (16, 16), mode="bilinear")
    assert (blocks.pictures(blocks.coefficients(smooth)) - smooth).abs().max() < 0.15
    board = (torch.arange(4)[:, None] + torch.arange(4)).remainder(2).float().mul(2).sub(1).expand(1, 3, 4, 4)
    assert blocks.pictures(blocks.coefficients(board)).abs().max() < 0.1
