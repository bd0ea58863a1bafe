"""people: who is where, painted and read again, on the picture's grid and on coarser ones."""

import numpy as np
import torch

from pipeline.head.people import MOST, UNIT, as_channel, cells, draw_people, people_masks
from tests import tiny_models


def test_numbers_are_read_as_they_were_painted() -> None:
    instances = np.array([[-1, 0, 1], [5, 2, -1]], np.int32)
    masks = people_masks(torch.from_numpy(as_channel(instances))[None].float() / 255, 6)
    assert masks.shape == (1, 6, 2, 3)
    for person in range(6):
        assert torch.equal(masks[0, person] == 1, torch.from_numpy(instances == person))


def test_people_beyond_those_that_a_byte_tells_apart_are_nobody() -> None:
    channel = as_channel(np.array([[-1, MOST - 1, MOST, 2 * MOST]], np.int32))
    assert channel.tolist() == [[0, MOST * UNIT, 0, 0]]


def test_who_is_larger_is_in_front() -> None:
    small, large = tiny_models.head_pose((40, 32), 10), tiny_models.head_pose((48, 32), 24)
    for people, front in (((small, large), 1), ((large, small), 0)):
        drawn, instances = draw_people(tiny_models.head(), people, (64, 96))
        both = (drawn[0].triangle >= 0) & (drawn[1].triangle >= 0)
        assert both.any()
        assert (instances[both] == front).all()


def test_a_cell_is_covered_by_a_quarter_or_more() -> None:
    mask = torch.zeros(1, 1, 4, 4)
    mask[0, 0, 0, 0] = 1  # a quarter of the first cell
    assert cells(mask, (2, 2)).flatten().tolist() == [1, 0, 0, 0]
    assert cells(mask, (1, 1)).item() == 0  # a sixteenth of all
