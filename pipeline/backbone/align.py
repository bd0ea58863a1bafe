"""Faces cut out of latents or images in torch, as `align` cuts them out of photos: gradients pass through."""

import torch
from insightface.utils.face_align import arcface_dst
from torch import Tensor
from torch.nn import functional as F

from pipeline.encoders.recogniser import SIDE

# Means of landmarks that are the five key points: eyes, nose tip, corners of the mouth.
KEYPOINTS = ((36, 42), (42, 48), (30, 31), (48, 49), (54, 55))


def aligned(values: Tensor, landmarks: Tensor, side: int) -> Tensor:
    """Aligned faces (B, N, C, side, side) of maps (B, C, h, w); landmarks (B, N, 68, 2) in fractions of the map.

    A face covers what the recognisers' crop of 112 pixels covers. What lies outside of the map is its border.
    """
    extent = values.new_tensor([values.shape[-1], values.shape[-2]])
    found = keypoints(landmarks.to(values.dtype)) * extent  # (B, N, 5, 2), in cells
    template = values.new_tensor(arcface_dst.tolist())
    turn, shift = similarity(template, found)  # crop to map
    centres = (torch.arange(side, device=values.device, dtype=values.dtype) + 0.5) * (SIDE / side) - 0.5
    grid = torch.stack(torch.meshgrid(centres, centres, indexing="xy"), dim=-1).flatten(0, 1)  # (side * side, 2)
    places = (grid @ turn.transpose(-1, -2) + shift.unsqueeze(-2)) / extent * 2 - 1  # (B, N, side * side, 2)
    batch, people = places.shape[:2]
    cut = F.grid_sample(
        values.repeat_interleave(people, dim=0),
        places.reshape(batch * people, side, side, 2),
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )
    return cut.unflatten(0, (batch, people))


def keypoints(landmarks: Tensor) -> Tensor:
    """Five key points (..., 5, 2) of 68 landmarks (..., 68, 2), the image's left eye first."""
    return torch.stack([landmarks[..., start:stop, :].mean(-2) for start, stop in KEYPOINTS], dim=-2)


def similarity(source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """The turn with change of size (..., 2, 2) and shift (..., 2) that lay points (P, 2) on (..., P, 2) best.

    Least squares without reflection (Umeyama 1991), in closed form for the plane.
    """
    middle, goal = source.mean(-2), target.mean(-2, keepdim=True)
    x, y = (source - middle).unbind(-1)
    u, v = (target - goal).unbind(-1)
    size = (x**2 + y**2).sum(-1).clamp(min=1e-12)
    along, across = (x * u + y * v).sum(-1) / size, (x * v - y * u).sum(-1) / size
    turn = torch.stack([torch.stack([along, -across], -1), torch.stack([across, along], -1)], dim=-2)
    return turn, goal.squeeze(-2) - (turn @ middle.unsqueeze(-1)).squeeze(-1)
