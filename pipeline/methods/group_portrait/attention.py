"""Mask-Attention Controller: attention to people that knows whose place a position is, and the loss that teaches it."""

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.backbone.decoupled import IdBranch, IdCondition
from pipeline.backbone.inject import AttentionLayer, AttentionSpec, attend, merge_heads, split_heads, token_bias


class MaskedBranch(IdBranch):
    """The people's branch: one softmax over everybody's tokens and over nobody."""

    def __init__(self, spec: AttentionSpec, attn: Attention) -> None:
        super().__init__(spec, attn)
        self.nobody = nn.Parameter(torch.zeros(self.key.out_features))  # its key; its value is zero

    def forward(self, query: Tensor, faces: IdCondition, bias: Tensor) -> tuple[Tensor, Tensor]:
        """What people add (B, heads, L, d), and each person's share (B, N, L) of the attention, the mean over heads.

        `bias` is (B, 1, L or 1, N * T).
        """
        tokens = faces.tokens.flatten(1, 2)
        key, value = (split_heads(part(tokens), self.heads) for part in (self.key, self.value))
        nobody = split_heads(self.nobody[None, None], self.heads).expand(len(key), -1, -1, -1).to(key.dtype)
        logits = query * query.shape[-1] ** -0.5 @ torch.cat([key, nobody], dim=2).transpose(-1, -2)
        shares = (logits + F.pad(bias, (0, 1))).softmax(-1)[..., :-1]  # (B, heads, L, N * T)
        each = shares.mean(1).unflatten(-1, faces.tokens.shape[1:3]).sum(-1).transpose(1, 2)
        return shares @ value, each


class MaskAttention(AttentionLayer):
    """One cross-attention layer with the people's branch; it leaves their shares of the attention."""

    def __init__(self, spec: AttentionSpec, attn: Attention) -> None:
        super().__init__()
        self.branch = MaskedBranch(spec, attn)

    def forward(self, attn: Attention, hidden: Tensor, context: Tensor | None) -> Tensor:
        """(B, L, C), as AttentionLayer says."""
        assert context is not None
        query, key, value = (
            split_heads(part(states), attn.heads)
            for part, states in ((attn.to_q, hidden), (attn.to_k, context), (attn.to_v, context))
        )
        faces: IdCondition = self.attention_state.faces
        # Attention is confined in sampling only; in training the mask loss teaches where to look.
        everywhere = faces.readable.flatten(1, 2)
        readable = everywhere if self.training else faces.readable_at(self.attention_state.grid(hidden.shape[1]))
        people, shares = self.branch(query, faces, token_bias(readable, hidden.dtype))
        if self.training:
            self.attention_state.maps.append(shares)
        out = attend(query, key, value) + faces.scale * people
        return attn.to_out[1](attn.to_out[0](merge_heads(out)))


def mask_loss(shares: Tensor, masks: Tensor, present: Tensor, grid: tuple[int, int]) -> Tensor:
    """Squared distance of the attention's shares (B, N, L) to masks (B, N, H, W), the mean over the people (B, N)."""
    wanted = F.adaptive_avg_pool2d(masks, grid).flatten(2)
    return (shares - wanted).square().mean(2)[present].mean()
