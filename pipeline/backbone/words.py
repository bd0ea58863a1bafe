"""Words of the caption that stand for people or for parts of a face, and a loss on where they are looked at.

A caption is filled up behind its end; what fills it is read by the UNet like any word. A method that has more to say
than the caption has words for (fused embeddings of FastComposer, facial prompts of ConsistentID) says it there.
"""

import torch
from torch import Tensor

from pipeline.backbone.batch import Text


def word_places(text: Text, count: int) -> Tensor:
    """Numbers (B, count) of the words that follow the caption's end; the last ones where a caption fills up all.

    The end has the highest number of the vocabulary, as in CLIP's own pooling.
    """
    first = text.ids.argmax(1, keepdim=True) + 1
    return first.clamp(max=text.ids.shape[1] - count) + torch.arange(count, device=text.ids.device)


def words_at(hidden: Tensor, places: Tensor) -> Tensor:
    """The words (B, W, D) at places (B, W) of text states (B, T, D)."""
    return hidden.gather(1, _index(places, hidden))


def with_change(hidden: Tensor, places: Tensor, change: Tensor) -> Tensor:
    """Text states (B, T, D) with changes (B, W, D) of the words at places (B, W)."""
    return hidden.scatter_add(1, _index(places, hidden), change.to(hidden.dtype))


def localisation_loss(found: Tensor, masks: Tensor, wanted: Tensor) -> Tensor:
    """Balanced L1 (FastComposer, arXiv 2305.10431, section 3.3): attention over the background minus over the mask.

    Args:
        found: (B, W, L) how much each position looks at each word.
        masks: (B, W, h, w) in {0, 1}, h * w = L.
        wanted: (B, W) bool, the words that have a mask; others do not count.
    """
    inside = masks.flatten(2)
    outside = 1 - inside
    background, own = ((found * where).sum(2) / where.sum(2).clamp(min=1) for where in (outside, inside))
    return ((background - own) * wanted).sum() / wanted.sum().clamp(min=1)


def _index(places: Tensor, hidden: Tensor) -> Tensor:
    return places.unsqueeze(-1).expand(-1, -1, hidden.shape[-1])
