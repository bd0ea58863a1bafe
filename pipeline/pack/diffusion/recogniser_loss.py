"""Recogniser A as a part of a loss: how far two pictures of a face are apart for it."""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from insightface.utils.face_align import arcface_dst
from numpy.typing import NDArray
from torch import Tensor

from pipeline.encoders.recogniser import SIDE, load_torch_recogniser
from pipeline.pack import settings
from pipeline.pack.recognition.faces import similarity

Features = Callable[[Tensor], dict[int, Tensor]]


def face_grid(kps: NDArray[np.floating], size: tuple[int, int]) -> NDArray[np.float32]:
    """The (2, 3) matrix for `F.affine_grid` that samples the aligned 112-pixel face of an image of `size` (w, h).

    `kps` (5, 2) are the face's key points in that image.
    """
    forward = similarity(kps.astype(np.float32), arcface_dst)
    inverse = np.linalg.inv(np.vstack([forward, [0, 0, 1]]))
    # F.affine_grid counts pixels' edges from -1 to 1 (align_corners=False), the matrix counts their centres from 0.
    to_pixels = np.array([[SIDE / 2, 0, SIDE / 2 - 0.5], [0, SIDE / 2, SIDE / 2 - 0.5], [0, 0, 1]])
    from_pixels = np.array([[2 / size[0], 0, 1 / size[0] - 1], [0, 2 / size[1], 1 / size[1] - 1], [0, 0, 1]])
    return (from_pixels @ inverse @ to_pixels)[:2].astype(np.float32)


def aligned(images: Tensor, theta: Tensor) -> Tensor:
    """The aligned faces (B, 3, 112, 112) of images (B, 3, H, W); differentiable."""
    grid = F.affine_grid(theta, [len(images), 3, SIDE, SIDE], align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


def person_loss(features: Features, made: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """How far the recogniser's maps of two faces are apart, each relative to its size, and how far its embeddings."""
    with torch.no_grad():
        right = features(wanted)
    found = features(made)
    maps = [(found[side] - right[side]).abs().mean() / right[side].abs().mean() for side in right if side]
    return torch.stack(maps).mean(), (1.0 - F.cosine_similarity(found[0], right[0])).mean()


@cache
def supervisor(where: torch.device) -> Features:
    """Recogniser A as a function from faces (B, 3, 112, 112) to its maps by side, its embedding under 0."""
    net = load_torch_recogniser(settings.MODELS / "recogniser_a").to(where)

    def features(faces: Tensor) -> dict[int, Tensor]:
        maps = net.features(faces)
        return {side: value.float() for side, value in maps.items()} | {0: net.head(maps[7].flatten(1)).float()}

    return features
