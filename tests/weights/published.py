"""Published networks of three methods, for the tests: the layout of their files, and what they calculate.

Layouts are written down from the authors' modules: junjiehe96/UniPortrait (resampler.py,
uniportrait_attention_processor.py), tencent-ailab/IP-Adapter (ip_adapter_faceid.py, resampler.py,
attention_processor_faceid.py), InstantID/InstantID (pipeline_stable_diffusion_xl_instantid.py). What they calculate is
written once more in plain functions of tensors by their released names; nothing of the project is used.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor
from torch.nn import functional as F

Shapes = dict[str, tuple[int, ...]]
Tensors = Mapping[str, Tensor]
HEAD = 64


def linear(name: str, outputs: int, inputs: int, bias: bool = True) -> Shapes:
    return {f"{name}.weight": (outputs, inputs), **({f"{name}.bias": (outputs,)} if bias else {})}


def norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def perceiver_attention(name: str, width: int) -> Shapes:
    return {
        **norm(f"{name}.norm1", width),
        **norm(f"{name}.norm2", width),
        **linear(f"{name}.to_q", width, width, bias=False),
        **linear(f"{name}.to_kv", 2 * width, width, bias=False),
        **linear(f"{name}.to_out", width, width, bias=False),
    }


def feed_forward(name: str, width: int) -> Shapes:
    return {
        **norm(f"{name}.0", width),
        **linear(f"{name}.1", 4 * width, width, bias=False),
        **linear(f"{name}.3", width, 4 * width, bias=False),
    }


def mlp(name: str, inputs: int, between: int, outputs: int, last_bias: bool = True) -> Shapes:
    return {**linear(f"{name}.0", between, inputs), **linear(f"{name}.2", outputs, between, last_bias)}


def out(name: str, width: int, outputs: int) -> Shapes:
    return {**linear(f"{name}proj_out", outputs, width), **norm(f"{name}norm_out", outputs)}


def low_rank(name: str, hidden: int, context: int, rank: int) -> Shapes:
    found: Shapes = {}
    for part, inputs in (("q", hidden), ("k", context), ("v", context), ("out", hidden)):
        found |= linear(f"{name}.to_{part}_lora.down", rank, inputs, bias=False)
        found |= linear(f"{name}.to_{part}_lora.up", hidden, rank, bias=False)
    return found


def layers(widths: Sequence[int], text: int) -> list[tuple[int, int, int]]:
    """Number, width and width of the context of a UNet's attention layers; each transformer has two."""
    found = [(width, source) for width in widths for source in (width, text)]
    return [(number, *sizes) for number, sizes in enumerate(found)]


def faceid_plus(widths: Sequence[int], text: int, rank: int, embedding: int, patch: int) -> Shapes:
    """ip-adapter-faceid-plus(v2)_sd15.bin: 4 tokens, a perceiver of depth 4."""
    inner = "image_proj.perceiver_resampler."
    found = mlp("image_proj.proj", embedding, 2 * embedding, 4 * text) | norm("image_proj.norm", text)
    found |= linear(f"{inner}proj_in", text, patch) | out(inner, text, text)
    for depth in range(4):
        found |= perceiver_attention(f"{inner}layers.{depth}.0", text) | feed_forward(f"{inner}layers.{depth}.1", text)
    for number, hidden, context in layers(widths, text):
        name = f"ip_adapter.{number}"
        found |= low_rank(name, hidden, context, rank)
        if number % 2:
            found |= linear(f"{name}.to_k_ip", hidden, text, False) | linear(f"{name}.to_v_ip", hidden, text, False)
    return found


