"""The pack's image-text model: a small ViT and text transformer in `open_clip` form, trained on captions of p1.

Loss: the symmetric contrastive loss of CLIP (Radford et al. 2021), captions that stand twice in a batch counting as
equally right, plus the image embedding predicting the caption's words (Huang et al. 2024, SuperClass), which teaches
a network from nothing far faster than contrast alone; its head is dropped afterwards.

Run alone: `python -m pipeline.pack.text.clip`. Writes `models/clip/`.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPTokenizer

from pipeline.encoders.image_text import FILES, ImageText
from pipeline.pack import dataset, export, settings, trainer
from pipeline.pack.text import tokenizer

FOLDER = settings.MODELS / "clip"
CANDIDATES = 64


@dataclass(frozen=True)
class Sizes:
    """Sizes of both towers."""

    embedding: int
    side: int  # pixels of the square that the image is squashed to
    patch: int  # pixels
    width: int  # of the image tower
    layers: int
    text_width: int
    text_layers: int
    head: int  # channels of an attention head, in both towers


def config(sizes: Sizes, vocabulary: int, context: int) -> dict[str, Any]:
    """The contents of open_clip_config.json. Photographs are squashed, so that all people of a wide one are seen."""
    vision: dict[str, Any] = {
        "image_size": sizes.side,
        "patch_size": sizes.patch,
        "width": sizes.width,
        "layers": sizes.layers,
    }
    text: dict[str, Any] = {"context_length": context, "vocab_size": vocabulary, "width": sizes.text_width}
    text |= {"heads": sizes.text_width // sizes.head, "layers": sizes.text_layers}
    text |= {"hf_tokenizer_name": "the files beside this one"}  # any name makes open_clip look into this directory
    half = [0.5, 0.5, 0.5]
    return {
        "model_cfg": {
            "embed_dim": sizes.embedding,
            "vision_cfg": vision | {"head_width": sizes.head},
            "text_cfg": text,
        },
        "preprocess_cfg": {"size": [sizes.side, sizes.side], "mean": half, "std": half, "resize_mode": "squash"},
    }


def build(sizes: Sizes, vocabulary: int, context: int, seed: int) -> nn.Module:
    """A new model with random weights."""
    parts = config(sizes, vocabulary, context)["model_cfg"]
    torch.manual_seed(seed)
    return open_clip.CLIP(parts["embed_dim"], parts["vision_cfg"], parts["text_cfg"])


def save(folder: Path, model: nn.Module, sizes: Sizes, merges: list[tuple[str, str]], tokens: tokenizer.Tokens) -> None:
    """Write the `open_clip` directory, tokenizer included, weights as float16."""
    words = tokenizer.save(folder, merges, tokens.context)
    written = config(sizes, words.eos_token_id + 1, tokens.context)
    (folder / FILES[0]).write_text(json.dumps(written, indent=2) + "\n")
    weights = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / FILES[1], metadata={"licence": export.LICENCE})


class Learner(nn.Module):
    """The model with what only its training needs: the head that predicts a caption's words."""

    def __init__(self, model: nn.Module, embedding: int, vocabulary: int) -> None:
        super().__init__()
        self.model = model
        self.words = nn.Linear(embedding, vocabulary)

    def forward(self, batch: trainer.Batch) -> Tensor:
        """The loss of images (B, 3, S, S), tokens (B, T), `same` (B, B) and word targets (B, V)."""
        image, text, scale = self.model(batch["image"], batch["tokens"])
        right = batch["same"] / batch["same"].sum(1, keepdim=True)
        logits = scale.clamp(max=100.0) * image @ text.T
        contrast = F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right)
        # The embedding has length one: the square root of its size brings the head's input to unit variance.
        guesses = self.words(image * image.shape[1] ** 0.5)
        return contrast / 2 + F.cross_entropy(guesses, batch["words"])


class Batches:
    """Batches of one kind of photograph each, portraits or groups, so that the number of people gives nothing away."""

    def __init__(self, data: dict[str, dataset.Drawn], words: CLIPTokenizer, side: int, size: int, seed: int) -> None:
        self._data, self._side, self._size, self._seed = data, side, size, seed
        cut = {"padding": "max_length", "truncation": True, "return_tensors": "pt"}
        self._tokens = {kind: words(part.captions, **cut).input_ids for kind, part in data.items()}
        self._weights = _rarity(torch.cat(list(self._tokens.values())), words.eos_token_id + 1)

    def __call__(self, index: int) -> trainer.Batch:
        """Batch `index`: images (B, 3, S, S), tokens (B, T), same (B, B), words (B, V)."""
        rng = np.random.default_rng([self._seed, index])
        kind = "portraits" if rng.random() < 2 / 3 else "groups"
        photos = rng.choice(len(self._data[kind].captions), self._size, replace=False)
        images = [_view(self._data[kind], kind, photo, self._side, rng) for photo in photos]
        tokens = self._tokens[kind][torch.from_numpy(photos)]
        same = (tokens[:, None] == tokens[None]).all(-1)
        return {"image": torch.stack(images), "tokens": tokens, "same": same.float(), "words": self._targets(tokens)}

    def _targets(self, tokens: Tensor) -> Tensor:
        present = torch.zeros(len(tokens), len(self._weights)).scatter_(1, tokens, 1.0) * self._weights
        return present / present.sum(1, keepdim=True)


