"""The vocabulary: both libraries read the same ids, captions stay whole, unknown words survive as bytes."""

import gzip
from pathlib import Path

import pytest
from open_clip.tokenizer import HFTokenizer, SimpleTokenizer

from pipeline.pack.text import tokenizer

CAPTIONS = [
    "a photo of a person with red curls, smiling, at the beach",
    "two people, a green cap, no hair, at the beach",
]
STRANGE = ["a zebra's naïve hat 12!", "", "RED   curls,\n at The beach"]
CONTEXT = 24


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("tokenizer")
    tokenizer.save(where, tokenizer.learn_merges(CAPTIONS, 500), CONTEXT)
    return where


def test_open_clip_gives_the_same_ids(folder: Path, tmp_path: Path) -> None:
    packed = tmp_path / "merges.txt.gz"
    packed.write_bytes(gzip.compress((folder / "merges.txt").read_bytes().rstrip(b"\n")))
    ours, theirs = tokenizer.load(folder), SimpleTokenizer(str(packed), context_length=CONTEXT)
    through = HFTokenizer(str(folder), context_length=CONTEXT)
    for text in CAPTIONS + STRANGE:
        ids = ours(text).input_ids[:CONTEXT]
        expected = theirs(text)[0].tolist()[: len(ids)]
        assert ids[:-1] == expected[:-1], text
        assert through(text)[0].tolist()[: len(ids) - 1] == ids[:-1], text


def test_a_word_of_the_captions_is_one_token(folder: Path) -> None:
    assert tokenizer.load(folder).tokenize("red curls at the beach") == [
        "red</w>",
        "curls</w>",
        "at</w>",
        "the</w>",
        "beach</w>",
    ]


def test_an_unknown_word_keeps_its_letters(folder: Path) -> None:
    words = tokenizer.load(folder)
    assert words.decode(words("zebra").input_ids, skip_special_tokens=True) == "zebra"


def test_the_end_has_the_highest_id_and_pads(folder: Path) -> None:
    # open_clip reads the embedding at the highest id, transformers at the first end token.
    words = tokenizer.load(folder)
    ids = words("red", padding="max_length").input_ids
    assert len(ids) == CONTEXT
    assert max(tokenizer.vocabulary(tokenizer.learn_merges(CAPTIONS, 500)).values()) == words.eos_token_id == ids[-1]


def test_merges_do_not_depend_on_the_order_of_captions() -> None:
    assert tokenizer.learn_merges(CAPTIONS, 50) == tokenizer.learn_merges(CAPTIONS[::-1], 50)
