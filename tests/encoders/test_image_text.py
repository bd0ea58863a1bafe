"""The image-text wrapper against open_clip itself, on small random models written as open_clip directories."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from pipeline.encoders.image_text import FILES, ImageText
from pipeline.errors import MissingInput

VISION = {"image_size": 32, "patch_size": 8, "width": 32, "layers": 3, "head_width": 16}
TEXT = {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1}


def write(folder: Path, **preprocess: Any) -> ImageText:
    torch.manual_seed(0)
    model = open_clip.CLIP(24, VISION, TEXT)
    config = {"model_cfg": {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": TEXT}, "preprocess_cfg": preprocess}
    (folder / FILES[0]).write_text(json.dumps(config))
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, folder / FILES[1])
    return ImageText(folder)


def photo(height: int, width: int) -> np.ndarray:
    ramp = np.linspace(0, 1, height)[:, None, None] * np.linspace(0, 1, width)[None, :, None]
    return (ramp * np.array([255, 180, 90])).astype(np.uint8)


def unit(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1


@pytest.mark.parametrize("mode", ["squash", "shortest", "longest"])
@pytest.mark.parametrize("size", [(64, 128), (40, 24)])
def test_images_are_prepared_as_open_clip_prepares_them(tmp_path: Path, mode: str, size: tuple[int, int]) -> None:
    model = write(tmp_path, resize_mode=mode)
    expected = open_clip.create_model_and_transforms(f"local-dir:{tmp_path}")[2](Image.fromarray(photo(*size)))
    # open_clip resizes in 8 bits; a grey level is 0.015 after its normalisation.
    assert torch.allclose(model.prepare(unit(photo(*size)))[0], expected, atol=0.06)


def test_sizes_come_from_the_model(tmp_path: Path) -> None:
    model = write(tmp_path)
    assert (model.size, model.width, model.tokens, model.dimension) == ((32, 32), 32, 16, 24)
    assert model.patches(torch.zeros(2, 3, 112, 112)).shape == (2, 16, 32)


def test_patches_are_of_the_layer_before_the_last_without_the_class_token(tmp_path: Path) -> None:
    model = write(tmp_path)
    seen: list[torch.Tensor] = []
    model.model.visual.transformer.resblocks[1].register_forward_hook(lambda _, __, out: seen.append(out))
    found = model.patches(unit(photo(32, 32)))
    assert torch.equal(found, seen[0][:, 1:])


def test_embeddings_have_length_one_and_the_similarity_is_their_cosine(tmp_path: Path) -> None:
    model = write(tmp_path)
    image, text = model.image(unit(photo(64, 64))), model.text(["a hat"])
    assert image.norm(dim=1).item() == pytest.approx(1, abs=1e-5)
    assert text.norm(dim=1).item() == pytest.approx(1, abs=1e-5)
    assert model.similarity(unit(photo(64, 64)), ["a hat"]).item() == pytest.approx((image @ text.T).item(), abs=1e-5)


def test_gradients_reach_the_image_and_not_the_weights(tmp_path: Path) -> None:
    model = write(tmp_path)
    image = unit(photo(48, 48)).requires_grad_()
    model.similarity(image, ["a hat"]).sum().backward()
    assert image.grad is not None
    assert image.grad.abs().max() > 0
    assert all(weight.grad is None for weight in model.parameters())


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"no open_clip_config.json in"):
        ImageText(tmp_path)
