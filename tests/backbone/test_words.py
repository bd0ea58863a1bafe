"""Words behind a caption, and the loss on where they are looked at."""

import pytest
import torch

from pipeline.backbone.batch import Text
from pipeline.backbone.words import localisation_loss, with_change, word_places, words_at

TEXT = Text(torch.tensor([[8, 1, 2, 9, 9, 9], [8, 1, 2, 3, 4, 9]]), torch.arange(24.0).view(2, 6, 2), None)


def test_words_follow_the_end_or_are_the_last_ones() -> None:
    assert word_places(TEXT, 2).tolist() == [[4, 5], [4, 5]]
    assert word_places(TEXT, 1).tolist() == [[4], [5]]


def test_only_the_named_words_change() -> None:
    places = torch.tensor([[4], [5]])
    assert words_at(TEXT.hidden, places).tolist() == [[[8.0, 9.0]], [[22.0, 23.0]]]
    change = with_change(TEXT.hidden, places, torch.ones(2, 1, 2)) - TEXT.hidden
    assert change.sum() == 4
    assert change[0, 4].tolist() == change[1, 5].tolist() == [1.0, 1.0]


def test_the_localisation_loss_by_hand() -> None:
    found = torch.tensor([[[0.75, 0.25, 0.25, 0.25], [0.5, 0.5, 0.5, 0.5]]])
    masks = torch.tensor([[[[1.0, 0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0, 1.0]]]])
    both, first = torch.tensor([[True, True]]), torch.tensor([[True, False]])
    assert localisation_loss(found, masks, both).item() == pytest.approx((0.25 - 0.75) / 2)
    assert localisation_loss(found, masks, first).item() == pytest.approx(-0.5)
    elsewhere = torch.tensor([[[[0.0, 1.0, 0.0, 0.0]], [[0.0, 0.0, 0.0, 1.0]]]])
    assert localisation_loss(found, elsewhere, first) > 0
