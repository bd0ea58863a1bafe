"""Close-ups of faces as training images: half of an image's width and height around its one face.

A quarter of the image costs a quarter of the step, and identity is in the face. Patch Diffusion (Wang et al. 2023,
arXiv 2304.12526) trains on patches mostly and on whole images at times in the same way. Every method gets the same.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from pipeline.backbone.batch import FaceLayout, Text
from pipeline.training.dataset import Example

SHIFT = 1 / 16  # of the image: how far a close-up's middle may be from the face's


def close_up(example: Example, rngs: Sequence[np.random.Generator]) -> Example:
    """The example (B, 2C, h, w) as close-ups (B, 2C, h / 2, w / 2) by one generator per image of one person."""
    layout = example.batch.layout
    assert layout is not None
    size = example.batch.size
    half = size[0] // 2, size[1] // 2
    shifts = torch.tensor(np.stack([rng.uniform(-SHIFT, SHIFT, 2) for rng in rngs]), dtype=torch.float32)
    corners = corners_of(layout.boxes[:, 0].cpu(), shifts, size, half)
    cut = [kept[:, y : y + half[0], x : x + half[1]] for kept, (x, y) in zip(example.moments, corners, strict=True)]
    batch = replace(
        example.batch,
        text=_told(example.batch.text, corners, size, half),
        size=half,
        layout=_moved(layout, corners, size, half),
        control_image=_cut(example.batch.control_image, corners, size, half),
    )
    return Example(batch, torch.stack(cut), example.embeddings)


def _told(text: Text, corners: Sequence[tuple[int, int]], size: tuple[int, int], half: tuple[int, int]) -> Text:
    """What SDXL is told of the windows: they are crops that begin further right and down, and are smaller."""
    if text.sizes is None:
        return text
    pixels = text.sizes[:, 4:] // torch.tensor(size)
    begin, shown = torch.tensor([corner[::-1] for corner in corners]) * pixels, torch.tensor(half) * pixels
    return replace(text, sizes=torch.cat([text.sizes[:, :2], text.sizes[:, 2:4] + begin, shown], 1))


def _cut(
    control_image: Tensor | None, corners: Sequence[tuple[int, int]], size: tuple[int, int], half: tuple[int, int]
) -> Tensor | None:
    """The windows of a control image that has several pixels to a cell."""
    if control_image is None:
        return None
    factor = control_image.shape[-1] // size[1]
    window = slice(0, half[0] * factor), slice(0, half[1] * factor)
    return torch.stack(
        [each[:, y * factor :, x * factor :][:, *window] for each, (x, y) in zip(control_image, corners, strict=True)]
    )


def corners_of(boxes: Tensor, shifts: Tensor, size: tuple[int, int], half: tuple[int, int]) -> list[tuple[int, int]]:
    """Upper left cells, x and y, of windows of `half` around boxes (B, 4), moved by fractions of the image (B, 2).

    Sizes are height and width in cells; a window stays within its image.
    """
    extent, window = torch.tensor(size[::-1]), torch.tensor(half[::-1])
    middles = ((boxes[:, :2] + boxes[:, 2:]) / 2 + shifts) * extent
    corners = (middles - window / 2).round().long().clamp(min=torch.zeros(2).long(), max=extent - window)
    return [(int(x), int(y)) for x, y in corners]


def _moved(
    layout: FaceLayout, corners: Sequence[tuple[int, int]], size: tuple[int, int], half: tuple[int, int]
) -> FaceLayout:
    """The same places as fractions of the windows."""
    where = layout.boxes.device
    extent, window = torch.tensor(size[::-1], device=where), torch.tensor(half[::-1], device=where)
    start = torch.tensor(corners, device=where)[:, None, None]
    points = torch.cat([layout.boxes.unflatten(-1, (2, 2)), layout.landmarks], dim=2)
    points = (points * extent - start) / window
    return FaceLayout(points[:, :, :2].flatten(2), points[:, :, 2:])
