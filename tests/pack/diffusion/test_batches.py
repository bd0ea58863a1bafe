"""Close-ups: where they are cut, what goes with them, and that they come as often as asked."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from insightface.utils.face_align import arcface_dst

from pipeline.pack import trainer
from pipeline.pack.diffusion import batches, blocks, identity_conditioning
from pipeline.pack.diffusion.recogniser_loss import aligned

DIFFUSION = batches.Diffusion(
    gamma=5.0, focus=(0.4, 0.9), drop=0.0, told=1.0, tokens=2, face=1.0, average=0.9, portraits=0.5,
    close_ups=1.0, judged=0, likeness=0.0,
)  # fmt: skip
TRAINING = trainer.Training(steps=10, batch=4, rate=1e-3, weight_decay=0.0, seed=5)
EMPTY = torch.zeros(3, dtype=torch.long)
HIGH = 128  # pixels


def kind(width: int, people: int) -> batches.Kind:
    """Photographs whose colours say where they were cut: red is the cell's x, green its y, blue the photo's number."""
    y, x = np.mgrid[:HIGH, :width] // blocks.SIDE
    images = np.stack([np.stack([x, y, np.full_like(x, n)], axis=-1) for n in range(6)])
    left = np.arange(people, dtype=np.float32) / people
    boxes = np.stack([left, left * 0 + 0.25, left + 1 / people, left * 0 + 0.75], axis=1)
    middles = np.stack([(left + 0.5 / people) * width, left * 0 + HIGH / 2], axis=1)
    points = (arcface_dst - 56) / 4 + middles[:, None]  # faces of 28 pixels
    cast = identity_conditioning.Cast(
        people=np.arange(6 * people, dtype=np.float32).reshape(6, people, 1),
        boxes=np.tile(boxes, (6, 1, 1)),
        points=np.tile(points, (6, 1, 1, 1)).astype(np.float32),
        present=np.ones((6, people), np.bool_),
    )
    return batches.Kind(images.astype(np.uint8), torch.arange(1, 7)[:, None].expand(-1, 3), cast)


def made(**changes: float) -> batches.Batches:
    kinds = {"portraits": kind(HIGH, 1), "groups": kind(2 * HIGH, 2)}
    return batches.Batches(kinds, EMPTY, replace(DIFFUSION, **changes), TRAINING)


def corner(batch: trainer.Batch) -> torch.Tensor:
    """Red, green and blue (3, B) of each picture's upper left pixel."""
    return ((blocks.pictures(batch["latents"])[:, :, 0, 0] + 1) * 127.5).round().T


def test_a_close_up_shows_its_face_with_its_person_and_its_box() -> None:
    batch = next(batch for batch in map(made(portraits=0.0), range(1)))
    assert batch["latents"].shape == (12, blocks.CHANNELS, 16, 16)
    x, _, photo = corner(batch)
    centre = batch["boxes"][:, 0, [0, 2]].mean(1) * 16 + x  # where the box is in the whole latent
    person = batch["people"][:, 0, 0]
    assert torch.allclose(person // 2, photo)
    assert torch.allclose(centre, torch.where(person % 2 == 0, 16.0, 48.0), atol=0.01)
    assert batch["told"].shape == (12, 1)
    assert torch.equal(batch["tokens"], EMPTY.expand(12, 3))  # a group's caption describes others too


@pytest.mark.parametrize("close_ups", [0.0, 1.0])
def test_the_face_that_is_judged_lies_where_the_batch_says(close_ups: float) -> None:
    batches_made = [made(portraits=0.0, close_ups=close_ups)(index) for index in range(6)]
    batch = {name: torch.cat([each[name] for each in batches_made]) for name in batches_made[0]}
    faces = aligned(blocks.pictures(batch["latents"]).float(), batch["grids"])
    x, y, photo = ((faces[:, :, 56, 56] + 1) * 127.5).T
    assert torch.equal(photo.round(), corner(batch)[2])
    assert (torch.minimum((x - 15.5).abs(), (x - 47.5).abs()) < 1).all()
    assert ((y - 15.5).abs() < 1).all()
    if close_ups:  # who is judged is who is told of
        assert torch.equal(x > 32, batch["people"][:, 0, 0] % 2 == 1)
    else:
        assert len(set((x > 32).tolist())) == 2


def test_a_close_up_of_a_portrait_keeps_its_caption() -> None:
    batch = made(portraits=1.0)(0)
    assert torch.equal(batch["tokens"][:, 0], corner(batch)[2].long() + 1)


def test_close_ups_come_as_often_as_asked() -> None:
    batch_at = made(close_ups=0.7)
    close = np.mean([batch_at(index)["latents"].shape[-1] == 16 for index in range(200)])
    assert 0.6 < close < 0.8
