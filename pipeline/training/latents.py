"""Latents and texts of the training photos, the same for all methods."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipeline import shards
from pipeline.backbone.load import load
from pipeline.images import Pixels, cut, decode, to_unit
from pipeline.settings import Models
from pipeline.training.cache import FOLDER, kept_rows, write

PICTURES_AT_ONCE = 16
CAPTIONS_AT_ONCE = 128


class LatentWorker:
    """Computes latents and texts of samples shards.

    An entry holds `moments-<w>x<h>` (n, 2C, h, w), mean and deviation of the latents of what is shown of the photos,
    those of a size in the order of the rows; `hidden`, `ids` and, for SDXL, `pooled` of the distinct captions;
    `caption` (rows,) their number.
    """

    def __init__(self, models: Models, folder: Path = FOLDER) -> None:
        self._backbone = load(models.backbone)
        self._folder = folder

    def __call__(self, task: shards.Task) -> int:
        table = kept_rows(task.inputs, ["image", "crop", "size", "caption"])
        arrays = self._texts(table["caption"].to_pylist())
        rows = table.select(["image", "crop", "size"]).to_pylist()
        for size in sorted({tuple(row["size"]) for row in rows}):
            shown = [row for row in rows if tuple(row["size"]) == size]
            arrays[f"moments-{size[0]}x{size[1]}"] = self._moments(shown)
        write(task.key, arrays, self._folder)
        return table.num_rows

    def _moments(self, rows: Sequence[Mapping[str, Any]]) -> NDArray[np.float32]:
        parts = []
        for chunk in shards.chunks(rows, PICTURES_AT_ONCE):
            pixels = np.stack([to_unit(shown(row)) for row in chunk])
            parts.append(torch.cat(self._backbone.encode(torch.from_numpy(pixels).permute(0, 3, 1, 2)), dim=1).cpu())
        return torch.cat(parts).numpy()

    def _texts(self, captions: list[str]) -> dict[str, NDArray[Any]]:
        distinct = sorted(set(captions))
        number = {caption: index for index, caption in enumerate(distinct)}
        found = [self._backbone.encode_text(chunk) for chunk in shards.chunks(distinct, CAPTIONS_AT_ONCE)]
        arrays: dict[str, NDArray[Any]] = {"caption": np.array([number[caption] for caption in captions])}
        arrays["ids"] = torch.cat([text.ids for text in found]).cpu().numpy()
        arrays["hidden"] = torch.cat([text.hidden for text in found]).half().cpu().numpy()
        pooled = [text.pooled for text in found if text.pooled is not None]
        return arrays | ({"pooled": torch.cat(pooled).half().cpu().numpy()} if pooled else {})


def shown(row: Mapping[str, Any]) -> Pixels:
    """What a sample shows of its photo, RGB (H, W, 3) at its size."""
    return cut(decode(row["image"]["bytes"]), row["crop"], row["size"])
