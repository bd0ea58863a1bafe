"""A FaceAnalysis directory whose answers are known beforehand, for tests of what comes after the models.

A red cell of 32 x 32 pixels, at whole multiples of 32, is a face: its box is the cell. Its embedding is its colours.
The detector looks at 192 pixels: a photo must be that wide or high, or it is rescaled and its cells with it.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.pack import export

CELL = 32
# Key points and landmarks as shares of the cell.
KEYPOINTS = ((0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.35, 0.8), (0.65, 0.8))


def landmark_shares() -> np.ndarray:
    """68 places (68, 2) in the cell: all in its middle but the outer eye corners and the nose tip of a frontal face."""
    places = np.full((68, 2), 0.5)
    places[36], places[45], places[30] = (0.2, 0.4), (0.8, 0.4), (0.5, 0.6)
    return places


class ToyDetector(nn.Module):
    """Scores a cell by how much more red than green it is; the outputs are SCRFD's nine."""

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        scores, boxes, points = [], [], []
        for stride in (8, 16, 32):
            redness = nn.functional.avg_pool2d(pixels[:, :1] - pixels[:, 1:2], stride).reshape(1, -1, 1) / 2
            seen = redness if stride == CELL else redness * 0
            scores.append(torch.cat([seen, seen * 0], dim=2).reshape(1, -1, 1))  # the second anchor stays silent
            boxes.append(redness.new_tensor([0.0, 0.0, 1.0, 1.0]) + 0 * scores[-1])
            points.append(redness.new_tensor(KEYPOINTS).reshape(1, 1, 10) + 0 * scores[-1])
        return (*scores, *boxes, *points)


class ToyLandmarks(nn.Module):
    """The same 68 places in every crop; the crop shows the box enlarged by half, in [-1, 1]."""

    def __init__(self) -> None:
        super().__init__()
        places = torch.from_numpy((landmark_shares() - 0.5) * 2 / 1.5).float().reshape(1, 136)
        self.register_buffer("places", places)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.places + 0 * pixels.mean((1, 2, 3))[:, None]


class ToyRecogniser(nn.Module):
    """The mean colours of 4 x 4 parts: 48 numbers."""

    def forward(self, pixels: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(pixels, 28).flatten(1)


def write(folder: Path) -> Path:
    """Write the three models into `folder`."""
    free = {0: "batch"}
    outputs = {f"out{number}": {1: f"n{number}"} for number in range(9)}
    export.store_onnx(
        ToyDetector(), folder / "detector.onnx", (1, 3, 64, 64), {"image": {2: "height", 3: "width"}, **outputs}
    )
    export.store_onnx(ToyLandmarks(), folder / "landmarks.onnx", (1, 3, 192, 192), {"image": {}, "points": {}})
    export.store_onnx(ToyRecogniser(), folder / "recogniser.onnx", (1, 3, 112, 112), {"image": free, "embedding": free})
    return folder


def photo(width: int, height: int, faces: dict[tuple[int, int], int], seed: int = 0) -> np.ndarray:
    """An RGB photo (height, width, 3) with a face of some blueness in each named cell (column, row)."""
    pixels = np.full((height, width, 3), 90, np.uint8)
    noise = np.random.default_rng(seed)
    for (column, row), blue in faces.items():
        cell = np.full((CELL, CELL, 3), (250, 10, blue), np.int16) + noise.integers(-5, 6, (CELL, CELL, 3))
        pixels[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL] = np.clip(cell, 0, 255)
    return pixels
