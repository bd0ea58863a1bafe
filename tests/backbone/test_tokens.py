"""From references' features to ID tokens: what several methods do alike."""

import torch
from torch import Tensor

from pipeline.backbone.batch import People
from pipeline.backbone.resampler import Resampler
from pipeline.backbone.tokens import concatenate_references, minus_null, scatter_to_slots


def people(counts: list[list[int]], depth: int) -> People:
    """So many references per picture and slot, of a feature of 3 tokens of width 4."""
    draw = torch.Generator().manual_seed(0)
    features = torch.randn(len(counts), len(counts[0]), 4, 3, 4, generator=draw)[:, :, :depth]
    given = torch.arange(depth) < torch.tensor(counts).unsqueeze(-1)
    return People({"seen": features * given[..., None, None]}, given)


def test_tokens_do_not_follow_from_who_else_is_in_the_batch() -> None:
    torch.manual_seed(0)
    net, null_features = Resampler(4, 6, queries=2, depth=1), {"seen": torch.randn(3, 4)}

    def embed(features: dict[str, Tensor], given: Tensor) -> Tensor:
        return net(*concatenate_references(features["seen"], given))

    alone, beside = people([[2, 0]], depth=2), people([[2, 0], [1, 4]], depth=4)
    beside.features["seen"][0, :, :2] = alone.features["seen"][0]
    found = minus_null(beside, null_features, embed)
    assert found.shape == (2, 2, 2, 6)
    assert torch.allclose(found[:1], minus_null(alone, null_features, embed), atol=1e-5)
    assert found[0, 1].abs().max() == 0  # an empty slot
    none = People({"seen": null_features["seen"].expand(2, 2, 4, 3, 4)}, beside.given)
    assert (
        minus_null(none, null_features, embed).abs().max() < 1e-5
    )  # no reference says nothing, however many there are


def test_tokens_come_to_the_slots_of_those_who_are_there() -> None:
    present = torch.tensor([[True, False], [False, True]])
    found = scatter_to_slots(torch.tensor([[[1.0]], [[2.0]]]), present)
    assert found[..., 0, 0].tolist() == [[1.0, 0.0], [0.0, 2.0]]
