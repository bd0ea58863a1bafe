"""Who is where on a canvas: a channel that says the number of the person whom a pixel shows, and masks of it."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.head.head_pose import HeadPose
from pipeline.head.maps import draw_head, instance_map
from pipeline.head.model import Head
from pipeline.head.raster import Buffers, Ints
from pipeline.images import Pixels

UNIT = 40  # what one person's number is worth in a byte
MOST = 255 // UNIT
COVERED = 0.25  # share of a cell from which it belongs to a mask


def draw_people(head: Head, people: Sequence[HeadPose], size: tuple[int, int]) -> tuple[list[Buffers], Ints]:
    """Everybody's buffers, and the number (H, W) of the person whom a pixel shows; who is larger is in front."""
    drawn = [draw_head(person.vertices(head), head.triangles, person.camera, size) for person in people]
    return drawn, instance_map(drawn, [person.camera for person in people])


def as_channel(instances: Ints) -> Pixels:
    """Numbers (H, W) of people as bytes; 0 for nobody, and for people beyond the MOST that a byte tells apart."""
    return ((instances + 1) * UNIT * (instances < MOST)).astype(np.uint8)


def people_masks(channel: Tensor, people: int) -> Tensor:
    """Masks (B, N, H, W) in {0, 1} of the people of a channel (B, H, W) in [0, 1]."""
    number = (channel * (255 / UNIT)).round()
    return torch.stack([number == person + 1 for person in range(people)], dim=1).to(channel.dtype)


def cells(masks: Tensor, grid: tuple[int, int]) -> Tensor:
    """Masks (B, N, h, w) in {0, 1} on a coarser grid: the cells that masks (B, N, H, W) cover by a quarter or more."""
    return (F.adaptive_avg_pool2d(masks, grid) >= COVERED).to(masks.dtype)
