"""What the backbone is told of people: who may be read where, and that coefficients are people's own."""

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from numpy.typing import NDArray

from pipeline.pack import dataset
from pipeline.pack.diffusion import backbone, blocks, identity_conditioning
from pipeline.world import population

SIZES = backbone.Sizes(channels=(16, 16, 16, 16), head=8, groups=4)


def told(tokens: torch.Tensor, present: list[bool]) -> identity_conditioning.IdentityCondition:
    """Two people, one in each half of the picture."""
    boxes = torch.tensor([[[0.1, 0.2, 0.4, 0.8], [0.6, 0.2, 0.9, 0.8]]])
    return identity_conditioning.IdentityCondition(tokens, torch.tensor([present]), boxes)


def test_a_position_reads_its_nearest_person_if_that_one_is_told_of() -> None:
    tokens = torch.zeros(1, 2, 3, 4)
    assert identity_conditioning.shares(told(tokens, [True, True]), (1, 4)).tolist() == [[[1, 1, 0, 0], [0, 0, 1, 1]]]
    assert identity_conditioning.shares(told(tokens, [False, True]), (1, 4)).tolist() == [[[0, 0, 0, 0], [0, 0, 1, 1]]]


def test_an_empty_slot_takes_no_position() -> None:
    boxes = torch.tensor([[[0.1, 0.2, 0.4, 0.8], [0.0, 0.0, 0.0, 0.0]]])
    one = identity_conditioning.IdentityCondition(torch.zeros(1, 2, 3, 4), torch.tensor([[True, False]]), boxes)
    assert identity_conditioning.shares(one, (1, 4)).tolist() == [[[1, 1, 1, 1], [0, 0, 0, 0]]]


def test_at_first_almost_nothing_is_told() -> None:
    torch.manual_seed(0)
    assert identity_conditioning.IdentityProjector(80, 8, 16)(torch.randn(4, 2, 80)).abs().max() < 1


def unet() -> UNet2DConditionModel:
    return backbone.build_unet(SIZES, context=16, seed=0).eval()


@torch.no_grad()
def run(model: UNet2DConditionModel) -> torch.Tensor:
    draws = torch.Generator().manual_seed(0)
    noisy, text = torch.randn(1, blocks.CHANNELS, 16, 32, generator=draws), torch.randn(1, 6, 16, generator=draws)
    found: torch.Tensor = model(noisy, torch.tensor([500]), text).sample
    return found


def test_a_network_that_is_told_of_nobody_is_the_plain_one() -> None:
    plain, model = unet(), unet()
    attention_state = identity_conditioning.attach_identity(model)
    attention_state.reset(told(torch.randn(1, 2, 3, 16), [False, False]), (16, 32))
    assert torch.allclose(run(model), run(plain), atol=1e-5)
    attention_state.reset(told(torch.randn(1, 2, 3, 16), [True, False]), (16, 32))
    assert not torch.allclose(run(model), run(plain), atol=1e-3)


def drawn(people: list[list[int]]) -> dataset.Drawn:
    """Photographs of some people, each face in a box of its own."""
    faces = [(photo, person) for photo, group in enumerate(people) for person in group]
    return dataset.Drawn(
        images=np.zeros((len(people), 128, 256, 3), np.uint8),
        captions=[""] * len(people),
        photo=np.array([photo for photo, _ in faces]),
        person=np.array([person for _, person in faces]),
        box=np.array([[64 * place, 32, 64 * place + 64, 96] for place in range(len(faces))], np.float32),
        landmarks=np.arange(len(faces), dtype=np.float32)[:, None, None].repeat(68, 1).repeat(2, 2),
    )


def test_the_cast_lists_the_coefficients_and_boxes_of_each_face_in_turn() -> None:
    cast = identity_conditioning.cast(drawn([[4, 1], [1]]), seed=7)
    assert cast.present.tolist() == [[True, True], [True, False]]
    assert np.array_equal(cast.people[0, 1], of(7, 1))
    assert np.array_equal(cast.people[1, 0], of(7, 1))
    assert np.array_equal(cast.people[0, 0], of(7, 4))
    assert cast.boxes[0, 1].tolist() == [0.25, 0.25, 0.5, 0.75]
    assert cast.points[:, :, 0, 0].tolist() == [[0, 1], [2, 0]]
    assert not cast.people[1, 1].any()


def of(seed: int, index: int) -> NDArray[np.float32]:
    one = population.person(seed, index)
    return np.concatenate([one.shape, one.albedo])
