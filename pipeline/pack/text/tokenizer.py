"""A small byte-level BPE, learned from the captions of the drawn photographs, in the files of CLIPTokenizer.

The first 512 ids are the 256 bytes, plain and as the end of a word; then one id per merge; last `<|startoftext|>` and
`<|endoftext|>`, which is also the padding. `open_clip.get_tokenizer("local-dir:...")` reads the same files (where the
directory's config names an `hf_tokenizer_name`), so both libraries give identical ids. A word that no caption holds
falls back to its bytes. Byte pair encoding: Sennrich et al. 2016; bytes as characters: Radford et al. 2019.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import regex
from transformers import CLIPTokenizer

START, END = "<|startoftext|>", "<|endoftext|>"
END_OF_WORD = "</w>"
# CLIPTokenizer's own splitting rule: letters together, every digit alone, punctuation together.
_WORDS = regex.compile(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")

Pair = tuple[str, str]
Symbols = tuple[str, ...]


@dataclass(frozen=True)
class Tokens:
    """Settings of the vocabulary."""

    merges: int  # at most; learning stops earlier when every frequent word is whole
    context: int  # tokens per caption, start and end included


def byte_characters() -> dict[int, str]:
    """The printable character that stands for each byte, in CLIP's order of ids: printable bytes first."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + rank) for rank, byte in enumerate(others)}


def split_words(caption: str) -> list[str]:
    """A caption's words as CLIPTokenizer cuts them: lower case, punctuation apart."""
    return _WORDS.findall(caption.lower())


def learn_merges(captions: Iterable[str], most: int) -> list[Pair]:
    """The byte pair merges that join the captions' words, most frequent first; ties in alphabetical order."""
    counts = Counter(word for caption in captions for word in split_words(caption))
    words = {_symbols(word): count for word, count in counts.items()}
    merges: list[Pair] = []
    while len(merges) < most and (pairs := _count_pairs(words)):
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        words = {_merge(word, best): count for word, count in words.items()}
    return merges


def _symbols(word: str) -> Symbols:
    characters = byte_characters()
    spelt = [characters[byte] for byte in word.encode()]
    return (*spelt[:-1], spelt[-1] + END_OF_WORD)


def _count_pairs(words: dict[Symbols, int]) -> Counter[Pair]:
    pairs: Counter[Pair] = Counter()
    for word, count in words.items():
        for pair in pairwise(word):
            pairs[pair] += count
    return pairs


def _merge(word: Symbols, pair: Pair) -> Symbols:
    merged: list[str] = []
    for symbol in word:
        if merged and (merged[-1], symbol) == pair:
            merged[-1] += symbol
        else:
            merged.append(symbol)
    return tuple(merged)


def vocabulary(merges: list[Pair]) -> dict[str, int]:
    """Token to id, in the order that CLIP and open_clip use."""
    characters = byte_characters().values()
    tokens = [
        *characters,
        *(each + END_OF_WORD for each in characters),
        *("".join(pair) for pair in merges),
        START,
        END,
    ]
    return {token: number for number, token in enumerate(tokens)}


def save(folder: Path, merges: list[Pair], context: int) -> CLIPTokenizer:
    """Write vocab.json, merges.txt, tokenizer.json and tokenizer_config.json; returns the tokenizer, as loaded."""
    folder.mkdir(parents=True, exist_ok=True)
    vocab, lines = folder / "vocab.json", folder / "merges.txt"
    vocab.write_text(json.dumps(vocabulary(merges), ensure_ascii=False))
    lines.write_text("\n".join(["#version: 0.2", *(" ".join(pair) for pair in merges)]) + "\n")
    # transformers 5 silently ignores the older names vocab_file and merges_file.
    CLIPTokenizer(vocab=str(vocab), merges=str(lines), model_max_length=context).save_pretrained(folder)
    return load(folder)


def load(folder: Path) -> CLIPTokenizer:
    """The tokenizer of a directory."""
    return CLIPTokenizer.from_pretrained(folder, local_files_only=True)
