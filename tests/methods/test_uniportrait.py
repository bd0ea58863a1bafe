"""UniPortrait's own parts: routing by hand, token and path drop, counts, and a user's masks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline import sampler
from pipeline.backbone import load
from pipeline.backbone.batch import Batch, Condition, People, Reference, collate
from pipeline.backbone.decoupled import IdCondition, mask_shares
from pipeline.backbone.frozen import FrozenEncoders
from pipeline.backbone.inject import attention_modules
from pipeline.methods.uniportrait import VARIANTS, Settings, UniPortrait, interpolate
from pipeline.methods.uniportrait.embedding import IdEmbedding, Keep
from pipeline.methods.uniportrait.features import structure
from pipeline.methods.uniportrait.routing import Router, allot, gather, of_present, routing_loss
from pipeline.settings import Models
from pipeline.weights import checkpoint
from tests import tiny_models

SMALL = Settings(queries=4, depth=2, rank=2)


def people(count: int, references: int = 1) -> People:
    generator = torch.Generator().manual_seed(1)
    sizes = {"embedding": (8,), "intrinsic": (49, 16), "shallow": (16, 24), "patches": (16, 32)}
    features = {name: torch.randn(1, count, references, *size, generator=generator) for name, size in sizes.items()}
    return People(features, torch.ones(1, count, references, dtype=torch.bool))


@pytest.fixture
def method(models: Models) -> UniPortrait:
    torch.manual_seed(0)
    made = checkpoint.create("uniportrait", load.load(models.backbone), FrozenEncoders(models))
    assert isinstance(made, UniPortrait)
    torch.nn.init.normal_(made.identity.out[1].weight)  # untrained, all ID tokens are zeros
    return made.eval()


def test_the_routing_loss_by_hand() -> None:
    soft = torch.tensor([[[0.75, 0.5, 0.5, 0.125], [0.25, 0.5, 0.5, 0.875]]])  # two people, four positions
    masks = torch.tensor([[[[1.0, 0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0, 1.0]]]])  # the boxes hold the first and the last
    # inside the boxes: (0.25^2 + 0.25^2) / 2 people and (0.125^2 + 0.125^2) / 2, the mean over two positions
    expected = (0.0625 + 0.015625) / 2
    assert routing_loss(soft, masks, torch.ones(1, 2, dtype=torch.bool)).item() == pytest.approx(expected)


def test_with_a_background_slot_the_whole_map_counts() -> None:
    soft = torch.tensor([[[0.5, 0.5], [0.5, 0.5]]])  # one person and the background
    masks = torch.tensor([[[[1.0, 0.0]]]])
    assert routing_loss(soft, masks, torch.ones(1, 1, dtype=torch.bool)).item() == pytest.approx(0.5)


def test_an_allotment_is_one_hot_with_the_gradient_of_the_soft_one() -> None:
    logits = torch.randn(2, 3, 10, requires_grad=True)
    hard = allot(logits, noise=True)
    assert torch.equal(hard.sum(1), torch.ones(2, 10))
    assert set(hard.flatten().tolist()) == {0.0, 1.0}
    (hard[:, 0] * torch.arange(10.0)).sum().backward()
    assert logits.grad is not None
    assert logits.grad.abs().sum() > 0
    assert torch.equal(allot(logits, noise=False).argmax(1), logits.argmax(1))


def test_noise_samples_the_soft_map() -> None:
    torch.manual_seed(0)
    logits = torch.log(torch.tensor([0.7, 0.2, 0.1])).view(1, 3, 1).expand(1, 3, 20000)
    shares = allot(logits, noise=True).mean(-1)[0]
    assert torch.allclose(shares, torch.tensor([0.7, 0.2, 0.1]), atol=0.02)


def test_an_empty_slot_gets_no_position() -> None:
    router = Router(8, 6, 4, background=False)
    present = torch.tensor([[True, False, True]])
    logits = of_present(
        router(torch.randn(1, 20, 8), IdCondition(torch.randn(1, 3, 4, 6), present, None, 1.0)), present
    )
    assert allot(logits, noise=True)[0, 1].sum() == 0
    assert logits.softmax(1)[0, 1].sum() == 0


def test_the_router_does_not_care_about_the_order_of_people() -> None:
    router, tokens, hidden = Router(8, 6, 4, background=False), torch.randn(1, 3, 4, 6), torch.randn(1, 20, 8)
    present, turn = torch.ones(1, 3, dtype=torch.bool), [2, 0, 1]
    first = router(hidden, IdCondition(tokens, present, None, 1.0))
    assert torch.allclose(first[:, turn], router(hidden, IdCondition(tokens[:, turn], present, None, 1.0)), atol=1e-5)


def test_a_layer_adds_to_the_evidence_of_the_layers_before() -> None:
    before = torch.tensor([[[[1.0, 3.0, -1.0, 1.0]], [[0.0, 0.0, 0.0, 4.0]]]])  # two people, one row of four
    logits = torch.tensor([[[[0.0, 1.0]], [[2.0, 0.0]]]])  # the next layer has two positions
    found = gather(logits, before, people=2)
    # Means of neighbours 2, 0 and 0, 2; with the layer's own 2, 1 and 2, 2; relative to 1.5 and 2.
    assert found.tolist() == [[[[0.5, -0.5]], [[0.0, 0.0]]]]
    assert torch.equal(gather(logits, None, people=2)[0, 0], torch.tensor([[-0.5, 0.5]]))
    finer = gather(torch.zeros(1, 2, 2, 8), before, people=2)
    assert finer.shape == (1, 2, 2, 8)
    assert finer[0, 0, 0, 2] > finer[0, 0, 0, 5]


def test_who_fits_everywhere_has_no_advantage_and_the_background_is_kept() -> None:
    logits, before = torch.randn(1, 3, 2, 4), torch.randn(1, 3, 4, 8)
    liked = logits + torch.tensor([5.0, 0.0, 0.0]).view(1, 3, 1, 1)
    assert torch.allclose(gather(logits, before, people=3), gather(liked, before, people=3), atol=1e-5)
    assert torch.equal(gather(logits, None, people=2)[:, 2], logits[:, 2])


def test_gathered_evidence_ends_with_the_call_and_lone_routers_have_none(models: Models) -> None:
    backbone, text = load.load(models.backbone), ["a of b"]
    noisy, times = torch.randn(1, 4, 8, 16, generator=torch.Generator().manual_seed(0)), torch.tensor([500])
    for gathered in (True, False):
        torch.manual_seed(0)
        null_features = {
            "embedding": torch.zeros(8),
            "intrinsic": torch.zeros(49, 16),
            "shallow": torch.zeros(16, 28),
            "patches": torch.zeros(16, 32),
        }
        method = UniPortrait(backbone, null_features, Settings(rank=4, gathered=gathered)).eval()
        method.attach(backbone.unet)
        faces = IdCondition(torch.randn(1, 2, 16, 16), torch.ones(1, 2, dtype=torch.bool), None, 1.0)
        condition = Condition(backbone.encode_text(text), faces)
        with torch.no_grad():
            first = method.predict(backbone, noisy, times, condition)
            assert (method.attention_state.carried is not None) == gathered
            assert torch.equal(first, method.predict(backbone, noisy, times, condition))


@pytest.mark.parametrize("count", [2, 3])
@torch.no_grad()
def test_where_the_background_wins_nobody_is_heard(models: Models, count: int) -> None:
    backbone = load.load(models.backbone)
    made = checkpoint.create("uniportrait-background", backbone, FrozenEncoders(models)).eval()
    assert isinstance(made, UniPortrait)
    made.attach(backbone.unet)
    name, layer = next((name, layer) for name, layer in made.layers.items() if layer.branch is not None)
    generator = torch.Generator().manual_seed(0)
    tokens, hidden, text = (
        torch.randn(size, generator=generator) for size in ((1, count, 16, 16), (1, 32, 32), (1, 5, 16))
    )
    torch.nn.init.normal_(layer.branch.router.background, generator=generator)
    faces, found = IdCondition(tokens, torch.ones(1, count, dtype=torch.bool), None, 1.0), []
    for each in (replace(faces, scale=0.0), faces):
        made.attention_state.reset(each, (4, 8))
        found.append(layer(attention_modules(backbone.unet)[name], hidden, text))
    background = made.attention_state.carried.flatten(2).argmax(1)[0] == count
    assert 4 < background.sum() < 28
    heard = (found[1] - found[0]).abs().amax(-1)[0]
    assert heard[background].max() == 0
    assert heard[~background].min() > 1e-4


def test_masks_override_the_router_and_are_normalised_where_they_overlap() -> None:
    masks = torch.zeros(1, 2, 4, 8)
    masks[0, 0, :, :4], masks[0, 1, :, :2] = 1.0, 1.0
    shares = mask_shares(masks, (2, 4)).unflatten(-1, (2, 4))
    assert shares[0, 0, 0].tolist() == [0.5, 1.0, 0.0, 0.0]
    assert shares[0, 1, 0].tolist() == [0.5, 0.0, 0.0, 0.0]


def test_one_person_has_every_position_and_no_router(method: UniPortrait, models: Models) -> None:
    backbone = load.load(models.backbone)
    method.attach(backbone.unet)
    for layer in method.layers.values():
        if layer.branch is not None:
            layer.branch.router = None  # would fail if it were asked
    faces = IdCondition(method.tokens(people(1)), torch.ones(1, 1, dtype=torch.bool), None, 1.0)
    whole = replace(faces, masks=torch.ones(1, 1, 8, 8))
    found = []
    for each in (faces, whole):
        method.attention_state.reset(each, (8, 8))
        text = backbone.encode_text(["a of b"])
        with torch.no_grad():
            found.append(backbone.denoise(torch.ones(1, 4, 8, 8), torch.tensor([500]), text))
    assert torch.allclose(*found, atol=1e-5)


def test_every_person_has_as_many_tokens_however_many_references(method: UniPortrait) -> None:
    for references in (1, 2, 4):
        assert method.tokens(people(2, references)).shape == (1, 2, 16, 16)


def test_a_missing_reference_is_as_if_it_were_not_there(method: UniPortrait) -> None:
    two = people(1, 2)
    alone = People({name: value[:, :, :1] for name, value in two.features.items()}, two.given[:, :, :1])
    padded = People(two.features, torch.tensor([[[True, False]]]))
    assert torch.allclose(method.tokens(alone), method.tokens(padded), atol=1e-5)


def test_an_empty_slot_has_no_tokens(method: UniPortrait) -> None:
    three = people(3)
    given = three.given.clone()
    given[0, 1] = False
    tokens = method.tokens(People(three.features, given))
    assert tokens[0, 1].abs().sum() == 0
    assert tokens[0, 2].abs().sum() > 0


def embed(settings: Settings, structure: torch.Tensor, keep: Keep, beta: float, shift: float = 0.0) -> torch.Tensor:
    """Tokens (1, 4, 16) of one face; the weights and the other features are always the same."""
    torch.manual_seed(0)
    null_features = {"embedding": torch.zeros(8), "intrinsic": torch.zeros(9, 16), "structure": torch.zeros(4, 20)}
    module, intrinsic = IdEmbedding(null_features, 16, settings), torch.randn(1, 1, 9, 16)
    torch.nn.init.normal_(module.out[1].weight)
    return module(torch.full((1, 8), shift), intrinsic, structure, keep, torch.full((1, 1, 1), beta))


def test_no_reference_changes_nothing(method: UniPortrait) -> None:
    null_features = {name: value[None, None, None] for name, value in method.null_features.items()}
    tokens = method.tokens(People(null_features, torch.ones(1, 1, 1, dtype=torch.bool)))
    assert torch.equal(tokens, torch.zeros_like(tokens))


def test_no_reference_changes_nothing_whatever_is_dropped(method: UniPortrait) -> None:
    method.train()
    method.on_phase_resume(method.phases()[0])
    everybody = people(32)
    null_features = People(
        {name: method.null_features[name].expand_as(value) for name, value in everybody.features.items()},
        everybody.given,
    )
    torch.manual_seed(2)
    assert method.tokens(null_features).abs().max() < 1e-5
    assert method.tokens(everybody).abs().max() > 0.1


def test_the_structure_scale_and_the_variants_without_a_part() -> None:
    one, other = torch.randn(1, 1, 4, 20), torch.randn(1, 1, 4, 20)
    assert torch.equal(embed(SMALL, one, Keep(), 0.0), embed(SMALL, other, Keep(), 0.0))
    assert not torch.allclose(embed(SMALL, one, Keep(), 1.0), embed(SMALL, other, Keep(), 1.0))
    without = replace(SMALL, structure=False)
    assert torch.equal(embed(without, one, Keep(), 1.0), embed(without, other, Keep(), 1.0))
    assert not torch.allclose(embed(SMALL, one, Keep(), 1.0), embed(SMALL, one, Keep(), 1.0, shift=1.0))
    without = replace(SMALL, embedding=False)
    assert torch.equal(embed(without, one, Keep(), 1.0), embed(without, one, Keep(), 1.0, shift=1.0))


def test_dropped_tokens_are_not_read() -> None:
    structure = torch.randn(1, 1, 4, 20)
    changed = structure.clone()
    changed[:, :, 2] += torch.randn(20)
    keep = Keep(structure=torch.tensor([[True, True, False, True]]))
    assert torch.allclose(embed(SMALL, structure, keep, 1.0), embed(SMALL, changed, keep, 1.0), atol=1e-6)
    assert not torch.allclose(embed(SMALL, structure, Keep(), 1.0), embed(SMALL, changed, Keep(), 1.0))


def test_path_and_token_drop_come_as_often_as_published(method: UniPortrait) -> None:
    torch.manual_seed(0)
    method._thin = True
    structure = torch.zeros(4000, 1, 16, 2)
    keep, beta = method._drop(Keep(), torch.ones(4000, 1, 1), structure)
    assert keep.structure is not None
    assert (beta == 0).float().mean().item() == pytest.approx(0.33, abs=0.03)
    thinned = ~keep.structure.all(1)
    assert thinned.float().mean().item() == pytest.approx(0.33, abs=0.03)
    assert not (thinned & (beta.flatten() == 0)).any()


def test_without_drop_regularisation_nothing_is_dropped(models: Models) -> None:
    made = checkpoint.create("uniportrait-no_drop", load.load(models.backbone), FrozenEncoders(models)).train()
    assert isinstance(made, UniPortrait)
    made.on_phase_resume(made.phases()[0])
    keep, beta = made._drop(Keep(), torch.ones(400, 1, 1), torch.zeros(400, 1, 16, 2))
    assert (beta == 1).all()
    assert keep.structure is None or keep.structure.all()


def test_the_face_branch_begins_as_the_backbones_own_attention_to_text(method: UniPortrait, models: Models) -> None:
    own = attention_modules(load.load(models.backbone).unet)
    for name, layer in method.layers.items():
        if layer.branch is not None:
            assert torch.equal(layer.branch.key.weight, own[name].to_k.weight)
            assert torch.equal(layer.branch.value.weight, own[name].to_v.weight)


def test_stage_two_begins_with_what_stage_one_learnt(method: UniPortrait) -> None:
    layer = next(iter(method.layers.values()))
    torch.nn.init.normal_(layer.single.query.up)
    method.on_phase_start(method.phases()[1])
    assert torch.equal(layer.multi.query.up, layer.single.query.up)


def test_interpolation_has_both_ends() -> None:
    first, second = torch.zeros(4, 6), torch.ones(4, 6)
    assert [interpolate(first, second, share).mean().item() for share in (0.0, 0.25, 1.0)] == [0.0, 0.25, 1.0]


def test_features_have_the_sizes_of_the_encoders_and_their_own_blank(models: Models) -> None:
    frozen = FrozenEncoders(models)
    crop = np.random.default_rng(0).integers(0, 256, (112, 112, 3)).astype(np.uint8)
    reference = Reference(crop, np.zeros(8, np.float32), tiny_models.head_pose())
    found, null_features = UniPortrait.encode(frozen, [reference] * 3), UniPortrait.encode_null(frozen)
    assert found["embedding"].shape == (3, 8)
    assert np.allclose(np.square(found["embedding"]).mean(1), 1.0)
    assert found["intrinsic"].shape == (3, 49, 16)
    assert found["shallow"].shape == (3, 16, 4 + 8 + 12)
    assert found["patches"].shape == (3, 16, 32)
    assert {name: value.shape[1:] for name, value in found.items()} == {n: v.shape for n, v in null_features.items()}
    assert np.abs(null_features["intrinsic"]).sum() == 0
    assert np.abs(null_features["shallow"]).sum() == 0
    assert np.abs(null_features["patches"]).sum() > 0


def test_structure_tokens_are_the_shallow_maps_beside_the_image_encoders() -> None:
    found = structure({"shallow": torch.ones(2, 3, 4), "patches": torch.full((2, 3, 5), 2.0)})
    assert found.shape == (2, 3, 9)
    assert found.sum(-1).unique().tolist() == [14.0]
    assert found[..., :4].unique().tolist() == [1.0]


def test_every_variant_differs_from_the_published_form() -> None:
    assert len(set(VARIANTS.values())) == len(VARIANTS)


@pytest.mark.real
@pytest.mark.parametrize("name", ["ms1m", "casia"])
def test_published_recognisers_condition_it(name: str, models: Models, real_folder: Path) -> None:
    """Sizes follow their inner maps, which are narrower than high."""
    published = replace(models, recogniser_a=str(real_folder / "packs/models" / name))
    backbone, frozen = load.load(models.backbone), FrozenEncoders(published)
    made = checkpoint.create("uniportrait", backbone, frozen).eval()
    made.attach(backbone.unet)
    crops = np.random.default_rng(0).integers(0, 256, (2, 112, 112, 3)).astype(np.uint8)
    found = made.encode(frozen, [Reference(crop, np.zeros(128, np.float32), tiny_models.head_pose()) for crop in crops])
    who = collate([[[{key: value[row] for key, value in found.items()}]] for row in range(2)], made.null_features)
    batch = Batch(backbone.encode_text(["a of b"] * 2), who, (8, 8))
    pictures = sampler.sample(backbone, made, batch, [1, 1], sampler.SamplerSettings(2, 2.0))
    assert pictures.isfinite().all()
    assert not torch.allclose(*pictures, atol=1e-5)
