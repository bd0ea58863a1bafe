"""Masks of layout boxes on a grid of latent cells."""

import torch
from torch import Tensor


def box_masks(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Masks (B, N, h, w) in {0, 1} of boxes (B, N, 4): x1, y1, x2, y2 as fractions of the image.

    A cell belongs to a box when its centre lies in it; an absent slot's box of zeros gives an empty mask.
    """
    height, width = size
    y = (torch.arange(height, device=boxes.device) + 0.5) / height
    x = (torch.arange(width, device=boxes.device) + 0.5) / width
    x1, y1, x2, y2 = boxes.unsqueeze(-1).unbind(-2)  # each (B, N, 1)
    inside_x, inside_y = (x >= x1) & (x < x2), (y >= y1) & (y < y2)
    return (inside_y.unsqueeze(-1) & inside_x.unsqueeze(-2)).float()


def region_masks(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Masks (B, N, h, w) in {0, 1} that share an image out: each cell belongs to the nearest box.

    Boxes (B, N, 4) as in `box_masks`; the distance to a box's centre counts in widths and heights of that box. A method
    that cannot put a face exactly into a box would leave it without identity if only the box were its person's.
    """
    height, width = size
    y = (torch.arange(height, device=boxes.device) + 0.5) / height
    x = (torch.arange(width, device=boxes.device) + 0.5) / width
    x1, y1, x2, y2 = boxes.unsqueeze(-1).unbind(-2)  # each (B, N, 1)
    across = ((x - (x1 + x2) / 2) / (x2 - x1).clamp(min=1e-6)).square().unsqueeze(-2)
    down = ((y - (y1 + y2) / 2) / (y2 - y1).clamp(min=1e-6)).square().unsqueeze(-1)
    nearest = (across + down).argmin(1, keepdim=True)
    return torch.zeros(*boxes.shape[:2], height, width, device=boxes.device).scatter_(1, nearest, 1.0)
