"""The pack's image-text model: its directory loads in open_clip, its batches and its loss mean what they say."""

from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch

from pipeline.encoders.image_text import ImageText
from pipeline.pack.dataset import Drawn
from pipeline.pack.text import clip, tokenizer

SIZES = clip.Sizes(embedding=16, side=16, patch=8, width=32, layers=2, text_width=32, text_layers=1, head=16)
CONTEXT = 12
COLOURS = {"red": (200, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 200)}


def drawn(count: int = 12) -> Drawn:
    names = [list(COLOURS)[photo % len(COLOURS)] for photo in range(count)]
    images = np.stack([np.full((32, 32, 3), COLOURS[name], np.uint8) for name in names])
    return Drawn(
        images=images,
        captions=[f"a {name} wall, {photo}" for photo, name in enumerate(names)],
        photo=np.arange(count),
        person=np.zeros(count, np.int64),
        box=np.tile(np.array([8, 8, 24, 24], np.float32), (count, 1)),
        landmarks=np.zeros((count, 68, 2), np.float32),
    )


@pytest.fixture(scope="module")
def data() -> dict[str, Drawn]:
    return {"portraits": drawn(), "groups": drawn()}


@pytest.fixture(scope="module")
def merges(data: dict[str, Drawn]) -> list[tuple[str, str]]:
    return tokenizer.learn_merges(data["portraits"].captions, 100)


def test_the_directory_gives_in_open_clip_what_was_trained(tmp_path: Path, merges: list[tuple[str, str]]) -> None:
    vocabulary = max(tokenizer.vocabulary(merges).values()) + 1
    model = clip.build(SIZES, vocabulary, CONTEXT, seed=0).eval()
    clip.save(tmp_path, model, SIZES, merges, tokenizer.Tokens(100, CONTEXT))
    loaded, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{tmp_path}")
    words = open_clip.get_tokenizer(f"local-dir:{tmp_path}")(["a red wall"])
    image = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        assert torch.allclose(loaded.eval().encode_image(image), model.encode_image(image), atol=2e-3)
        assert torch.allclose(loaded.encode_text(words), model.encode_text(words), atol=2e-3)
    assert preprocess.transforms[0].size == (16, 16)
    assert words.shape == (1, CONTEXT)
    assert ImageText(tmp_path).size == (16, 16)


def test_a_batch_depends_on_its_number_alone(
    data: dict[str, Drawn], merges: list[tuple[str, str]], tmp_path: Path
) -> None:
    words = tokenizer.save(tmp_path, merges, CONTEXT)
    batches = clip.Batches(data, words, side=16, size=6, seed=1)
    first, again, other = batches(4), batches(4), batches(5)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["image"], other["image"])
    assert first["image"].shape == (6, 3, 16, 16)
    assert torch.equal(first["same"].diagonal(), torch.ones(6))
    assert torch.allclose(first["words"].sum(1), torch.ones(6))


def test_rare_words_count_and_words_of_every_caption_do_not() -> None:
    weights = clip._rarity(torch.tensor([[0, 1], [0, 2], [0, 1], [0, 1]]), vocabulary=4)
    assert weights[0] == 0
    assert weights[2] > weights[1] > 0
    assert weights[3] == 0


def test_the_loss_is_lower_for_the_right_captions(data: dict[str, Drawn], merges: list[tuple[str, str]]) -> None:
    vocabulary = max(tokenizer.vocabulary(merges).values()) + 1
    learner = clip.Learner(clip.build(SIZES, vocabulary, CONTEXT, seed=0), SIZES.embedding, vocabulary)
    rows = torch.nn.functional.normalize(torch.eye(4, SIZES.embedding), dim=1)
    words = torch.full((4, vocabulary), 1.0 / vocabulary)

    def value(text: torch.Tensor) -> float:
        learner.model.forward = lambda image, tokens: (rows, text, torch.tensor(10.0))  # type: ignore[method-assign]
        batch = {"image": rows, "tokens": rows, "same": torch.eye(4), "words": words}
        return float(learner(batch).detach())

    assert value(rows) < value(rows.roll(1, 0))
