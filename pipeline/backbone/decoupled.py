"""Decoupled cross-attention: people's ID tokens beside the caption (IP-Adapter, Ye et al., arXiv 2308.06721, eq. 5).

    out = Attn(Q, K, V) + scale * sum_n R_n * Attn(Q, K_id(F_n), V_id(F_n))

Q is the layer's own query, F_n the tokens of person n and R_n the positions allotted to them. Who allots is the
method's business: a mask that the user gives, the places of a layout, or a router.
"""

import copy
from dataclasses import dataclass

from diffusers.models.attention_processor import Attention
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.backbone.inject import AttentionLayer, AttentionSpec, attend, merge_heads, split_heads, token_bias
from pipeline.backbone.lora import AttentionLowRank

WITHIN = 0.5  # share of a position from which it is a person's place


@dataclass(frozen=True)
class IdCondition:
    """What the attention layers read of people."""

    tokens: Tensor  # (B, N, T, D) ID tokens
    present: Tensor  # (B, N) bool
    masks: Tensor | None  # (B, N, H, W) where each person is wanted; None where nobody says
    scale: float = 1.0
    keep: Tensor | None = None  # (B, N, T) bool, tokens that may be read; None: all of those present

    @property
    def readable(self) -> Tensor:
        """(B, N, T) bool: the tokens that may be read."""
        present = self.present.unsqueeze(-1).expand(self.tokens.shape[:3])
        return present if self.keep is None else present & self.keep

    def readable_at(self, grid: tuple[int, int]) -> Tensor:
        """(B, L or 1, N * T) bool: the tokens that each position of a layer's map may read, those of whose place it is.

        Everybody's where there are no masks.
        """
        readable = self.readable.flatten(1, 2).unsqueeze(1)
        if self.masks is None:
            return readable
        here = resized(self.masks, grid) >= WITHIN  # (B, N, L), however many others are there too
        return readable & here.transpose(1, 2).repeat_interleave(self.tokens.shape[2], dim=2)


class IdBranch(nn.Module):
    """K_id and V_id of one cross-attention layer, shared by all people.

    They begin as the backbone's own projections of text (as in IP-Adapter's code): a method has only to find tokens
    that the backbone understands.
    """

    def __init__(self, spec: AttentionSpec, attn: Attention) -> None:
        super().__init__()
        self.heads = spec.heads
        self.key, self.value = copy.deepcopy(attn.to_k), copy.deepcopy(attn.to_v)

    def each(self, query: Tensor, faces: IdCondition) -> Tensor:
        """What each person's tokens say to a query (B, heads, L, d): (B, N, heads, L, d)."""
        people = faces.tokens.shape[1]
        key, value = (split_heads(part(faces.tokens).flatten(0, 1), self.heads) for part in (self.key, self.value))
        queries = query.unsqueeze(1).expand(-1, people, -1, -1, -1).flatten(0, 1)  # (B * N, heads, L, d)
        bias = None if faces.keep is None else token_bias(faces.keep.flatten(0, 1), query.dtype)
        return attend(queries, key, value, bias).unflatten(0, (-1, people))

    def together(self, query: Tensor, faces: IdCondition) -> Tensor:
        """What all people's tokens say, read as one sequence: nobody has said who is where."""
        key, value = (split_heads(part(faces.tokens.flatten(1, 2)), self.heads) for part in (self.key, self.value))
        return attend(query, key, value, token_bias(faces.readable.flatten(1, 2), query.dtype))


def weighted_sum(each: Tensor, shares: Tensor) -> Tensor:
    """The sum over people of (B, N, heads, L, d), each at their shares (B, N, L) of the positions."""
    return (each * shares[:, :, None, :, None]).sum(1)


def mask_shares(masks: Tensor, grid: tuple[int, int]) -> Tensor:
    """Masks (B, N, H, W) in [0, 1] as shares (B, N, L) of a layer's positions, of 1 in all where they overlap."""
    found = resized(masks, grid)
    return found / found.sum(1, keepdim=True).clamp(min=1)


def resized(masks: Tensor, grid: tuple[int, int]) -> Tensor:
    """Masks (B, N, H, W) at the positions (B, N, L) of a layer's map."""
    return F.interpolate(masks, grid, mode="bilinear", align_corners=False).flatten(2)


class DecoupledAttention(AttentionLayer):
    """One attention layer: a low-rank change of its projections, and in cross-attention the people's branch.

    Args:
        rank: of the change; 0 leaves the projections as they are.
        branch: whether a cross-attention layer reads people.
    """

    def __init__(self, spec: AttentionSpec, attn: Attention, rank: int, branch: bool = True) -> None:
        super().__init__()
        self.change = AttentionLowRank(spec, rank)
        self.branch = IdBranch(spec, attn) if spec.context and branch else None

    def forward(self, attn: Attention, hidden: Tensor, context: Tensor | None) -> Tensor:
        """(B, L, C), as AttentionLayer says."""
        source = hidden if context is None else context
        query = split_heads(self.change.query(attn.to_q, hidden), attn.heads)
        key = split_heads(self.change.key(attn.to_k, source), attn.heads)
        value = split_heads(self.change.value(attn.to_v, source), attn.heads)
        out = self._text(query, key, value) if context is not None else attend(query, key, value)
        faces: IdCondition | None = self.attention_state.faces
        if self.branch is not None and faces is not None:
            out = out + faces.scale * self._people(query, faces)
        return attn.to_out[1](self.change.out(attn.to_out[0], merge_heads(out)))

    def _text(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attention to the caption; in training it leaves the maps (B, W, L) of the words that the loss asks for."""
        words = self.attention_state.words
        if words is None or not self.training:
            return attend(query, key, value)
        shares = (query * query.shape[-1] ** -0.5 @ key.transpose(-1, -2)).softmax(-1)  # (B, heads, L, T)
        places = words[:, None].expand(-1, shares.shape[2], -1)  # (B, L, W)
        self.attention_state.maps.append(shares.mean(1).gather(2, places).transpose(1, 2))
        return shares @ value

    def _people(self, query: Tensor, faces: IdCondition) -> Tensor:
        assert self.branch is not None
        if faces.masks is None:
            one = faces.tokens.shape[1] == 1
            return self.branch.each(query, faces).squeeze(1) if one else self.branch.together(query, faces)
        each = self.branch.each(query, faces)
        return weighted_sum(each, mask_shares(faces.masks, self.attention_state.grid(query.shape[2])))
