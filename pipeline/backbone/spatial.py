"""A ControlNet (arXiv 2302.05543): a trainable copy of the UNet's encoder that reads a control image.

Its cross-attention reads people's ID tokens in place of the caption, the rule of InstantID's IdentityNet (arXiv
2401.07519, section 3.2), so that it ties who somebody is to where they are. What it finds is added to the UNet's skip
connections through convolutions that begin as zeros.
"""

from collections.abc import Mapping
from math import log2
from typing import cast

from diffusers import ControlNetModel
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from pipeline.backbone.batch import Condition
from pipeline.backbone.decoupled import IdCondition
from pipeline.backbone.inject import (
    AttentionLayer,
    AttentionState,
    attach,
    attend,
    attention_layers,
    merge_heads,
    split_heads,
    token_bias,
)
from pipeline.backbone.load import Backbone, Residuals

# Channels of the net that brings a control_image to the latent's size: one entry more than it halves the control_image.
WIDTHS = (16, 32, 96, 256)


class TokenAttention(AttentionLayer):
    """Cross-attention to the tokens of those people whose place a position is, with the copy's own projections."""

    def forward(self, attn: Attention, hidden: Tensor, context: Tensor | None) -> Tensor:
        """(B, L, C), as AttentionLayer says; the context is that of all people, one after another."""
        assert context is not None
        query, key, value = (
            split_heads(part(states), attn.heads)
            for part, states in ((attn.to_q, hidden), (attn.to_k, context), (attn.to_v, context))
        )
        found = attend(query, key, value, self._bias(hidden))
        return attn.to_out[1](attn.to_out[0](merge_heads(found)))

    def _bias(self, hidden: Tensor) -> Tensor:
        """(B, 1, L or 1, N * T) for the logits; a position that is nobody's place reads everybody."""
        faces: IdCondition = self.attention_state.faces
        here = faces.readable_at(self.attention_state.grid(hidden.shape[1]))
        everybody = faces.readable.flatten(1, 2).unsqueeze(1)
        return token_bias(here | (everybody & ~here.any(-1, keepdim=True)), hidden.dtype)


class SpatialNet(nn.Module):
    """The copy, and the way from people, control image and noisy latents to what the UNet adds."""

    def __init__(self, backbone: Backbone, channels: int) -> None:
        super().__init__()
        widths = WIDTHS[: int(log2(backbone.factor)) + 1]
        self.net = ControlNetModel.from_unet(
            backbone.unet, conditioning_channels=channels, conditioning_embedding_out_channels=widths
        )
        self.attention_state = AttentionState()
        self.layers = nn.ModuleDict(
            {spec.name: TokenAttention() for spec in attention_layers(self.net) if spec.context}
        )
        attach(self.net, cast(Mapping[str, AttentionLayer], self.layers), self.attention_state)

    def forward(
        self, backbone: Backbone, noisy: Tensor, times: Tensor, condition: Condition, scale: float = 1.0
    ) -> Residuals | None:
        """What the UNet adds to its skip connections and to its middle; nothing without a control image."""
        if condition.control_image is None:
            return None
        faces: IdCondition = condition.faces
        self.attention_state.reset(faces, (noisy.shape[-2], noisy.shape[-1]))
        down, middle = self.net(
            noisy,
            times,
            encoder_hidden_states=faces.tokens.flatten(1, 2),
            controlnet_cond=condition.control_image,
            conditioning_scale=scale,
            added_cond_kwargs=backbone.added(condition.text, noisy),
            return_dict=False,
        )
        return down, middle
