"""IP-Adapter-FaceID-Plus, version 2: a recogniser's embedding, refined by CLIP, in a cross-attention of its own.

Ye et al., arXiv 2308.06721 (IP-Adapter), and the authors' code for faces: the recogniser's embedding becomes four ID
tokens; as queries of a perceiver of depth 4 they read the image encoder's tokens, and version 2 adds the result to the
ID tokens. Decoupled cross-attention brings them into the UNet, beside low-rank changes (rank 128) of all attention.
One stage on images of one person; identity, prompt or both are dropped from 5 % of the images each.

Sizes follow the backbone and the encoders. Variants `released` (version 2) and `released_v1` are the published networks
and take their published weights (`RELEASED`): ID tokens as they are, of an embedding of unit length. Their files have
the same names, so that it is the user who says which version one is. The network takes the image encoder's class token
like any other; what this project gives it is without. Deviations and choices:
- ID tokens are relative to those of no reference, K_id and V_id begin as the backbone's projections of text, and both
  and the low-rank set learn a tenth as fast: as for every method here (reports/decisions/methods-and-training.md).
- The image encoder's class token is left out.
- Of several references the embeddings are averaged, and the image encoder's tokens are all read. Of several people
  each is confined to their place (the masks of diffusers' IP-Adapters); who has no layout takes the shared prior's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor, nn
from torch.nn import functional

from pipeline.backbone.batch import Batch, Condition, Reference
from pipeline.backbone.decoupled import DecoupledAttention, IdCondition
from pipeline.backbone.frozen import Features, FrozenEncoders
from pipeline.backbone.inject import attention_layers, attention_modules
from pipeline.backbone.load import Backbone
from pipeline.backbone.tokens import FaceIdPlus, concatenate_references, mean_over_references, minus_null, plain_tokens
from pipeline.method import Method, Phase, Placing
from pipeline.weights.key_maps import KeyMap, lora_keys, perceiver_keys


@dataclass(frozen=True)
class Settings:
    """What is particular to IP-Adapter-FaceID-Plus."""

    tokens: int = 4  # ID tokens per person
    depth: int = 4  # layers of the perceiver
    rank: int = 128  # of the low-rank changes, at most two fifths of a layer's width
    structure_scale: float = 1.0  # of what the image encoder says, in sampling; lower follows the prompt more freely
    face_scale: float = 1.0  # of the ID branch in sampling
    relative: bool = True  # tokens are relative to those of no reference
    unit: bool = False  # the embedding is brought to unit length, as the published network reads it
    shortcut: bool = True  # version 2: what the image encoder says is added to the ID tokens


VARIANTS = {
    "": Settings(),
    "released": Settings(relative=False, unit=True),
    "released_v1": Settings(relative=False, unit=True, shortcut=False),
}


class IpAdapterFaceIdPlus(Method):
    """ID tokens and decoupled cross-attention with a low-rank set; one stage of training."""

    title: ClassVar[str] = "IP-Adapter-FaceID-Plus"
    paper: ClassVar[str] = "arXiv 2308.06721"
    needs_layout: ClassVar[bool] = True  # places several people; one person's place is the whole image
    placing: ClassVar[Placing] = Placing.MASKS

    def __init__(self, backbone: Backbone, null_features: Mapping[str, Tensor], settings: Settings) -> None:
        super().__init__(backbone, null_features, settings)
        found, own = attention_layers(backbone.unet), attention_modules(backbone.unet)
        width = next(spec.context for spec in found if spec.context)
        sizes = len(null_features["embedding"]), null_features["patches"].shape[1], width
        self.identity = FaceIdPlus(*sizes, settings.tokens, settings.depth, settings.shortcut)
        self.layers = nn.ModuleDict(
            {spec.name: DecoupledAttention(spec, own[spec.name], settings.rank) for spec in found}
        )

    @classmethod
    def encode(cls, frozen: FrozenEncoders, references: Sequence[Reference]) -> Features:
        """Embedding (R, D) and the image encoder's tokens (R, M, E) of R aligned faces."""
        crops = np.stack([reference.crop for reference in references])
        return {"embedding": frozen.embeddings(crops), "patches": frozen.patches(crops)}

    @classmethod
    def encode_null(cls, frozen: FrozenEncoders) -> Features:
        """Zeros for the embedding, the tokens of an image of the mean colour."""
        return {"embedding": np.zeros(frozen.recogniser.dimension, np.float32), "patches": frozen.null_patches()}

    def phases(self) -> tuple[Phase, ...]:
        """One stage."""
        return (Phase("single", 1.0, (1, 1), {"identity.*": 1.0, "layers.*": 0.1}),)

    def condition(self, batch: Batch) -> Condition:
        """ID tokens of every person, each where their place is."""
        people, settings = batch.people, self.settings
        tokens = (
            minus_null(people, self.null_features, self._embed)
            if settings.relative
            else plain_tokens(people, self._embed)
        )
        scale = 1.0 if self.training else settings.face_scale
        return Condition(batch.text, IdCondition(tokens, people.present, batch.masks, scale))

    def _embed(self, features: Mapping[str, Tensor], given: Tensor) -> Tensor:
        patches, keep = concatenate_references(features["patches"], given)
        scale = 1.0 if self.training else self.settings.structure_scale
        embedding = mean_over_references(features["embedding"], given)
        if self.settings.unit:
            embedding = functional.normalize(embedding, dim=-1)  # a mean of several is shorter
        return self.identity(embedding, patches, keep, scale)


METHOD = IpAdapterFaceIdPlus

# The authors' published file: sections image_proj (the modules ProjPlusModel and FacePerceiverResampler of their
# ip_adapter_faceid.py) and ip_adapter (the attention layers of attention_processor_faceid.py, numbered).
RELEASED = (
    KeyMap(
        "ip-adapter-faceid-plusv2_sd15.bin",
        r"^image_proj\.perceiver_resampler\.",
        {
            "image_proj.proj.{rest}": "identity.first.project.{rest}",
            "image_proj.norm.{rest}": "identity.first.norm.{rest}",
            "image_proj.perceiver_resampler.proj_in.{rest}": "identity.patches.{rest}",
            "image_proj.perceiver_resampler.proj_out.{rest}": "identity.out.0.{rest}",
            "image_proj.perceiver_resampler.norm_out.{rest}": "identity.out.1.{rest}",
            **perceiver_keys("image_proj.perceiver_resampler.layers.{n}.0", "identity.perceiver.readings.{n}"),
            "image_proj.perceiver_resampler.layers.{n}.1.{rest}": "identity.perceiver.ffns.{n}.{rest}",
            "ip_adapter.{site}.to_k_ip.weight": "layers.{site}.branch.key.weight",
            "ip_adapter.{site}.to_v_ip.weight": "layers.{site}.branch.value.weight",
            **lora_keys("ip_adapter.{site}.to_{part}_lora", "layers.{site}.change"),
        },
    ),
)