def _rarity(tokens: Tensor, vocabulary: int) -> Tensor:
    """How much each token tells, (V,): minus the log of the share of captions that hold it; 0 where all or none do."""
    present = torch.zeros(len(tokens), vocabulary).scatter_(1, tokens, 1.0)
    return -present.mean(0).clamp(min=1.0 / len(tokens)).log() * (present.amax(0) > 0)


def _view(data: dataset.Drawn, kind: str, photo: int, side: int, rng: np.random.Generator) -> Tensor:
    """One photograph, slightly cropped, squashed to (3, side, side) in [-1, 1].

    A quarter of the portraits are cropped to the face, as methods that read its patch tokens do.
    """
    pixels = data.images[photo]
    height, width = pixels.shape[:2]
    box = np.array([0, 0, width, height]) + rng.uniform(-0.06, 0.06, 4).clip([0, 0, -1, -1], [1, 1, 0, 0]) * width
    if kind == "portraits" and rng.random() < 0.25:
        box = _around(data.box[data.faces_of(photo)[0]], rng.uniform(1.0, 1.6))
    left, top, right, bottom = (int(edge) for edge in box.clip(0, [width, height, width, height]).round())
    crop = torch.from_numpy(pixels[top:bottom, left:right].copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
    return F.interpolate(crop, (side, side), mode="bicubic", antialias=True, align_corners=False)[0].clamp(-1, 1)


def _around(box: NDArray[np.float32], growth: float) -> NDArray[np.float64]:
    """The square around a box, its longer side times `growth`."""
    centre, half = (box[:2] + box[2:]) / 2.0, (box[2:] - box[:2]).max() / 2.0 * growth
    return np.concatenate([centre - half, centre + half])


def loss(model: nn.Module, batch: trainer.Batch, done: float) -> Tensor:
    """What `fit` minimises."""
    value: Tensor = model(batch)
    return value


@torch.no_grad()
def first_among(model: ImageText, data: dataset.Drawn, photos: int, seed: int) -> float:
    """How often the right caption is first among 64 different ones, over `photos` photographs."""
    rng = np.random.default_rng(seed)
    different = np.unique(np.array(data.captions), return_index=True)[1]
    rounds = [rng.choice(different, CANDIDATES, replace=False) for _ in range(photos // CANDIDATES)]
    return float(np.mean([_right(model, data, chosen) for chosen in rounds]))


def _right(model: ImageText, data: dataset.Drawn, chosen: NDArray[np.int64]) -> float:
    images = torch.from_numpy(np.stack([data.images[photo] for photo in chosen])).permute(0, 3, 1, 2).float()
    scores = model.image(images / 127.5 - 1) @ model.text([data.captions[photo] for photo in chosen]).T
    return (scores.argmax(1) == torch.arange(len(chosen))).float().mean().item()


def main() -> None:
    """Train on p1, measure on p9, write the directory and its card."""
    tokens = settings.fill(tokenizer.Tokens, settings.section("tokenizer"), "tokenizer")
    values = settings.section("clip")
    sizes = settings.fill(Sizes, values["sizes"], "clip.sizes")
    training = settings.fill(trainer.Training, values["training"], "clip.training")
    torch.set_num_threads(1)
    data = {kind: dataset.load("p1", kind) for kind in dataset.WIDTHS}
    merges = tokenizer.learn_merges((text for part in data.values() for text in part.captions), tokens.merges)
    words = tokenizer.save(export.work("clip") / "tokenizer", merges, tokens.context)
    vocabulary = words.eos_token_id + 1
    learner = Learner(build(sizes, vocabulary, tokens.context, training.seed), sizes.embedding, vocabulary)
    batches = Batches(data, words, sizes.side, training.batch, training.seed)
    seconds = trainer.fit(
        learner, batches, loss, training, export.work("clip"), torch.contiguous_format, data=dataset.version("p1")
    )
    save(FOLDER, learner.model, sizes, merges, tokens)
    facts = {
        "parameters": sum(weight.numel() for weight in learner.model.parameters()),
        "data": f"p1: {len(data['portraits'].captions)} portraits, {len(data['groups'].captions)} groups",
        "command": "python -m pipeline.pack.text.clip",
        "seconds": round(seconds),
        "settings": {"tokenizer": settings.section("tokenizer"), "clip": values},
    }
    export.write_card([FOLDER.name], "image-text model", facts)
    measured = {
        f"first_of_64_{kind}": first_among(ImageText(FOLDER), dataset.load("p9", kind), 1024, 0) for kind in data
    }
    export.add_to_card([FOLDER.name], "image-text model", {"people": "p9", **measured})


if __name__ == "__main__":
    main()
