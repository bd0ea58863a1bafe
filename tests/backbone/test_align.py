"""Faces cut out in torch are those that the recognisers see, and gradients pass."""

import numpy as np
import pytest
import torch

from pipeline.backbone.align import aligned, keypoints, similarity
from pipeline.encoders.recogniser import align, kps_from_landmarks68


def landmarks(centre: tuple[float, float], size: float, angle: float) -> np.ndarray:
    """68 points of a rough face in pixels: only the key points' spread matters."""
    draw = np.random.default_rng(0)
    points = draw.normal(0, 0.05, (68, 2))
    for start, stop, place in ((36, 42, (-0.5, -0.4)), (42, 48, (0.5, -0.4)), (30, 31, (0, 0.1))):
        points[start:stop] += place
    points[48], points[54] = (-0.4, 0.6), (0.4, 0.6)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (points @ turn.T * size + centre).astype(np.float32)


def test_the_similarity_by_hand() -> None:
    source = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0]])
    # a quarter turn that takes x to y and y to -x, three times as large, then shifted
    target = torch.tensor([[[10.0, 20.0], [10.0, 26.0], [4.0, 20.0]]])
    turn, shift = similarity(source, target)
    assert torch.allclose(turn, torch.tensor([[[0.0, -3.0], [3.0, 0.0]]]), atol=1e-5)
    assert torch.allclose(shift, torch.tensor([[10.0, 20.0]]), atol=1e-5)


def test_key_points_are_those_of_the_recognisers() -> None:
    points = landmarks((30, 40), 20, 0.2)
    assert np.allclose(keypoints(torch.from_numpy(points)).numpy(), kps_from_landmarks68(points), atol=1e-4)


@pytest.mark.parametrize("angle", [0.0, 0.4])
def test_a_face_is_cut_out_as_from_a_photo(angle: float) -> None:
    y, x = np.mgrid[0:96, 0:160].astype(np.float32)
    photo = np.stack([x + 40, 2 * y + 20, 120 + 60 * np.sin(x / 12) * np.cos(y / 9)], axis=-1)
    points = landmarks((70, 48), 22, angle)
    wanted = align(np.round(photo).clip(0, 255).astype(np.uint8), kps_from_landmarks68(points)).astype(np.float32)
    pixels = torch.from_numpy(photo).permute(2, 0, 1)[None]
    # fractions count from the edge of the picture, pixels from the middle of the first one
    where = torch.from_numpy((points + 0.5) / [160, 96]).float()[None, None]
    found = aligned(pixels, where, 112)[0, 0].permute(1, 2, 0).numpy()
    inside = np.s_[20:92, 20:92]
    assert np.abs(found[inside] - wanted[inside]).mean() < 1.5


def test_latents_are_cut_out_in_their_own_resolution_with_gradients() -> None:
    points = torch.from_numpy(landmarks((64, 64), 30, 0.0) / 128).float()[None, None].expand(2, 3, -1, -1)
    latents = torch.randn(2, 4, 32, 32, requires_grad=True)
    faces = aligned(latents, points, 28)
    assert faces.shape == (2, 3, 4, 28, 28)
    faces.sum().backward()
    assert latents.grad is not None
    assert latents.grad.abs().sum() > 0
