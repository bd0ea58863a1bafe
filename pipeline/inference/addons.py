"""What acts on the same base beside a method: ordinary ControlNets, image prompts, and styles.

A method knows of none of them; each joins the backbone from outside and reads the layout that it is published in:

- `Controlled`: a backbone that ControlNets help; what they find is added to the method's own residuals;
- `ImagePrompt`: an IP-Adapter, a decoupled branch beside whatever the method's layers do;
- `merge_lora`: a low-rank change (a style, say) of the UNet's weights.

Each has a scale. At 0 a method draws what it draws alone, bit by bit.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers.utils.state_dict_utils import convert_unet_state_dict_to_peft
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.backbone.batch import Text
from pipeline.backbone.decoupled import IdBranch, IdCondition
from pipeline.backbone.inject import attention_layers, attention_modules, merge_heads, split_heads
from pipeline.backbone.load import Backbone, Residuals
from pipeline.errors import MissingInput

# How the two factors of a low-rank change are called: by peft, by diffusers before it, and by kohya's scripts.
FACTORS = ((".lora_A.weight", ".lora_B.weight"), (".lora.down.weight", ".lora.up.weight"),
           (".lora_down.weight", ".lora_up.weight"))  # fmt: skip
KOHYA, PEFT = "lora_unet_", "base_model.model."
PARTS = ("down_blocks.", "mid_block.", "up_blocks.", "conv_in.", "conv_out.", "time_embedding.", "add_embedding.")
HEADER = "lora_adapter_metadata"  # where diffusers writes peft's config, as JSON


@dataclass(frozen=True)
class ControlNet:
    """A ControlNet (arXiv 2302.05543) and what it is shown."""

    net: nn.Module  # a diffusers ControlNetModel made for the same kind of base
    image: Tensor  # (B or 1, C, H, W) in [0, 1], in pixels of the image that is drawn
    scale: float = 1.0

    def __call__(self, backbone: Backbone, noisy: Tensor, times: Tensor, text: Text) -> Residuals:
        """What it adds to the UNet's skip connections and middle; rows of one image repeat, as guidance does."""
        return self.net(
            noisy,
            times,
            encoder_hidden_states=text.hidden,
            controlnet_cond=self.image.repeat(len(noisy) // len(self.image), 1, 1, 1),
            conditioning_scale=self.scale,
            added_cond_kwargs=backbone.added(text, noisy),
            return_dict=False,
        )


class ControlNetBackbone(Backbone):
    """A backbone that ControlNets help, all else shared with `backbone`; methods are run on it as on any other."""

    def __init__(self, backbone: Backbone, controls: Sequence[ControlNet]) -> None:
        vars(self).update(vars(backbone))
        self.controls = tuple(controls)

    def denoise(self, noisy: Tensor, times: Tensor, text: Text, residuals: Residuals | None = None) -> Tensor:
        """The UNet's prediction, as `Backbone.denoise`, with all residuals added up."""
        for control in self.controls:
            residuals = add_residuals(residuals, control(self, noisy, times, text))
        return super().denoise(noisy, times, text, residuals)


def add_residuals(first: Residuals | None, second: Residuals) -> Residuals:
    """The sum of two nets' residuals."""
    if first is None:
        return second
    return [one + other for one, other in zip(first[0], second[0], strict=True)], first[1] + second[1]


class ImagePrompt(nn.Module):
    """An IP-Adapter (arXiv 2308.06721): an image's embedding as a few tokens in a cross-attention of their own.

    It was made for the base, so it reads the base's own queries and goes out through the base's own projection, beside
    whatever a method does: attach it after the method. `show` says which image; without it nothing is added.

    Args:
        embedding: length of the image embedding.
        tokens: that it becomes.
    """

    def __init__(self, unet: nn.Module, embedding: int, tokens: int = 4) -> None:
        super().__init__()
        own, crossing = attention_modules(unet), [site for site in attention_layers(unet) if site.context]
        width = crossing[0].context or 0
        self.proj, self.norm = nn.Linear(embedding, tokens * width), nn.LayerNorm(width)
        self.branches = nn.ModuleDict({site.name: IdBranch(site, own[site.name]) for site in crossing})
        self.scale = 1.0
        self.shown: IdCondition | None = None

    def tokens(self, embeddings: Tensor) -> Tensor:
        """Tokens (B, T, D) of image embeddings (B, E)."""
        return self.norm(self.proj(embeddings).unflatten(-1, (-1, len(self.norm.weight))))

    def show(self, embeddings: Tensor, guided: bool = True) -> None:
        """Let the next calls of the UNet read images (B, E); with guidance its first half reads no image (zeros)."""
        rows = torch.cat([torch.zeros_like(embeddings), embeddings]) if guided else embeddings
        tokens = self.tokens(rows).unsqueeze(1)
        self.shown = IdCondition(tokens, torch.ones_like(tokens[..., 0, 0], dtype=torch.bool), masks=None)

    def attach(self, unet: nn.Module) -> None:
        """Add the branches to what the UNet's cross-attention layers do now."""
        own = attention_modules(unet)
        for name in self.branches:
            own[name].set_processor(_WithImagePrompt(own[name].processor, name, self))

    def added(self, name: str, attn: Any, hidden: Tensor) -> Tensor | float:
        """What the branch of a layer adds to its output, (B, L, C)."""
        if self.shown is None:
            return 0.0
        query = split_heads(attn.to_q(hidden), attn.heads)
        branch: Any = self.branches[name]
        found = branch.each(query, self.shown).squeeze(1)
        return self.scale * F.linear(merge_heads(found), attn.to_out[0].weight)


class _WithImagePrompt:
    """A layer's processor, and an image prompt's branch added to what it gives."""

    def __init__(self, inner: Any, name: str, prompt: ImagePrompt) -> None:
        self._inner, self._name, self._prompt = inner, name, prompt

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        out = self._inner(attn, hidden_states, encoder_hidden_states, attention_mask, temb)
        return out + self._prompt.added(self._name, attn, hidden_states)


def read_image_prompt(unet: nn.Module, tensors: Mapping[str, Tensor]) -> ImagePrompt:
    """An IP-Adapter from the tensors of its published file: `image_proj.*` and `ip_adapter.<n>.to_{k,v}_ip.weight`.

    Layers are numbered in the order of the UNet's own list, self-attention counted. It is where the UNet is.

    Raises:
        MissingInput: the tensors are of another layout or of a UNet of other sizes.
    """
    try:
        projection = tensors["image_proj.proj.weight"]
        prompt = ImagePrompt(unet, projection.shape[1], len(projection) // len(tensors["image_proj.norm.weight"]))
        prompt.load_state_dict({ours: tensors[theirs] for ours, theirs in _names(unet).items()})
    except (KeyError, RuntimeError) as error:
        raise MissingInput(f"this is no IP-Adapter with a plain projection for this UNet: {error}") from error
    return prompt.to(next(unet.parameters()).device).requires_grad_(False).eval()


def image_prompt_tensors(unet: nn.Module, prompt: ImagePrompt) -> dict[str, Tensor]:
    """The tensors of an image prompt in the published layout."""
    own = prompt.state_dict()
    return {theirs: own[ours].contiguous() for ours, theirs in _names(unet).items()}


def _names(unet: nn.Module) -> dict[str, str]:
    """Our names of an image prompt's tensors and the published ones."""
    found = {f"{part}.{kind}": f"image_proj.{part}.{kind}" for part in ("proj", "norm") for kind in ("weight", "bias")}
    for number, name in enumerate(attention_modules(unet)):
        if name.endswith("attn2"):
            for ours, theirs in (("key", "to_k_ip"), ("value", "to_v_ip")):
                found[f"branches.{name}.{ours}.weight"] = f"ip_adapter.{number}.{theirs}.weight"
    return found


@torch.no_grad()
def merge_lora(unet: nn.Module, tensors: Mapping[str, Tensor], scale: float = 1.0) -> int:
    """Add a low-rank change to the UNet's weights: scale * alpha / rank * up @ down; how many weights it changed.

    Linear layers and convolutions, named as peft, diffusers (now and before 0.22) or kohya's scripts name them; what a
    file says of text encoders is left out. The UNet is changed: load the backbone anew to be rid of it. Hu et al.,
    arXiv 2106.09685.

    Raises:
        MissingInput: the tensors hold no change of a UNet, half of one, one of another kind (DoRA, LoHa, full
            differences), one with values that are not finite, or one that does not fit this UNet, which then is as it
            was.
    """
    layers = {name: module for name, module in unet.named_modules() if hasattr(module, "weight")}
    layers |= {KOHYA + name.replace(".", "_"): module for name, module in layers.items()}
    tensors = _one_spelling(tensors)
    if broken := sorted(name for name, value in tensors.items() if not value.isfinite().all()):
        raise MissingInput(f"{broken[0]} of the low-rank change holds values that are not finite: the file is damaged")
    changes = _changes(tensors)
    if other := _others(tensors):
        raise MissingInput(f"{len(other)} of the tensors are no plain low-rank change, {other[0]} for one")
    if not changes:
        raise MissingInput("no low-rank change of a UNet among these tensors")
    # All are looked at before the first is added: a UNet is changed as a whole or not at all.
    fitting = [(_weight(layers, name, change), change) for name, change in changes.items()]
    for weight, change in fitting:
        weight += scale * change.view_as(weight).to(weight)
    return len(changes)


def read_lora(path: Path | str) -> dict[str, Tensor]:
    """The tensors of a file of low-rank changes, each with its alpha, in one spelling.

    Alpha stands in the file, in its header (diffusers) or in adapter_config.json beside it (peft).

    Raises:
        MissingInput: there is no such file, it is no safetensors file, or peft's file lacks its adapter_config.json.
    """
    try:
        tensors = load_file(path)
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(HEADER, "{}"))
    except (OSError, SafetensorError, ValueError) as error:
        raise MissingInput(f"{path} is no safetensors file with a LoRA: {error}") from error
    config = {name.removeprefix("unet."): value for name, value in header.items()}
    if any(name.startswith(PEFT) for name in tensors):
        config = _peft_config(Path(path).with_name("adapter_config.json"))
    return _with_alphas(_one_spelling(tensors), config)


def _peft_config(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise MissingInput(f"peft's file needs {path} beside it, which says how strong it is: {error}") from error


def _one_spelling(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of a UNet under `unet.`, with diffusers' names of today; others as they are."""
    found: dict[str, Tensor] = {}
    for name, value in tensors.items():
        bare = name.removeprefix(PEFT).replace(".default.weight", ".weight")
        own = bare if bare.startswith("unet.") else f"unet.{bare}" if bare.startswith(PARTS) else None
        found |= {name: value} if own is None else convert_unet_state_dict_to_peft({own: value})
    return found


def _with_alphas(tensors: dict[str, Tensor], config: Mapping[str, Any]) -> dict[str, Tensor]:
    """With the alpha of every layer that has none of its own, as peft reads its config."""
    found = dict(tensors)
    for name in (name for name in tensors if name.startswith("unet.") and name.endswith(".lora_A.weight")):
        layer, rank = name.removeprefix("unet.").removesuffix(".lora_A.weight"), len(tensors[name])
        own = [
            alpha for key, alpha in (config.get("alpha_pattern") or {}).items() if re.fullmatch(rf"(.*\.)?{key}", layer)
        ]
        alpha = (own or [config.get("lora_alpha") or rank])[0]
        # Rank-stabilised LoRA (arXiv 2312.03732) divides by the root of the rank.
        alpha *= rank**0.5 if config.get("use_rslora") else 1
        found.setdefault(f"unet.{layer}.alpha", torch.tensor(float(alpha)))
    return found


def _weight(layers: Mapping[str, Any], name: str, change: Tensor) -> Tensor:
    if name not in layers:
        raise MissingInput(f"the low-rank change of {name} has no layer in this UNet: it was made for another")
    weight: Tensor = layers[name].weight
    if change.numel() != weight.numel():
        raise MissingInput(f"the low-rank change of {name} does not fit its {tuple(weight.shape)} weight")
    return weight


def _others(tensors: Mapping[str, Tensor]) -> list[str]:
    """The UNet's tensors that belong to no pair of factors."""
    names = sorted(name for name in tensors if name.startswith(("unet.", KOHYA)))
    ends = (".alpha", *(factor for pair in FACTORS for factor in pair))
    changed = {name.removesuffix(lower) for lower, _ in FACTORS for name in names if name.endswith(lower)}
    return [name for name in names if not any(name.removesuffix(end) in changed for end in ends if name.endswith(end))]


def _changes(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """By layer: alpha / rank * up @ down, (outputs, inputs * ...); alpha is the rank where nothing is said."""
    found = {}
    for lower, upper in FACTORS:
        for key in (key for key in tensors if key.endswith(lower) and key.startswith(("unet.", KOHYA))):
            name, down = key.removesuffix(lower), tensors[key]
            if name + upper not in tensors:
                raise MissingInput(f"the low-rank change of {name} has no {name + upper}: the file is not whole")
            alpha = float(tensors.get(f"{name}.alpha", len(down)))
            change = tensors[name + upper].flatten(1).float() @ down.flatten(1).float()
            found[name.removeprefix("unet.")] = change * (alpha / len(down))
    return found
