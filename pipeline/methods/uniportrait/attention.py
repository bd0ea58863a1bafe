"""UniPortrait's attention layers: low-rank changes of all, and the routed people's branch beside text."""

from diffusers.models.attention_processor import Attention
from torch import Tensor

from pipeline.backbone.decoupled import IdBranch, IdCondition, mask_shares, weighted_sum
from pipeline.backbone.inject import AttentionLayer, AttentionSpec, attend, merge_heads, split_heads
from pipeline.backbone.lora import AttentionLowRank
from pipeline.methods.uniportrait.routing import Router, allot, gather, of_present
from pipeline.methods.uniportrait.settings import Settings


class RoutedBranch(IdBranch):
    """The people's branch of a cross-attention layer, whose positions a router allots unless the user has."""

    def __init__(self, spec: AttentionSpec, attn: Attention, width: int, settings: Settings) -> None:
        super().__init__(spec, attn)
        self.router = Router(spec.hidden, width, settings.queries, settings.background)
        self.gathered = settings.gathered

    def forward(self, query: Tensor, hidden: Tensor, faces: IdCondition, layer: AttentionLayer) -> Tensor:
        """What people add, (B, heads, L, d); query has that size, hidden is (B, L, C)."""
        each = self.each(query, faces)
        if faces.tokens.shape[1] == 1 and faces.masks is None:
            return each.squeeze(1)
        return weighted_sum(each, self._shares(hidden, faces, layer))

    def _shares(self, hidden: Tensor, faces: IdCondition, layer: AttentionLayer) -> Tensor:
        people, grid = faces.tokens.shape[1], layer.attention_state.grid(hidden.shape[1])
        if faces.masks is not None:
            return mask_shares(faces.masks, grid)
        logits = self.router(hidden, faces).float()  # noise and softmax are too coarse in half precision
        if self.gathered:
            layer.attention_state.carried = gather(logits.unflatten(-1, grid), layer.attention_state.carried, people)
            logits = layer.attention_state.carried.flatten(2)
        logits = of_present(logits, faces.present)
        if layer.training:
            layer.attention_state.maps.append(logits.softmax(1))
        return allot(logits, noise=layer.training)[:, :people]


class PortraitAttention(AttentionLayer):
    """One attention layer: a low-rank set for one person and one for several, and the face branch beside text."""

    def __init__(self, spec: AttentionSpec, attn: Attention, width: int, settings: Settings) -> None:
        super().__init__()
        self.single = AttentionLowRank(spec, settings.rank)
        self.multi = AttentionLowRank(spec, settings.rank)
        self.branch = RoutedBranch(spec, attn, width, settings) if spec.context else None

    def forward(self, attn: Attention, hidden: Tensor, context: Tensor | None) -> Tensor:
        """(B, L, C), as AttentionLayer says."""
        faces: IdCondition = self.attention_state.faces
        change = self.single if faces.tokens.shape[1] == 1 else self.multi
        source = hidden if context is None else context
        query = split_heads(change.query(attn.to_q, hidden), attn.heads)
        key = split_heads(change.key(attn.to_k, source), attn.heads)
        value = split_heads(change.value(attn.to_v, source), attn.heads)
        out = attend(query, key, value)
        if self.branch is not None:
            out = out + faces.scale * self.branch(query, hidden, faces, self)
        return attn.to_out[1](change.out(attn.to_out[0], merge_heads(out)))
