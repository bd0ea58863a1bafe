"""InstantID: one reference, an adapter for identity and a net that knows the face's place.

Wang et al., arXiv 2401.07519, and the authors' code. A recogniser's embedding becomes 16 ID tokens (a resampler of
depth 4); decoupled cross-attention brings them into the frozen UNet, without low-rank changes; IdentityNet, a copy of
the UNet's encoder, reads a control image of five coloured facial points, with the ID tokens in place of the caption.

Sizes follow the backbone and the encoders. Variant `released` is the published network on SDXL and takes its published
weights (`RELEASED`): a resampler 1280 wide, ID tokens as they are. It too reads embeddings of length sqrt(D), 22.6 for
512, where the authors' demo reads them as long as their recogniser gives them. Deviations and choices:
- Prompt and identity are dropped from 5 % of the images each and together; the authors drop nothing, but guidance
  against neither needs a model that knows what it is to be told nothing.
- ID tokens begin with the recogniser's embedding, brought to words as in FaceID-Plus, and the resampler's tokens are
  added to it: out of one embedding the resampler alone makes sixteen equal tokens for long.
- ID tokens are relative to those of no reference, and the branches' keys and values begin as the backbone's
  projections of text and learn a tenth as fast, IdentityNet half as fast: as for every method here
  (reports/decisions/methods-and-training.md).
- Of several references the embeddings are averaged, as the authors' demo does. Several people are beyond the paper:
  all of their points are on one control image, and each person's tokens are read where their place is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from torch import Tensor, nn

from pipeline.backbone.batch import Batch, Condition, Reference
from pipeline.backbone.decoupled import DecoupledAttention, IdCondition
from pipeline.backbone.frozen import Features, FrozenEncoders
from pipeline.backbone.inject import attention_layers, attention_modules
from pipeline.backbone.load import Backbone, Residuals
from pipeline.backbone.resampler import Resampler
from pipeline.backbone.spatial import SpatialNet
from pipeline.backbone.tokens import EmbeddingTokens, mean_over_references, minus_null, plain_tokens
from pipeline.encoders.recogniser import kps_from_landmarks68
from pipeline.head.head_pose import HeadPose
from pipeline.head.model import Head
from pipeline.head.paint import dot, stroke
from pipeline.images import Pixels
from pipeline.method import Method, Phase, Placing
from pipeline.weights.key_maps import KeyMap, perceiver_keys

# The colours of the five points, and the point that all others are joined to: the nose.
COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255))
NOSE = 2
LIMB = 0.6  # brightness of the lines, beside the points'
RADIUS = 1 / 85  # of a point, share of the image's height


@dataclass(frozen=True)
class Settings:
    """What is particular to InstantID."""

    tokens: int = 16  # ID tokens per person
    depth: int = 4  # layers of the resampler
    inner: int = 0  # width of the resampler; 0: that of the UNet's text
    relative: bool = True  # tokens are relative to those of no reference
    embedding: bool = True  # tokens begin with the embedding, to which the resampler's are added
    face_scale: float = 0.8  # of the ID branch in sampling
    net_scale: float = 0.8  # of IdentityNet in sampling


VARIANTS = {"": Settings(), "released": Settings(inner=1280, relative=False, embedding=False)}


class InstantId(Method):
    """ID tokens, decoupled cross-attention, IdentityNet; one stage of training."""

    title: ClassVar[str] = "InstantID"
    paper: ClassVar[str] = "arXiv 2401.07519"
    needs_layout: ClassVar[bool] = True
    placing: ClassVar[Placing] = Placing.MASKS
    control_channels: ClassVar[int] = 3

    def __init__(self, backbone: Backbone, null_features: Mapping[str, Tensor], settings: Settings) -> None:
        super().__init__(backbone, null_features, settings)
        found, own = attention_layers(backbone.unet), attention_modules(backbone.unet)
        crossing = [spec for spec in found if spec.context]
        width = crossing[0].context or 0
        self.identity = Resampler(
            len(null_features["embedding"]), width, settings.tokens, settings.depth, settings.inner
        )
        # Before the resampler has learned to tell its queries apart, all of its tokens are one.
        self.first = (
            EmbeddingTokens(len(null_features["embedding"]), width, settings.tokens) if settings.embedding else None
        )
        self.layers = nn.ModuleDict({spec.name: DecoupledAttention(spec, own[spec.name], 0) for spec in crossing})
        self.net = SpatialNet(backbone, self.control_channels)

    @classmethod
    def encode(cls, frozen: FrozenEncoders, references: Sequence[Reference]) -> Features:
        """Embedding (R, D) of R aligned faces."""
        return {"embedding": frozen.embeddings(np.stack([reference.crop for reference in references]))}

    @classmethod
    def encode_null(cls, frozen: FrozenEncoders) -> Features:
        """Zeros."""
        return {"embedding": np.zeros(frozen.recogniser.dimension, np.float32)}

    @classmethod
    def render_control(cls, head: Head, people: Sequence[HeadPose], size: tuple[int, int]) -> Pixels:
        """Eyes, nose and corners of the mouth as points of five colours, joined to the nose."""
        control = np.zeros((*size, cls.control_channels), np.uint8)
        for points in (kps_from_landmarks68(person.landmarks) for person in people):
            for point, colour in zip(points, COLOURS, strict=True):
                stroke(control, points[NOSE], point, [int(LIMB * part) for part in colour])
            for point, colour in zip(points, COLOURS, strict=True):
                dot(control, point, max(RADIUS * size[0], 1.5), colour)
        return control

    def phases(self) -> tuple[Phase, ...]:
        """One stage."""
        rates = {"identity.*": 1.0, "layers.*": 0.1, "net.*": 0.5}
        first = {} if self.first is None else {"first.*": 1.0}
        return (Phase("single", 1.0, (1, 1), rates | first),)

    def condition(self, batch: Batch) -> Condition:
        """ID tokens of every person, and the control image for IdentityNet."""
        people, settings = batch.people, self.settings
        tokens = (
            minus_null(people, self.null_features, self._embed)
            if settings.relative
            else plain_tokens(people, self._embed)
        )
        scale = 1.0 if self.training else settings.face_scale
        faces = IdCondition(tokens, people.present, batch.masks, scale)
        return Condition(batch.text, faces, batch.control_image)

    def residuals(self, backbone: Backbone, noisy: Tensor, times: Tensor, condition: Condition) -> Residuals | None:
        """What IdentityNet adds."""
        scale = 1.0 if self.training else self.settings.net_scale
        return self.net(backbone, noisy, times, condition, scale)

    def _embed(self, features: Mapping[str, Tensor], given: Tensor) -> Tensor:
        embedding = mean_over_references(features["embedding"], given)
        refined = self.identity(embedding.unsqueeze(1))
        return refined if self.first is None else self.first(embedding) + refined


METHOD = InstantId

# The authors' published files: sections image_proj (a Resampler) and ip_adapter (the attention layers, numbered; those
# of self-attention have no weights), and IdentityNet as a folder of diffusers.
RELEASED = (
    KeyMap(
        "ip-adapter.bin",
        r"^image_proj\.latents$",
        {
            "image_proj.latents": "identity.queries",
            "image_proj.proj_in.{rest}": "identity.project.{rest}",
            "image_proj.proj_out.{rest}": "identity.out.0.{rest}",
            "image_proj.norm_out.{rest}": "identity.out.1.{rest}",
            **perceiver_keys("image_proj.layers.{n}.0", "identity.perceiver.readings.{n}"),
            "image_proj.layers.{n}.1.{rest}": "identity.perceiver.ffns.{n}.{rest}",
            "ip_adapter.{site}.to_k_ip.weight": "layers.{site}.branch.key.weight",
            "ip_adapter.{site}.to_v_ip.weight": "layers.{site}.branch.value.weight",
        },
    ),
    KeyMap("ControlNetModel/", r"^controlnet_cond_embedding\.", {"{rest}": "net.net.{rest}"}),
)
