"""A small residual network for face recognition, in the form that `ResidualNet.fold` stores.

Input (B, 3, 112, 112), RGB in [-1, 1]; output (B, D), not yet of unit length. Feature maps of 56, 28, 14 and 7 pixels
are at hand as in the IR networks of ArcFace (Deng et al. 2019), but activations come last and are plain ReLU: batch
normalisation then folds wholly into the convolutions, and a CPU runs it in half the time.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


class ConvNorm(nn.Module):
    """Convolution and batch normalisation, which `fold` makes one convolution."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2)
        self.norm: nn.Module = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


def fold(model: nn.Module) -> nn.Module:
    """Fold every normalisation of `model` into the layer before it, in place; the model is in eval mode afterwards."""
    model.eval()
    for part in model.modules():
        if isinstance(part, ConvNorm) and isinstance(part.norm, nn.BatchNorm2d):
            part.conv = fuse_conv_bn_eval(part.conv, part.norm)
            part.norm = nn.Identity()
    return model


class Residual(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut (He et al. 2016), activation last."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.first = ConvNorm(inputs, outputs, 3, stride)
        self.second = ConvNorm(outputs, outputs, 3)
        same = inputs == outputs and stride == 1
        self.shortcut: nn.Module = nn.Identity() if same else ConvNorm(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.second(torch.relu(self.first(x))) + self.shortcut(x))


class ResidualNet(nn.Module):
    """Stem to 56 pixels, one stage each at 28, 14 and 7 pixels, one linear layer over the whole 7 x 7 map.

    The map is not pooled: where on the face something is tells people apart (moles).
    """

    def __init__(self, stem: int, widths: Sequence[int], blocks: Sequence[int], dimension: int) -> None:
        super().__init__()
        self.stem = ConvNorm(3, stem, 5, 2)
        self.stages = nn.ModuleList()
        inputs = stem
        for width, count in zip(widths, blocks, strict=True):
            stage = [Residual(inputs if i == 0 else width, width, 2 if i == 0 else 1) for i in range(count)]
            self.stages.append(nn.Sequential(*stage))
            inputs = width
        self.head = nn.Linear(inputs * 7 * 7, dimension)

    def features(self, pixels: Tensor) -> dict[int, Tensor]:
        """Feature maps by their side: {56: (B, C, 56, 56), 28: ..., 14: ..., 7: ...}."""
        return {feature.shape[-1]: feature for feature in self._maps(pixels)}

    def forward(self, pixels: Tensor) -> Tensor:
        return self.head(self._maps(pixels)[-1].flatten(1))

    def _maps(self, pixels: Tensor) -> list[Tensor]:
        maps = [torch.relu(self.stem(pixels))]
        for stage in self.stages:
            maps.append(stage(maps[-1]))
        return maps
