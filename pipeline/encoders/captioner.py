"""Captions by a local image-to-text model of `transformers`: what its directory holds, and nothing from a network.

Any model that writes about a picture alone is taken: BLIP, BLIP-2, GIT, or a vision encoder with a text decoder. The
picture is prepared as the directory's image processor says; words are drawn greedily, so that they are always the same.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer
from transformers.utils import logging

from pipeline.errors import MissingInput
from pipeline.images import Pixels

LONGEST = 40  # tokens of a caption
FILE = "config.json"


class Captioner:
    """A loaded image-to-text model, frozen."""

    def __init__(self, folder: Path | str) -> None:
        """Load a directory.

        Raises:
            MissingInput: the directory is not there, or holds no model that writes about pictures.
        """
        if not (Path(folder) / FILE).is_file():
            raise MissingInput(
                f"no {FILE} in {folder} (models.captioner): an image-to-text model of transformers was expected there, "
                "as save_pretrained writes it, with its image processor and tokenizer"
            )
        logging.disable_progress_bar()
        try:
            self._processor: Any = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
            self._tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
            model: Any = AutoModelForImageTextToText.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError, KeyError, ImportError) as error:
            said = " ".join(str(error).split())[:300]
            raise MissingInput(
                f"no image-to-text model in {folder} (models.captioner): {said}; put one there whose model, image "
                "processor and tokenizer transformers knows (BLIP, GIT, a vision encoder with a text decoder)"
            ) from error
        self._model = model.float().eval().requires_grad_(False)

    @torch.inference_mode()
    def __call__(self, pictures: Sequence[Pixels]) -> list[str]:
        """A caption for each picture, RGB uint8 (H, W, 3) of any size; it may be empty."""
        images = [Image.fromarray(picture) for picture in pictures]  # of arrays it would guess which axis is colour
        inputs = self._processor(images=images, return_tensors="pt")
        tokens = self._model.generate(
            pixel_values=inputs["pixel_values"], max_new_tokens=LONGEST, do_sample=False, num_beams=1
        )
        return [text.strip() for text in self._tokenizer.batch_decode(tokens, skip_special_tokens=True)]