def uniportrait(
    widths: Sequence[int], text: int, rank: int, intrinsic: int, structure: int, depth: int, queries: int = 16
) -> tuple[Shapes, Shapes]:
    """uniportrait-faceid_sd15.bin and uniportrait-router_sd15.bin."""
    faces: Shapes = {"faceid_proj.latents": (1, queries, text)}
    faces |= mlp("faceid_proj.proj_id", intrinsic, 2 * intrinsic, text)
    faces |= mlp("faceid_proj.proj_clip", structure, 2 * structure, text)
    for n in range(depth):
        name = f"faceid_proj.layers.{n}"
        faces |= perceiver_attention(f"{name}.0", text) | perceiver_attention(f"{name}.1", text)
        faces |= feed_forward(f"{name}.2", text)
    faces |= out("faceid_proj.", text, text)
    router: Shapes = {}
    for number, hidden, context in layers(widths, text):
        name = f"faceid_adapter.{number}"
        faces |= low_rank(name, hidden, context, rank)
        router |= low_rank(name, hidden, context, rank)
        if number % 2:
            faces |= linear(f"{name}.to_k_faceid", hidden, text, False)
            faces |= linear(f"{name}.to_v_faceid", hidden, text, False)
            router |= mlp(f"{name}.to_q_router", hidden, 2 * hidden, hidden, last_bias=False)
            router |= mlp(f"{name}.to_k_router", text, 2 * text, hidden, last_bias=False)
            router |= linear(f"{name}.aggr_router", 1, queries)
    return faces, router


def instantid(widths: Sequence[int], text: int, embedding: int, inner: int) -> Shapes:
    """ip-adapter.bin: 16 tokens, a resampler of depth 4; self-attention is numbered and has no weights."""
    found: Shapes = {"image_proj.latents": (1, 16, inner)}
    found |= linear("image_proj.proj_in", inner, embedding) | out("image_proj.", inner, text)
    for n in range(4):
        found |= perceiver_attention(f"image_proj.layers.{n}.0", inner) | feed_forward(
            f"image_proj.layers.{n}.1", inner
        )
    for number, hidden, _ in layers(widths, text)[1::2]:
        for part in "kv":
            found |= linear(f"ip_adapter.{number}.to_{part}_ip", hidden, text, False)
    return found


def on_meta(shapes: Shapes) -> dict[str, Tensor]:
    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


def random(shapes: Shapes, seed: int = 0) -> dict[str, Tensor]:
    """Weights under which every part matters."""
    draw = torch.Generator().manual_seed(seed)
    found = {name: torch.randn(shape, generator=draw) for name, shape in shapes.items()}
    return {name: v / v.shape[-1] ** 0.5 if v.dim() > 1 else 0.5 + 0.2 * v for name, v in found.items()}


def section(tensors: Tensors, name: str) -> dict[str, Tensor]:
    """The tensors below a name."""
    return {key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")}


def affine(x: Tensor, t: Tensors, name: str) -> Tensor:
    return F.linear(x, t[f"{name}.weight"], t.get(f"{name}.bias"))


def normal(x: Tensor, t: Tensors, name: str) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], t[f"{name}.weight"], t[f"{name}.bias"])


def two_layers(x: Tensor, t: Tensors, name: str) -> Tensor:
    return affine(F.gelu(affine(x, t, f"{name}.0")), t, f"{name}.2")


