"""From features of references to ID tokens, where several methods do it alike."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from pipeline.backbone.batch import People
from pipeline.backbone.resampler import Perceiver

# Features (F, J, ...) of F people's references and which of them are given (F, J) to tokens (F, T, D).
Embed = Callable[[Mapping[str, Tensor], Tensor], Tensor]


class Mlp(nn.Sequential):
    """LayerNorm, then two linear layers with GELU between them."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__(nn.LayerNorm(inputs), nn.Linear(inputs, width), nn.GELU(), nn.Linear(width, width))


class EmbeddingTokens(nn.Module):
    """A recogniser's embedding (F, D), of length about sqrt(D), as tokens (F, T, width)."""

    def __init__(self, embedding: int, width: int, tokens: int) -> None:
        super().__init__()
        self.tokens = tokens
        self.project = nn.Sequential(
            nn.Linear(embedding, 2 * embedding), nn.GELU(), nn.Linear(2 * embedding, tokens * width)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, embedding: Tensor) -> Tensor:
        return self.norm(self.project(embedding).unflatten(-1, (self.tokens, -1)))


class FaceIdPlus(nn.Module):
    """ID tokens of a recogniser's embedding, refined by an image encoder's tokens (IP-Adapter-FaceID-Plus).

    The embedding becomes `tokens` queries, which read the image encoder's tokens `depth` times; with the shortcut of
    version 2 the queries themselves are added to what they have read, in version 1 they are not.
    """

    def __init__(self, embedding: int, patch: int, width: int, tokens: int, depth: int, shortcut: bool = True) -> None:
        super().__init__()
        self.shortcut = shortcut
        self.first = EmbeddingTokens(embedding, width, tokens)
        self.patches = nn.Linear(patch, width)
        self.perceiver = Perceiver(width, depth)
        self.out = nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width))

    def forward(self, embedding: Tensor, patches: Tensor, keep: Tensor | None = None, scale: float = 1.0) -> Tensor:
        """Tokens (F, T, width).

        Args:
            embedding: (F, D) of length about sqrt(D).
            patches: (F, L, E).
            keep: (F, L) bool, patches that may be read.
            scale: of what the patches say, beside the embedding; lower follows the prompt more freely. Without the
                shortcut there is nothing beside it, and it counts for nothing.
        """
        first = self.first(embedding)
        found = self.out(self.perceiver(first, self.patches(patches), keep))
        return first + scale * found if self.shortcut else found


def scatter_to_slots(found: Tensor, present: Tensor) -> Tensor:
    """Tokens (F, T, D) of the people who are present, (B, N) bool, as (B, N, T, D); zeros in empty slots."""
    tokens = found.new_zeros(*present.shape, *found.shape[1:])
    tokens[present] = found
    return tokens


def minus_null(people: People, null_features: Mapping[str, Tensor], embed: Embed) -> Tensor:
    """ID tokens (B, N, T, D), relative to those of no reference, as for every method.

    No reference then says nothing, and keys and values learn from what tells people apart at once (reports/decisions/
    methods-and-training.md).
    """
    # As many null features as a person has references: a person's tokens must not follow from who else is in the batch.
    counts, which = people.given[people.present].sum(1).unique(return_inverse=True)
    given = torch.arange(people.given.shape[2], device=counts.device) < counts.unsqueeze(1)
    nobody = embed({name: value.expand(*given.shape, *value.shape) for name, value in null_features.items()}, given)
    return scatter_to_slots(_of_present(people, embed) - nobody[which], people.present)


def plain_tokens(people: People, embed: Embed) -> Tensor:
    """ID tokens (B, N, T, D) as they are, as published networks read them: no reference has tokens of its own."""
    return scatter_to_slots(_of_present(people, embed), people.present)


def _of_present(people: People, embed: Embed) -> Tensor:
    """Tokens (F, T, D) of the people who are present."""
    features = {name: value[people.present] for name, value in people.features.items()}
    return embed(features, people.given[people.present])


def mean_over_references(features: Tensor, given: Tensor) -> Tensor:
    """The mean (F, D) over the given references (F, J) of features (F, J, D)."""
    return (features * given.unsqueeze(-1)).sum(1) / given.sum(1, keepdim=True).clamp(min=1)


def concatenate_references(features: Tensor, given: Tensor) -> tuple[Tensor, Tensor | None]:
    """Tokens (F, J, L, C) of all references one after another, (F, J * L, C), and which may be read, None: all."""
    keep = None if given.all() else given.repeat_interleave(features.shape[2], dim=1)
    return features.flatten(1, 2), keep
