"""The networks of the pack besides recogniser A's, which `pipeline/encoders/residual.py` holds.

All begin with a strided stem and use plain 3 x 3 convolutions: on a CPU these learn more per second than depthwise
ones.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.encoders.residual import ConvNorm, Residual

STRIDES = (8, 16, 32)
ANCHORS = 2


class PlainNet(nn.Module):
    """Recogniser B: a plain stack of convolutions without shortcuts (Simonyan and Zisserman 2015).

    Input (B, 3, 112, 112) in [-1, 1], output (B, dimension).
    """

    def __init__(self, stem: int, widths: Sequence[int], blocks: Sequence[int], dimension: int) -> None:
        super().__init__()
        layers = [ConvNorm(3, stem, 4, 2)]
        inputs = stem
        for width, count in zip(widths, blocks, strict=True):
            layers += [ConvNorm(inputs if i == 0 else width, width, 3, 2 if i == 0 else 1) for i in range(count)]
            inputs = width
        self.layers = nn.ModuleList(layers)
        self.head = nn.Linear(inputs * 7 * 7, dimension)

    def forward(self, pixels: Tensor) -> Tensor:
        x = pixels
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.1)
        return self.head(x.flatten(1))


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3, 1 x 1 convolutions beside a shortcut, with squeeze and excitation (Hu et al. 2018)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.narrow = ConvNorm(width, width // 2, 1)
        self.middle = ConvNorm(width // 2, width // 2, 3)
        self.widen = ConvNorm(width // 2, width, 1)
        self.squeeze = nn.Conv2d(width, width // 8, 1)
        self.excite = nn.Conv2d(width // 8, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.widen(torch.relu(self.middle(torch.relu(self.narrow(x)))))
        weight = torch.sigmoid(self.excite(torch.relu(self.squeeze(y.mean((2, 3), keepdim=True)))))
        return torch.relu(x + y * weight)


class BottleneckNet(nn.Module):
    """Recogniser C: patches of 4 x 4 pixels, then bottlenecks at 28, 14 and 7 pixels.

    The last map is narrowed, not pooled. Input (B, 3, 112, 112) in [-1, 1], output (B, dimension).
    """

    def __init__(self, widths: Sequence[int], blocks: Sequence[int], narrow: int, dimension: int) -> None:
        super().__init__()
        self.stem = ConvNorm(48, widths[0], 3)
        self.stages = nn.ModuleList(
            nn.Sequential(*[Bottleneck(width) for _ in range(count)])
            for width, count in zip(widths, blocks, strict=True)
        )
        self.down = nn.ModuleList(ConvNorm(before, after, 3, 2) for before, after in pairwise(widths))
        self.narrow = ConvNorm(widths[-1], narrow, 1)
        self.head = nn.Linear(narrow * 7 * 7, dimension)

    def forward(self, pixels: Tensor) -> Tensor:
        x = torch.relu(self.stem(F.pixel_unshuffle(pixels, 4)))
        x = self.stages[0](x)
        for down, stage in zip(self.down, self.stages[1:], strict=True):
            x = stage(torch.relu(down(x)))
        return self.head(self.narrow(x).flatten(1))


class LandmarkNet(nn.Module):
    """68 landmarks of a crop: input (B, 3, 192, 192) in about [-1, 1], output (B, 136) in [-1, 1], x and y in turn.

    The crop is halved first: a face of 128 drawn pixels has no detail that 96 pixels lose.
    """

    def __init__(self, stem: int, widths: Sequence[int], blocks: Sequence[int], narrow: int) -> None:
        super().__init__()
        self.stem = ConvNorm(3, stem, 5, 2)
        stages: list[nn.Module] = []
        inputs = stem
        for width, count in zip(widths, blocks, strict=True):
            stages += [Residual(inputs if i == 0 else width, width, 2 if i == 0 else 1) for i in range(count)]
            inputs = width
        self.stages = nn.Sequential(*stages)
        self.narrow = ConvNorm(inputs, narrow, 1)
        self.head = nn.Linear(narrow * 6 * 6, 136)

    def forward(self, pixels: Tensor) -> Tensor:
        x = torch.relu(self.stem(F.avg_pool2d(pixels, 2)))
        return self.head(torch.relu(self.narrow(self.stages(x))).flatten(1))


class DetectorNet(nn.Module):
    """Faces with five key points, in the form of SCRFD (Guo et al. 2022): strides 8, 16 and 32, two anchors per place.

    Input (1, 3, H, W), H and W multiples of 32. Output: scores of the three strides, then boxes, then key points, each
    (1, H/s * W/s * 2, 1 or 4 or 10). Scores are probabilities (logits while training), boxes and key points in units of
    the stride. The two anchors of a place stand for two sizes of face.
    """

    def __init__(self, stem: int, widths: Sequence[int], neck: int) -> None:
        super().__init__()
        self.stem = ConvNorm(3, stem, 6, 4)
        self.levels = nn.ModuleList()
        inputs = stem
        for width in widths:
            self.levels.append(Residual(inputs, width, 2))
            inputs = width
        self.lateral = nn.ModuleList(ConvNorm(width, neck, 1) for width in widths)
        self.smooth = nn.ModuleList(ConvNorm(neck, neck, 3) for _ in widths)
        self.score = nn.ModuleList(nn.Conv2d(neck, ANCHORS, 1) for _ in widths)
        self.box = nn.ModuleList(nn.Conv2d(neck, 4 * ANCHORS, 1) for _ in widths)
        self.kps = nn.ModuleList(nn.Conv2d(neck, 10 * ANCHORS, 1) for _ in widths)
        # Faces are rare among places: begin by saying so (Lin et al. 2017, section 3.3); boxes begin with some extent.
        for layers, start in ((self.score, -4.0), (self.box, 2.0)):
            for name, bias in layers.named_parameters():
                if name.endswith("bias"):
                    nn.init.constant_(bias, start)

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        x = torch.relu(self.stem(pixels))
        maps = []
        for level in self.levels:
            x = level(x)
            maps.append(x)
        features = self._pyramid(maps)
        heads = [(self.score, 1), (self.box, 4), (self.kps, 10)]
        found = [_rows(layer(y), d) for layers, d in heads for layer, y in zip(layers, features, strict=True)]
        if self.training:
            return tuple(found)
        return (*[torch.sigmoid(scores) for scores in found[: len(STRIDES)]], *found[len(STRIDES) :])

    def _pyramid(self, maps: list[Tensor]) -> list[Tensor]:
        """Each level sees the coarser ones too (feature pyramid, Lin et al. 2017)."""
        merged = [lateral(y) for lateral, y in zip(self.lateral, maps, strict=True)]
        for i in range(len(merged) - 2, -1, -1):
            merged[i] = merged[i] + F.interpolate(merged[i + 1], scale_factor=2.0, mode="nearest")
        return [torch.relu(smooth(torch.relu(y))) for smooth, y in zip(self.smooth, merged, strict=True)]


def _rows(x: Tensor, width: int) -> Tensor:
    """(B, 2 * width, h, w) to (B, h * w * 2, width): row by row, place by place, anchor by anchor."""
    return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, width)
