"""Frozen encoders that may condition a method: recogniser A, the image-text model, the autoencoder, the 3D head."""

from collections.abc import Callable
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pipeline.backbone.batch import Floats
from pipeline.backbone.load import Backbone, load
from pipeline.encoders.image_text import ImageText
from pipeline.encoders.recogniser import Recogniser
from pipeline.head.model import Head, load_head
from pipeline.images import Pixels, to_unit
from pipeline.settings import Models

Features = dict[str, Floats]
PICTURES_AT_ONCE = 16


class FrozenEncoders:
    """The frozen encoders that may condition a method, each loaded when it is first asked for.

    Args:
        backbone: where it is loaded already.
    """

    def __init__(self, models: Models, backbone: Backbone | None = None) -> None:
        self._models, self._backbone = models, backbone

    @cached_property
    def recogniser(self) -> Recogniser:
        """Recogniser A."""
        return Recogniser(self._models.recogniser_a)

    @cached_property
    def image_text(self) -> ImageText:
        """The image-text model."""
        return ImageText(self._models.image_text)

    def embeddings(self, crops: Pixels) -> Floats:
        """Recogniser A's embeddings (R, D) of aligned faces, of length sqrt(D): linear layers like numbers near 1."""
        return self.recogniser.embed(crops) * np.float32(self.recogniser.dimension**0.5)

    def patches(self, images: Pixels) -> Floats:
        """The image encoder's patch tokens (R, M, E) of images (R, H, W, 3)."""
        return encode_in_batches(self.image_text.patches, images).numpy()

    def images(self, images: Pixels) -> Floats:
        """The image encoder's embeddings (R, E) of images (R, H, W, 3), of length sqrt(E)."""
        found = encode_in_batches(self.image_text.image, images).numpy()
        return found * np.float32(found.shape[1] ** 0.5)

    def latents(self, images: Pixels, side: int) -> Floats:
        """The backbone's latents (R, C, side, side) of square images (R, H, H, 3)."""
        found = encode_in_batches(lambda pixels: self.backbone.encode(pixels)[0], images)
        return functional.interpolate(found, (side, side), mode="bilinear", align_corners=False).numpy()

    @torch.no_grad()
    def null_patches(self) -> Floats:
        """Patch tokens (M, E) of an image of the image encoder's mean colour: that of no reference."""
        grey = torch.tensor(self.image_text.preprocess.mean).view(1, 3, 1, 1) * 2 - 1
        return self.image_text.patches(grey.expand(1, 3, *self.image_text.size))[0].numpy()

    @cached_property
    def backbone(self) -> Backbone:
        """The backbone, for its autoencoder."""
        return self._backbone or load(self._models.backbone)

    @cached_property
    def head(self) -> Head:
        """The 3D head."""
        return load_head(self._models.head)


@torch.no_grad()
def encode_in_batches(encode: Callable[[Tensor], Tensor], images: Pixels) -> Tensor:
    """What an encoder of images in [-1, 1] makes of (R, H, W, 3) bytes, some at a time: shards hold thousands."""
    pixels = torch.from_numpy(to_unit(images)).permute(0, 3, 1, 2)
    return torch.cat([encode(part).cpu() for part in pixels.split(PICTURES_AT_ONCE)])
