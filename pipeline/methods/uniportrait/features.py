"""What UniPortrait reads of references: the recogniser's embedding and inner maps, the image encoder's tokens."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from pipeline.backbone.batch import Floats, Reference
from pipeline.backbone.frozen import Features, FrozenEncoders
from pipeline.encoders.recogniser import SIDE
from pipeline.errors import MissingInput
from pipeline.images import Pixels

SHALLOW = (56, 28, 14)  # sides of the recogniser's maps that carry face structure
INTRINSIC = 7
FACES_AT_ONCE = 64


def encode_faces(frozen: FrozenEncoders, references: Sequence[Reference]) -> Features:
    """Embedding (R, D), intrinsic (R, 49 or fewer, C), shallow (R, M, S) and patches (R, M, E) of R aligned faces.

    Raises:
        MissingInput: recogniser A has no inner maps of the sides that are read.
    """
    parts = [
        _encode(frozen, references[start : start + FACES_AT_ONCE]) for start in range(0, len(references), FACES_AT_ONCE)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def encode_no_face(frozen: FrozenEncoders) -> Features:
    """Zeros, but for the image encoder's tokens, which are those of an image of its mean colour."""
    maps = _maps(frozen, np.zeros((1, SIDE, SIDE, 3), np.uint8))
    shallow = sum(maps[side].shape[1] for side in SHALLOW)
    patches = frozen.null_patches()
    _, channels, *sides = maps[INTRINSIC].shape
    intrinsic = np.zeros((np.prod(sides), channels), np.float32)
    embedding = np.zeros(frozen.recogniser.dimension, np.float32)
    nowhere = np.zeros((len(patches), shallow), np.float32)
    return {"embedding": embedding, "intrinsic": intrinsic, "shallow": nowhere, "patches": patches}


def structure(features: Mapping[str, Tensor]) -> Tensor:
    """Structure tokens (..., M, S + E), from the recogniser's shallow maps and the image encoder's tokens.

    They are stored apart, because other methods read the same tokens of the image encoder.
    """
    return torch.cat([features["shallow"], features["patches"]], dim=-1)


@torch.no_grad()
def _encode(frozen: FrozenEncoders, references: Sequence[Reference]) -> Features:
    crops = np.stack([reference.crop for reference in references])
    maps = {side: torch.from_numpy(value) for side, value in _maps(frozen, crops).items()}
    patches = frozen.patches(crops)  # (R, M, E)
    grid = frozen.image_text.model.visual.grid_size
    shallow = [F.interpolate(maps[side], grid, mode="bilinear", align_corners=False) for side in SHALLOW]
    tokens = torch.cat(shallow, dim=1).flatten(2).transpose(1, 2).numpy()  # (R, M, S)
    embedding = frozen.embeddings(crops)
    intrinsic = maps[INTRINSIC].flatten(2).transpose(1, 2).numpy()  # (R, 49 or fewer, C)
    return {"embedding": embedding, "intrinsic": intrinsic, "shallow": tokens, "patches": patches}


def _maps(frozen: FrozenEncoders, crops: Pixels) -> dict[int, Floats]:
    maps = frozen.recogniser.inner_features(crops)
    if missing := {*SHALLOW, INTRINSIC} - set(maps):
        raise MissingInput(f"recogniser A has no inner maps of side {sorted(missing)}: UniPortrait reads them")
    return maps
