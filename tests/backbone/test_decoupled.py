"""The people's branch of cross-attention: who is read where."""

from dataclasses import replace

import pytest
import torch
from diffusers.models.attention_processor import Attention

from pipeline.backbone.decoupled import DecoupledAttention, IdBranch, IdCondition, mask_shares, weighted_sum
from pipeline.backbone.inject import AttentionSpec, AttentionState

SITE = AttentionSpec("a-attn2", hidden=8, context=6, heads=2)


@pytest.fixture
def attn() -> Attention:
    torch.manual_seed(0)
    return Attention(8, cross_attention_dim=6, heads=2, dim_head=4, bias=False)


def faces(people: int = 2, tokens: int = 3) -> IdCondition:
    draw = torch.Generator().manual_seed(1)
    return IdCondition(torch.randn(1, people, tokens, 6, generator=draw), torch.ones(1, people, dtype=torch.bool), None)


def layer(attn: Attention, given: IdCondition | None, rank: int = 0, branch: bool = True) -> DecoupledAttention:
    made = DecoupledAttention(SITE, attn, rank, branch).eval()
    made.attention_state = AttentionState()
    made.attention_state.reset(given, (2, 4))
    return made


def test_each_person_is_read_alone_and_dropped_tokens_are_not_read(attn: Attention) -> None:
    branch, query, given = IdBranch(SITE, attn), torch.randn(1, 2, 8, 4), faces()
    found = branch.each(query, given)
    key, value = (part(given.tokens[:, 1]).unflatten(-1, (2, 4)).transpose(1, 2) for part in (attn.to_k, attn.to_v))
    assert torch.allclose(found[:, 1], (query @ key.transpose(-1, -2) / 2).softmax(-1) @ value, atol=1e-5)
    keep = torch.tensor([[[True, True, False], [True, True, True]]])
    shorter = replace(given, tokens=given.tokens[:, :, :2])
    kept = branch.each(query, replace(given, keep=keep))
    assert torch.allclose(kept[:, 0], branch.each(query, shorter)[:, 0], atol=1e-5)
    assert torch.allclose(kept[:, 1], found[:, 1], atol=1e-6)


def test_without_places_all_are_read_as_one_but_for_empty_slots(attn: Attention) -> None:
    branch, query, given = IdBranch(SITE, attn), torch.randn(1, 2, 8, 4), faces()
    one = IdCondition(given.tokens.flatten(1, 2).unsqueeze(1), torch.ones(1, 1, dtype=torch.bool), None)
    assert torch.allclose(branch.together(query, given), branch.each(query, one)[:, 0], atol=1e-5)
    first = replace(given, present=torch.tensor([[True, False]]))
    assert torch.allclose(branch.together(query, first), branch.each(query, given)[:, 0], atol=1e-5)


def test_allotted_positions_by_hand() -> None:
    each = torch.tensor([1.0, 2.0]).view(1, 2, 1, 1, 1).expand(1, 2, 1, 3, 1)
    shares = torch.tensor([[[1.0, 0.5, 0.0], [0.0, 0.5, 1.0]]])
    assert weighted_sum(each, shares).flatten().tolist() == [1.0, 1.5, 2.0]
    overlapping = torch.ones(1, 2, 2, 4)
    assert torch.equal(mask_shares(overlapping, (2, 4)), torch.full((1, 2, 8), 0.5))
    assert torch.equal(mask_shares(overlapping / 5, (2, 4)), torch.full((1, 2, 8), 0.2))  # a faint mask stays faint


def test_a_mask_counts_for_one_person_too(attn: Attention) -> None:
    hidden, text, masks = torch.randn(1, 8, 8), torch.randn(1, 5, 6), torch.ones(1, 1, 2, 4)
    masks[..., 2:] = 0.0
    given = faces(people=1)
    nobody, everywhere, left = (
        layer(attn, each)(attn, hidden, text).view(2, 4, 8) for each in (None, given, replace(given, masks=masks))
    )
    assert torch.allclose(left[:, :2], everywhere[:, :2], atol=1e-5)
    assert torch.allclose(left[:, 2:], nobody[:, 2:], atol=1e-5)
    assert not torch.allclose(everywhere[:, 2:], nobody[:, 2:], atol=1e-3)


def test_masks_confine_people_to_their_places(attn: Attention) -> None:
    hidden, text = torch.randn(1, 8, 8), torch.randn(1, 5, 6)
    masks = torch.zeros(1, 2, 2, 4)
    masks[0, 0, :, :2], masks[0, 1, :, 2:] = 1.0, 1.0
    given = replace(faces(), masks=masks)
    tokens = given.tokens.clone()
    tokens[0, 1] += 1.0
    before, after = (
        layer(attn, each)(attn, hidden, text).view(2, 4, 8) for each in (given, replace(given, tokens=tokens))
    )
    assert torch.equal(before[:, :2], after[:, :2])
    assert not torch.allclose(before[:, 2:], after[:, 2:])


def test_everybody_whose_place_it_is_may_be_read_and_nobody_else() -> None:
    given = replace(faces(people=4, tokens=1), masks=torch.zeros(1, 4, 1, 2))
    assert given.masks is not None
    given.masks[0, :3, 0, 0], given.masks[0, 3, 0, 1] = 1.0, 0.4
    assert given.readable_at((1, 2))[0].tolist() == [[True, True, True, False], [False] * 4]


def test_a_layer_without_rank_and_branch_or_without_people_is_the_plain_one(attn: Attention) -> None:
    hidden, text = torch.randn(1, 8, 8), torch.randn(1, 5, 6)
    plain = attn(hidden, text)
    assert torch.allclose(layer(attn, None)(attn, hidden, text), plain, atol=1e-5)
    assert torch.allclose(layer(attn, faces(), branch=False)(attn, hidden, text), plain, atol=1e-5)
    assert torch.allclose(layer(attn, None, rank=4)(attn, hidden, text), plain, atol=1e-5)
    assert not torch.allclose(layer(attn, faces())(attn, hidden, text), plain, atol=1e-5)
    assert not list(layer(attn, None, branch=False).parameters())


def test_in_training_the_maps_of_words_are_left_and_change_nothing(attn: Attention) -> None:
    hidden, text, made = torch.randn(1, 8, 8), torch.randn(1, 5, 6), layer(attn, None)
    plain = made(attn, hidden, text)
    made.attention_state.reset(None, (2, 4), torch.tensor([[3, 4]]))
    assert torch.allclose(made(attn, hidden, text), plain)
    assert not made.attention_state.maps
    assert torch.allclose(made.train()(attn, hidden, text), plain, atol=1e-5)
    (maps,) = made.attention_state.maps
    query, key = (
        part(states).unflatten(-1, (2, 4)).transpose(1, 2) for part, states in ((attn.to_q, hidden), (attn.to_k, text))
    )
    wanted = (query @ key.transpose(-1, -2) / 2).softmax(-1).mean(1)[..., 3:].transpose(1, 2)
    assert torch.allclose(maps, wanted, atol=1e-5)
