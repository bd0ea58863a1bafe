"""Image-text models: any `open_clip` directory (`open_clip_config.json` and `open_clip_model.safetensors`), in torch.

Images are (B, 3, H, W) in [-1, 1] of any size; they are brought to the model's size as its own config says, with
operations that gradients pass through. Text is cut by the tokenizer that the directory names: its own files where
`text_cfg` has an `hf_tokenizer_name`, CLIP's standard vocabulary otherwise. Radford et al. 2021 (CLIP); open_clip.
"""

from collections.abc import Sequence
from pathlib import Path

import open_clip
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.errors import MissingInput

FILES = ("open_clip_config.json", "open_clip_model.safetensors")


class ImageText(nn.Module):
    """A loaded image-text model. It stays frozen and in evaluation mode; sizes are read from the model."""

    def __init__(self, folder: Path | str) -> None:
        """Load a directory.

        Raises:
            MissingInput: the directory or one of its files is not there.
        """
        super().__init__()
        folder = Path(folder)
        for name in FILES:
            if not (folder / name).is_file():
                raise MissingInput(f"no {name} in {folder}: an open_clip directory has {' and '.join(FILES)}")
        name = f"local-dir:{folder}"
        self.model = open_clip.create_model(name).eval().requires_grad_(False)
        self.tokenizer = open_clip.get_tokenizer(name)
        self.preprocess = open_clip.transform.PreprocessCfg(**self.model.visual.preprocess_cfg)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the images that the model sees."""
        size = self.preprocess.size
        return (size, size) if isinstance(size, int) else (size[0], size[1])

    @property
    def width(self) -> int:
        """Channels of a patch token."""
        return self.model.visual.conv1.out_channels

    @property
    def tokens(self) -> int:
        """Patch tokens per image, without the class token."""
        rows, columns = self.model.visual.grid_size
        return rows * columns

    @property
    def dimension(self) -> int:
        """Length of an embedding."""
        return self.model.visual.output_dim

    def prepare(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [-1, 1] as the model's input (B, 3, h, w), resized and normalised as in its config."""
        fitted = _fit(images.float(), self.size, self.preprocess.resize_mode, self._filling())
        mean, std = (fitted.new_tensor(each).view(1, 3, 1, 1) for each in (self.preprocess.mean, self.preprocess.std))
        return ((fitted.clamp(-1, 1) + 1) / 2 - mean) / std

    def _filling(self) -> float:
        """What the border of a letterboxed image holds: the config gives it in 0..255, images here are in [-1, 1]."""
        fill = self.preprocess.fill_color
        return (fill if isinstance(fill, int | float) else fill[0]) / 127.5 - 1

    def image(self, images: Tensor) -> Tensor:
        """Unit-length embeddings (B, dimension) of images (B, 3, H, W) in [-1, 1]."""
        return self.model.encode_image(self.prepare(images), normalize=True)

    def text(self, captions: Sequence[str]) -> Tensor:
        """Unit-length embeddings (B, dimension) of captions."""
        tokens = self.tokenizer(list(captions)).to(next(self.model.parameters()).device)
        return self.model.encode_text(tokens, normalize=True)

    def patches(self, images: Tensor) -> Tensor:
        """Patch tokens (B, tokens, width) of the layer before the last, without the class token."""
        layer = len(self.model.visual.transformer.resblocks) - 2
        found = self.model.visual.forward_intermediates(
            self.prepare(images),
            indices=[layer],
            intermediates_only=True,
            normalize_intermediates=False,
            output_fmt="NLC",
        )
        return found["image_intermediates"][0]

    def similarity(self, images: Tensor, captions: Sequence[str]) -> Tensor:
        """Cosine (B,) between each image (B, 3, H, W) in [-1, 1] and its caption."""
        return (self.image(images) * self.text(captions)).sum(-1)


def _fit(images: Tensor, size: tuple[int, int], mode: str, filling: float) -> Tensor:
    """Resize (B, 3, H, W) to `size`: `squash` changes the aspect, `shortest` crops the rest, `longest` pads it."""
    if mode == "squash":
        return _resize(images, *size)
    height, width = images.shape[-2:]
    scales = (size[0] / height, size[1] / width)
    scale = min(scales) if mode == "longest" else max(scales)
    resized = _resize(images, round(height * scale), round(width * scale))
    missing = [wanted - got for wanted, got in zip(size, resized.shape[-2:], strict=True)]
    top, left = (round(number / 2) for number in missing)
    return F.pad(resized, (left, missing[1] - left, top, missing[0] - top), value=filling)


def _resize(images: Tensor, height: int, width: int) -> Tensor:
    if images.shape[-2:] == (height, width):
        return images
    return F.interpolate(images, (height, width), mode="bicubic", antialias=True, align_corners=False)