def attention(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """Softmax attention of (B, L, C), head by head."""
    pieces = [
        ((a @ b.mT) / a.shape[-1] ** 0.5).softmax(-1) @ c
        for a, b, c in zip(*(part.chunk(heads, -1) for part in (q, k, v)), strict=True)
    ]
    return torch.cat(pieces, -1)


def perceive(queries: Tensor, context: Tensor, t: Tensors, name: str) -> Tensor:
    x = normal(queries, t, f"{name}.norm2")
    source = torch.cat([normal(context, t, f"{name}.norm1"), x], 1)
    key, value = affine(source, t, f"{name}.to_kv").chunk(2, -1)
    return affine(attention(affine(x, t, f"{name}.to_q"), key, value, x.shape[-1] // HEAD), t, f"{name}.to_out")


def forward(x: Tensor, t: Tensors, name: str) -> Tensor:
    return affine(F.gelu(affine(normal(x, t, f"{name}.0"), t, f"{name}.1")), t, f"{name}.3")


def depth_of(t: Tensors, name: str) -> int:
    return 1 + max(int(key.split(".layers.")[1].split(".")[0]) for key in t if key.startswith(f"{name}layers."))


def resampled(queries: Tensor, context: Tensor, t: Tensors, name: str) -> Tensor:
    for n in range(depth_of(t, name)):
        queries = queries + perceive(queries, context, t, f"{name}layers.{n}.0")
        queries = queries + forward(queries, t, f"{name}layers.{n}.1")
    return normal(affine(queries, t, f"{name}proj_out"), t, f"{name}norm_out")


def faceid_plus_tokens(embedding: Tensor, patches: Tensor, t: Tensors, shortcut: bool = True) -> Tensor:
    """(B, 4, D) of unit embeddings (B, E) and the image encoder's tokens (B, L, C)."""
    first = normal(two_layers(embedding, t, "image_proj.proj").unflatten(-1, (4, -1)), t, "image_proj.norm")
    name = "image_proj.perceiver_resampler."
    found = resampled(first, affine(patches, t, f"{name}proj_in"), t, name)
    return first + found if shortcut else found


def instantid_tokens(embedding: Tensor, t: Tensors) -> Tensor:
    """(B, 16, D) of embeddings (B, E)."""
    context = affine(embedding.unsqueeze(1), t, "image_proj.proj_in")
    return resampled(t["image_proj.latents"].expand(len(embedding), -1, -1), context, t, "image_proj.")


def uniportrait_tokens(intrinsic: Tensor, structure: Tensor, t: Tensors, scale: float) -> Tensor:
    """(B, 16, D) of the intrinsic (B, L, C) and the structure tokens (B, M, E)."""
    first, second = (two_layers(x, t, f"faceid_proj.proj_{n}") for x, n in ((intrinsic, "id"), (structure, "clip")))
    queries = t["faceid_proj.latents"].expand(len(intrinsic), -1, -1)
    for n in range(depth_of(t, "faceid_proj.")):
        queries = queries + perceive(queries, first, t, f"faceid_proj.layers.{n}.0")
        queries = queries + scale * perceive(queries, second, t, f"faceid_proj.layers.{n}.1")
        queries = queries + forward(queries, t, f"faceid_proj.layers.{n}.2")
    return normal(affine(queries, t, "faceid_proj.proj_out"), t, "faceid_proj.norm_out")


class Layer:
    """A numbered attention layer as published, called by diffusers: low-rank changes, and a branch for each person.

    Args:
        t: the layer's tensors by their released names, without section and number.
        people: (B, T, D) tokens of each person.
        branch: what the projections of the branch are called.
    """

    def __init__(self, t: Tensors, people: Sequence[Tensor], branch: str, scale: float) -> None:
        self.t, self.people, self.branch, self.scale = t, people, branch, scale

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Any = None,
        temb: Any = None,
    ) -> Tensor:
        source = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        query = attn.to_q(hidden_states) + self.change("q", hidden_states)
        key = attn.to_k(source) + self.change("k", source)
        value = attn.to_v(source) + self.change("v", source)
        found = attention(query, key, value, attn.heads)
        if encoder_hidden_states is not None:
            shares = self.shares(hidden_states)  # (B, L, N)
            for n, tokens in enumerate(self.people):
                key, value = (affine(tokens, self.t, f"to_{part}_{self.branch}") for part in "kv")
                said = attention(query, key, value, attn.heads)
                found = found + self.scale * shares[..., n : n + 1] * said
        return attn.to_out[0](found) + self.change("out", found)

    def change(self, part: str, x: Tensor) -> Tensor:
        name = f"to_{part}_lora"
        if f"{name}.up.weight" not in self.t:
            return torch.zeros(())
        return affine(affine(x, self.t, f"{name}.down"), self.t, f"{name}.up")

    def shares(self, hidden: Tensor) -> Tensor:
        """Which person each position is, (B, L, N), one-hot: the router's greatest product."""
        if len(self.people) == 1:
            return hidden.new_ones(*hidden.shape[:2], 1)
        people = torch.stack([affine(x.mT, self.t, "aggr_router")[..., 0] for x in self.people], 1)  # (B, N, D)
        logits = two_layers(hidden, self.t, "to_q_router") @ two_layers(people, self.t, "to_k_router").mT
        return F.one_hot(logits.argmax(-1), len(self.people)).float()


def use(unet: Any, tensors: Tensors, people: Sequence[Tensor], branch: str, scale: float) -> None:
    """Let a UNet call published layers; `tensors` are those of the section that numbers them."""
    names = list(unet.attn_processors)
    unet.set_attn_processor(
        {name: Layer(section(tensors, str(n)), people, branch, scale) for n, name in enumerate(names)}
    )
