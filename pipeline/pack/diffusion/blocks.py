"""What the pack's latents hold: the lowest cosine coefficients of blocks of 4 x 4 pixels, scaled.

An autoencoder that is free to choose its latents gives every channel about the same variance, so that fine detail must
be settled at the same noise as skin and beard, and a small diffusion model learns who is shown slowly or never
(reports/decisions/latents.md). Cosine coefficients fall off as pictures do: what is coarse, and most of what makes a
person, stands out of much noise, and detail follows from it. Three of brightness and one of each colour difference
keep a person at a similarity of 0.95 in portraits and 0.87 in groups of three even by their plain inverse.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

SIDE = 4  # pixels
LUMA, CHROMA = 3, 1  # coefficients of brightness, and of each of the two colour differences
CHANNELS = LUMA + 2 * CHROMA
# Red, green, blue of brightness and of the two differences; orthonormal.
COLOURS = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])
# Roots of the coefficients' standard deviations over p1: half way between a picture's own spectrum and a flat one.
LUMA_SCALES = (1.57, 0.63, 0.63)
CHROMA_SCALES = (1.19, 0.79)


def coefficients(images: Tensor) -> Tensor:
    """Images (B, 3, H, W) in [-1, 1] to scaled coefficients (B, CHANNELS, H / 4, W / 4), of about unit variance."""
    return F.conv2d(images, _kernels().to(images), stride=SIDE) / _scales().to(images)


def pictures(scaled: Tensor) -> Tensor:
    """The plain inverse of `coefficients`: the picture (B, 3, H, W) of no other detail."""
    return F.conv_transpose2d(scaled * _scales().to(scaled), _kernels().to(scaled), stride=SIDE)


def _kernels() -> Tensor:
    """(CHANNELS, 3, 4, 4), orthonormal: brightness by rising frequency, then the differences by rising frequency."""
    steps = np.arange(SIDE)
    waves = np.cos(np.pi * (2 * steps + 1) * steps[:, None] / (2 * SIDE)) * np.sqrt(2 / SIDE)
    waves[0] /= np.sqrt(2)
    rising = sorted(np.ndindex(SIDE, SIDE), key=lambda at: (at[0] ** 2 + at[1] ** 2, at[0]))
    chosen = [(COLOURS[0], at) for at in rising[:LUMA]]
    chosen += [(colour, at) for at in rising[:CHROMA] for colour in COLOURS[1:]]
    made = [np.einsum("c,y,x->cyx", colour, waves[down], waves[across]) for colour, (down, across) in chosen]
    return torch.from_numpy(np.stack(made))


def _scales() -> Tensor:
    return torch.tensor([*LUMA_SCALES, *CHROMA_SCALES]).view(-1, 1, 1)
