"""The one walk over a UNet's attention layers, and what a method's layers share while the UNet runs.

A method owns one `AttentionLayer` for each attention layer of the UNet that it changes; `attach` lets the UNet call
them. Their weights stay in the method, so that the UNet's own are never touched and a method's state dict is all that
it adds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard, cast

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn
from torch.nn import functional as F

# Added to the logit of a token that is not to be read; finite, so that a row without any token stays finite.
UNREADABLE = -1e4


@dataclass(frozen=True)
class AttentionSpec:
    """One attention layer of a UNet."""

    name: str  # its path in the UNet, dots replaced so that it can be a key of nn.ModuleDict
    hidden: int  # width of the layer's input, queries and output
    context: int | None  # width of the text states that it attends to; None for self-attention
    heads: int


@dataclass
class AttentionState:
    """What passes between a method and its layers during one call of the UNet."""

    faces: Any = None  # what the layers read, set by the method
    words: Tensor | None = None  # (B, W) numbers of words whose maps cross-attention shall leave
    size: tuple[int, int] = (0, 0)  # height and width of the latent that runs through
    maps: list[Any] = field(default_factory=list)  # what the layers leave for the loss, in the UNet's order
    carried: Any = None  # what a layer hands to the next one

    def reset(self, faces: Any, size: tuple[int, int], words: Tensor | None = None) -> None:
        """Forget what the last call left and set what the next call reads."""
        self.faces, self.size, self.words, self.maps, self.carried = faces, size, words, [], None

    def grid(self, positions: int) -> tuple[int, int]:
        """Height and width of a layer's map that has `positions` positions: every level halves both sides."""
        height, width = self.size
        while height * width > positions:
            height, width = (height + 1) // 2, (width + 1) // 2
        return height, width


class AttentionLayer(nn.Module):
    """One attention layer as a method changes it; `forward` does all of the layer's work."""

    attention_state: AttentionState

    def forward(self, attn: Attention, hidden: Tensor, context: Tensor | None) -> Tensor:
        """Attend.

        Args:
            attn: the UNet's own layer, with its frozen projections.
            hidden: (B, L, C) normalised input.
            context: (B, T, D) text states; None in self-attention.
        """
        raise NotImplementedError


def attention_layers(unet: nn.Module) -> list[AttentionSpec]:
    """Every self- and cross-attention layer of the transformer blocks, in the order in which the UNet runs them."""
    found = [_spec(name, module) for name, module in attention_modules(unet).items()]
    # named_modules gives the middle block last
    order = {"down_blocks": 0, "mid_block": 1, "up_blocks": 2}
    return sorted(found, key=lambda spec: order[spec.name.split("-")[0]])


def in_processor_order(unet: nn.Module) -> list[str]:
    """Names of the attention layers in the order of diffusers' `attn_processors`: down, up, then the middle.

    Published adapters number a UNet's layers so, from 0 and with self-attention counted.
    """
    return [_key(name.removesuffix(".processor")) for name in cast(Mapping[str, Any], unet.attn_processors)]


def attention_modules(unet: nn.Module) -> dict[str, Attention]:
    """The UNet's own layer of every attention layer, by name."""
    return {_key(name): module for name, module in unet.named_modules() if _is_attention(name, module)}


def attach(unet: nn.Module, layers: Mapping[str, AttentionLayer], attention_state: AttentionState) -> None:
    """Let the UNet call `layers` (by name) in place of its own attention; other layers stay as they are."""
    modules = attention_modules(unet)
    for name, layer in layers.items():
        layer.attention_state = attention_state
        modules[name].set_processor(_Processor(layer))


def split_heads(states: Tensor, heads: int) -> Tensor:
    """(..., L, C) to (..., heads, L, C / heads)."""
    return states.unflatten(-1, (heads, -1)).transpose(-3, -2)


def merge_heads(states: Tensor) -> Tensor:
    """(..., heads, L, d) to (..., L, heads * d)."""
    return states.transpose(-3, -2).flatten(-2)


def attend(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None = None) -> Tensor:
    """Softmax attention of split heads: (..., heads, L, d) by (..., heads, T, d) to (..., heads, L, d).

    `bias` is added to the logits (..., L, T). In bfloat16 on a processor the fused kernel takes about three times
    as long as plain products for a caption's 52 words (`make bench`).
    """
    if query.dtype == torch.bfloat16 and query.device.type == "cpu":
        return plain_attention(query, key, value, bias)
    return F.scaled_dot_product_attention(query, key, value, attn_mask=bias)


def token_bias(readable: Tensor, dtype: torch.dtype) -> Tensor:
    """What to add to attention logits (B, heads, L, T) so that only readable tokens are read.

    Args:
        readable: (B, T) bool, or (B, L or 1, T) where that depends on the position.
    """
    readable = readable.unsqueeze(1) if readable.dim() == 2 else readable
    return torch.where(readable, 0.0, UNREADABLE).to(dtype).unsqueeze(1)


def plain_attention(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None = None) -> Tensor:
    """`attend` in plain products."""
    logits = query * query.shape[-1] ** -0.5 @ key.transpose(-1, -2)
    return (logits if bias is None else logits + bias).softmax(-1) @ value


class _Processor:
    """The thin form in which diffusers calls a layer; it holds no weights of its own."""

    def __init__(self, layer: AttentionLayer) -> None:
        self._layer = layer

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        return self._layer(attn, hidden_states, encoder_hidden_states)


def _is_attention(name: str, module: nn.Module) -> TypeGuard[Attention]:
    return isinstance(module, Attention) and ".transformer_blocks." in name


def _key(name: str) -> str:
    return name.replace(".", "-")


def _spec(name: str, module: Attention) -> AttentionSpec:
    crosses = name.endswith("attn2")
    return AttentionSpec(name, module.query_dim, module.cross_attention_dim if crosses else None, module.heads)
