"""What is compared: each entry gives our way and the alternative, ready to run and equal in what they compute."""

from collections.abc import Callable

import numpy as np
import torch
from skimage.transform import SimilarityTransform
from torch.nn.functional import scaled_dot_product_attention

from pipeline.backbone.inject import plain_attention
from pipeline.identities.linkage import unique_edges
from pipeline.pack.recognition.faces import similarity

Pair = tuple[Callable[[], object], Callable[[], object]]


def edges() -> Pair:
    """Unique edges of a graph by one number per edge against rows of two: 200,000 edges among 20,000 nodes."""
    drawn = np.random.default_rng(0).integers(0, 20000, (200000, 2))
    return lambda: unique_edges(drawn, 20000), lambda: np.unique(np.sort(drawn, axis=1), axis=0)


def alignment() -> Pair:
    """The closed form of a similarity in the plane against scikit-image's: five points."""
    points, target = np.random.default_rng(0).normal(size=(2, 5, 2)).astype(np.float32)
    return lambda: similarity(points, target), lambda: SimilarityTransform.from_estimate(points, target)


def precision() -> Pair:
    """A convolution in float32 against bfloat16: how this device's answer to `half_is_fast` comes about."""
    net, pixels = torch.nn.Conv2d(64, 64, 3, padding=1), torch.randn(4, 64, 16, 16)
    half = torch.nn.Conv2d(64, 64, 3, padding=1).bfloat16()
    return lambda: net(pixels), lambda: half(pixels.bfloat16())


def attention() -> Pair:
    """Attention to 52 words in plain products against the fused kernel, both in bfloat16: forwards and backwards."""
    query, key, value = (torch.randn(24, 2, size, 32).bfloat16().requires_grad_() for size in (256, 52, 52))

    def run(attend: Callable[..., torch.Tensor]) -> Callable[[], object]:
        return lambda: attend(query, key, value).sum().backward()

    return run(plain_attention), run(scaled_dot_product_attention)


PAIRS: dict[str, Callable[[], Pair]] = {
    "edges": edges,
    "alignment": alignment,
    "precision": precision,
    "attention": attention,
}
