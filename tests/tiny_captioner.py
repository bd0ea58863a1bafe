"""Directories of tiny image-to-text models with random weights, as save_pretrained writes them."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessor,
    CLIPImageProcessor,
    GitConfig,
    GitForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

WORDS = ("a", "photo", "of", "woman", "man", "and", "by", "the", "sea", "smiling")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
SIZE = 16
WIDTH = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
VISION = {**WIDTH, "image_size": SIZE, "patch_size": 8}
TEXT = {
    **WIDTH, "vocab_size": len(SPECIAL) + len(WORDS), "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3,
    "sep_token_id": 3, "max_position_embeddings": 64,
}  # fmt: skip


def write(folder: Path, kind: str = "blip") -> Path:
    """A BLIP or a GIT that knows WORDS."""
    torch.manual_seed(0)
    _tokenizer().save_pretrained(folder)
    if kind == "git":
        CLIPImageProcessor(size={"shortest_edge": SIZE}, crop_size=SIZE).save_pretrained(folder)
        _wordy(GitForCausalLM(GitConfig(vision_config=VISION, **TEXT))).save_pretrained(folder)
        return folder
    BlipImageProcessor(size={"height": SIZE, "width": SIZE}).save_pretrained(folder)
    text = {**TEXT, "encoder_hidden_size": 16, "is_decoder": True}
    config = BlipConfig(text_config=text, vision_config=VISION, projection_dim=16, image_text_hidden_size=16)
    _wordy(BlipForConditionalGeneration(config)).save_pretrained(folder)
    return folder


def _wordy(model: PreTrainedModel) -> PreTrainedModel:
    """The model, which now writes words alone, and never ends at once."""
    with torch.no_grad():
        part = model.text_decoder if isinstance(model, BlipForConditionalGeneration) else model
        part.get_output_embeddings().bias[: len(SPECIAL)] = -10
    return model


def _tokenizer() -> PreTrainedTokenizerFast:
    vocabulary = {word: number for number, word in enumerate((*SPECIAL, *WORDS))}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), SPECIAL, strict=True))
    return PreTrainedTokenizerFast(tokenizer_object=words, bos_token="[CLS]", eos_token="[SEP]", **names)
