"""Close-ups: the window lies at the face, within the picture, and places move with it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from pipeline.backbone.batch import Batch, FaceLayout, People, Text
from pipeline.training.dataset import Example
from pipeline.training.face_crops import SHIFT, close_up, corners_of


def example(boxes: list[list[float]]) -> Example:
    """Pictures of 8 x 16 cells whose moments are the cells' y and x."""
    count = len(boxes)
    y, x = torch.meshgrid(torch.arange(8.0), torch.arange(16.0), indexing="ij")
    box = torch.tensor(boxes)[:, None]
    landmarks = box.unflatten(-1, (2, 2)).mean(2, keepdim=True).expand(-1, -1, 68, -1)
    text = Text(torch.zeros(count, 2, dtype=torch.long), torch.zeros(count, 2, 4), None)
    people = People({}, torch.ones(count, 1, 1, dtype=torch.bool))
    batch = Batch(text, people, (8, 16), FaceLayout(box, landmarks))
    return Example(batch, torch.stack([y, x]).expand(count, -1, -1, -1), torch.zeros(count, 1, 4))


def still(count: int) -> list[np.random.Generator]:
    class Still:
        def uniform(self, low: float, high: float, size: int) -> np.ndarray:
            return np.zeros(size)

    return [Still()] * count  # type: ignore[list-item]


def test_a_face_in_the_middle_gives_the_middle_of_the_picture() -> None:
    made = close_up(example([[0.4, 0.4, 0.6, 0.6]]), still(1))
    assert made.batch.size == (4, 8)
    assert made.moments[0, 0, :, 0].tolist() == [2, 3, 4, 5]
    assert made.moments[0, 1, 0].tolist() == list(range(4, 12))
    assert made.batch.layout is not None
    assert made.batch.layout.boxes[0, 0].tolist() == pytest.approx([0.3, 0.3, 0.7, 0.7], abs=1e-6)
    assert made.batch.layout.landmarks[0, 0, 5].tolist() == pytest.approx([0.5, 0.5], abs=1e-6)


def test_sdxl_is_told_where_a_close_up_is_cut() -> None:
    """Cells of 8 pixels: the window begins 2 cells down and 4 to the right of a crop that began at 10, 20."""
    whole = example([[0.4, 0.4, 0.6, 0.6]])
    text = replace(whole.batch.text, sizes=torch.tensor([[600, 900, 10, 20, 64, 128]]))
    told = close_up(replace(whole, batch=replace(whole.batch, text=text)), still(1)).batch.text.sizes
    assert told is not None
    assert told.tolist() == [[600, 900, 10 + 16, 20 + 32, 32, 64]]


def test_a_window_stays_within_its_picture() -> None:
    boxes = torch.tensor([[0.0, 0.0, 0.1, 0.1], [0.9, 0.9, 1.0, 1.0]])
    assert corners_of(boxes, torch.zeros(2, 2), (8, 16), (4, 8)) == [(0, 0), (8, 4)]


def test_width_and_height_are_not_confused() -> None:
    boxes = torch.tensor([[0.7, 0.1, 0.9, 0.3]])  # right and high
    assert corners_of(boxes, torch.zeros(1, 2), (8, 16), (4, 8)) == [(8, 0)]


def test_close_ups_differ_by_their_draw_and_not_by_much() -> None:
    boxes = torch.tensor([[0.4, 0.4, 0.6, 0.6]]).expand(50, -1)
    draws = torch.tensor(np.random.default_rng(0).uniform(-SHIFT, SHIFT, (50, 2)), dtype=torch.float32)
    found = corners_of(boxes, draws, (32, 32), (16, 16))
    assert len(set(found)) > 5
    assert all(abs(x - 8) <= 2 and abs(y - 8) <= 2 for x, y in found)
