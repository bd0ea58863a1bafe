"""Recogniser A in a loss: faces are sampled where insightface samples them, and the loss points the right way."""

import numpy as np
import pytest
import torch
from insightface.utils import face_align

from pipeline.pack.diffusion import recogniser_loss, vae


def test_faces_are_sampled_as_insightface_aligns_them() -> None:
    ramp = np.add.outer(np.arange(128) * 0.8, np.arange(96) * 0.9)
    image = np.repeat(ramp[..., None], 3, axis=2).astype(np.uint8)
    kps = face_align.arcface_dst * 0.5 + [20, 30]
    expected = face_align.norm_crop(image, kps, 112)
    theta = torch.from_numpy(recogniser_loss.face_grid(kps, (96, 128)))[None]
    found = (recogniser_loss.aligned(vae.to_tensors(image)[None], theta)[0] + 1) * 127.5
    assert np.abs(found.permute(1, 2, 0).numpy() - expected).max() < 1.5


def test_the_person_loss_is_zero_for_the_same_face_and_teaches_the_made_one() -> None:
    def recogniser(faces: torch.Tensor) -> dict[int, torch.Tensor]:
        return {56: faces * 2, 0: faces.flatten(1)}

    wanted = torch.rand(2, 3, 8, 8)
    made = (wanted * 0.5 + 0.1).requires_grad_()
    assert sum(recogniser_loss.person_loss(recogniser, wanted, wanted)).item() == pytest.approx(0, abs=1e-6)
    sum(recogniser_loss.person_loss(recogniser, made, wanted)).backward()
    assert made.grad is not None
    assert made.grad.abs().min() > 0
