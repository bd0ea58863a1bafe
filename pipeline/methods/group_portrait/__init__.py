"""GroupPortrait: identity judged on latents, heads as a spatial condition, attention held to people's places.

WACV 2026. A reconstruction: only the abstract is public. What is certain: LatentID maps latents to identity features,
and an ID consistency loss in that space gives feedback in training, cheaper than one in pixels; a Facial Controller
shows shape, pose and expression of each person by a 3DMM; a Mask-Attention Controller aligns cross-attention maps of
ID embeddings with given face regions.

Each choice, and what backs it:
- LatentID: a residual network over aligned faces of latents, distilled from recogniser A on the training photos and
  their references (recognition works on latents: E-LatentLPIPS, arXiv 2405.05967); 1 - cos to A's embedding, on
  latents with some noise.
  It is then frozen, judges the predicted clean latents, cut out by the true landmarks (WithAnyone, arXiv 2510.14975),
  and is weighted by the signal that is left at a timestep;
- ID tokens: recogniser A's embedding as queries that read the image encoder's tokens (IP-Adapter-FaceID-Plus;
  CapHuman) beside LatentID's map of the reference (the abstract speaks of "the cross-attention map of LatentID");
- Facial Controller: normals, PNCC and instance masks of all people on one control image, the references' shapes with
  the layout's pose and expression (CapHuman, arXiv 2402.00627; Arc2Face, arXiv 2403.11641), read by a copy of the
  UNet's encoder with the ID tokens in place of the caption (InstantID's rule);
- Mask-Attention Controller: one softmax over the tokens of all people and of nobody, whose share per person is held to
  the instance masks in training (squared distance) and confined to them in sampling (InstantFamily, arXiv 2404.19427).

ID tokens are relative to those of no reference, and keys and values learn slower: as for every method here
(reports/decisions/methods-and-training.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.backbone.align import aligned
from pipeline.backbone.batch import Batch, Condition, Reference
from pipeline.backbone.decoupled import IdCondition
from pipeline.backbone.frozen import Features, FrozenEncoders
from pipeline.backbone.inject import attention_layers, attention_modules
from pipeline.backbone.load import Backbone, Residuals
from pipeline.backbone.spatial import SpatialNet
from pipeline.backbone.tokens import FaceIdPlus, concatenate_references, mean_over_references, minus_null
from pipeline.encoders.recogniser import SIDE, load_torch_recogniser
from pipeline.head.head_pose import HeadPose
from pipeline.head.maps import normal_map, pncc_map
from pipeline.head.model import Head
from pipeline.head.paint import as_bytes
from pipeline.head.people import MOST, as_channel, draw_people, people_masks
from pipeline.head.raster import Buffers
from pipeline.images import Pixels
from pipeline.method import Claim, Method, ModelOutput, NoisyBatch, Phase, Placing
from pipeline.methods.group_portrait.attention import MaskAttention, mask_loss
from pipeline.methods.group_portrait.latent_id import LATENT_SIDE, LatentId

DISTIL_RATE = 0.08  # of the learning rate, for LatentID
GROUP_RATE = 0.2  # of the rates of the second stage, in the third: at full rates single faces were unlearned again
NOISE = 0.3  # most noise on the latents that LatentID learns from, in spreads of the latents


@dataclass(frozen=True)
class Settings:
    """What is particular to GroupPortrait."""

    tokens: int = 4  # ID tokens per person
    depth: int = 4  # layers of the perceiver
    widths: tuple[int, int] = (96, 192)  # of LatentID's maps of 14 and of 7 cells
    latent_id: bool = True  # ID tokens read LatentID's map of the references
    judge: str = "latent"  # what the ID loss looks at: latent, pixel or nothing
    identity: float = 0.5  # weight of the ID loss
    mask: float = 0.1  # weight of the mask loss
    controller: bool = True  # the Facial Controller
    confined: bool = True  # attention is confined to the masks in sampling
    distil_share: float = 0.2  # of the budget, for LatentID
    group_share: float = 0.15  # of the budget, for images of one person to four
    face_scale: float = 1.0  # of the ID branch in sampling
    net_scale: float = 1.0  # of the Facial Controller in sampling


VARIANTS = {
    "": Settings(),
    "no_latent_id": Settings(latent_id=False, judge="nothing"),
    "pixel_id": Settings(judge="pixel"),
    "no_controller": Settings(controller=False),
    "no_mask_attention": Settings(mask=0.0, confined=False),
}


class GroupPortrait(Method):
    """LatentID and its loss, Facial Controller, Mask-Attention Controller; three stages of training."""

    title: ClassVar[str] = "GroupPortrait"
    paper: ClassVar[str] = "WACV 2026"
    reconstruction: ClassVar[bool] = True
    needs_layout: ClassVar[bool] = True
    placing: ClassVar[Placing] = Placing.CONTROL_IMAGE
    control_channels: ClassVar[int] = 7
    most_people: ClassVar[int | None] = MOST

    def __init__(self, backbone: Backbone, null_features: Mapping[str, Tensor], settings: Settings) -> None:
        super().__init__(backbone, null_features, settings)
        found, own = attention_layers(backbone.unet), attention_modules(backbone.unet)
        crossing = [spec for spec in found if spec.context]
        dimension = len(null_features["embedding"])
        seen = null_features["patches"].shape[1]
        self.latent_id = LatentId(backbone.channels, settings.widths, dimension)
        self.look = nn.Linear(settings.widths[-1], seen) if settings.latent_id else None
        self.identity = FaceIdPlus(dimension, seen, crossing[0].context or 0, settings.tokens, settings.depth)
        self.layers = nn.ModuleDict({spec.name: MaskAttention(spec, own[spec.name]) for spec in crossing})
        self.net = SpatialNet(backbone, self.control_channels) if settings.controller else None
        self._judge: Any = None

    @classmethod
    def encode(cls, frozen: FrozenEncoders, references: Sequence[Reference]) -> Features:
        """Embedding (R, D), image encoder's tokens (R, M, E) and latents (R, C, 28, 28) of R aligned faces."""
        crops = np.stack([reference.crop for reference in references])
        return {
            "embedding": frozen.embeddings(crops),
            "patches": frozen.patches(crops),
            "latents": frozen.latents(crops, LATENT_SIDE),
        }

    @classmethod
    def encode_null(cls, frozen: FrozenEncoders) -> Features:
        """Zeros for the embedding, the tokens of an image of the mean colour, the latents of a grey one."""
        grey = np.full((1, SIDE, SIDE, 3), 128, np.uint8)
        return {
            "embedding": np.zeros(frozen.recogniser.dimension, np.float32),
            "patches": frozen.null_patches(),
            "latents": frozen.latents(grey, LATENT_SIDE)[0],
        }

    @classmethod
    def render_control(cls, head: Head, people: Sequence[HeadPose], size: tuple[int, int]) -> Pixels:
        """Normals, PNCC and the number of the person of everybody on one control image; who is larger is in front."""
        control = np.zeros((*size, cls.control_channels), np.uint8)
        drawn, instances = draw_people(head, people, size)
        for number, (person, buffers) in enumerate(zip(people, drawn, strict=True)):
            control[instances == number, :-1] = _maps(head, person, buffers)[instances == number]
        control[..., -1] = as_channel(instances)
        return control

    def prepare(self, frozen: FrozenEncoders) -> None:
        """Recogniser A in torch, where the loss is in pixels."""
        if self.settings.judge == "pixel":
            judge = load_torch_recogniser(frozen.recogniser.path.parent).to(next(self.parameters()).device)
            self._judge = judge.forward  # no module of this one: its weights are not among those that are saved

    def phases(self) -> tuple[Phase, ...]:
        """LatentID, then images of one person, then all images.

        Where nothing reads LatentID it is distilled all the same: an ablation's generator has the full form's budget.
        """
        distil, group = self.settings.distil_share, self.settings.group_share
        parts = {"identity": 1.0, "look": 1.0, "layers": 0.1, "net": 0.5}
        rates = {f"{part}.*": rate for part, rate in parts.items() if getattr(self, part) is not None}
        gentle = {pattern: GROUP_RATE * rate for pattern, rate in rates.items()}
        weighed = {"diffusion": True, "identity": self.settings.judge != "nothing", "mask": self.settings.mask > 0}
        losses = tuple(name for name, counts in weighed.items() if counts)
        return (
            Phase("latent_id", distil, (1, 1), {"latent_id.*": DISTIL_RATE}, ("distillation",)),
            Phase("single", 1 - distil - group, (1, 1), rates, losses),
            Phase("groups", group, (1, 4), gentle, losses),
        )

    def condition(self, batch: Batch) -> Condition:
        """ID tokens of every person, where they are, and the control image."""
        tokens = minus_null(batch.people, self.null_features, self._embed)
        masks = None
        if batch.control_image is not None and self.settings.confined:
            masks = people_masks(batch.control_image[:, -1], tokens.shape[1])
        scale = 1.0 if self.training else self.settings.face_scale
        return Condition(batch.text, IdCondition(tokens, batch.people.present, masks, scale), batch.control_image)

    def residuals(self, backbone: Backbone, noisy: Tensor, times: Tensor, condition: Condition) -> Residuals | None:
        """What the Facial Controller adds."""
        if self.net is None:
            return None
        return self.net(backbone, noisy, times, condition, 1.0 if self.training else self.settings.net_scale)

    def objective(self, phase: Phase, given: NoisyBatch) -> dict[str, Tensor]:
        """LatentID's distillation in its own stage, the losses of a denoised batch in the others."""
        return (
            {"distillation": self._distillation(given)}
            if phase.name == "latent_id"
            else super().objective(phase, given)
        )

    def loss(self, step: ModelOutput) -> dict[str, Tensor]:
        """L_diff + lambda_id L_id + lambda_mask L_mask."""
        terms = {"diffusion": step.diffusion()}
        if self.settings.judge != "nothing":
            terms["identity"] = self.settings.identity * self._identity(step)
        if step.maps and self.settings.mask:
            assert step.batch.control_image is not None
            present = step.batch.people.present
            masks = people_masks(step.batch.control_image[:, -1], present.shape[1])
            losses = [
                mask_loss(found, masks, present, self.attention_state.grid(found.shape[-1])) for found in step.maps
            ]
            terms["mask"] = self.settings.mask * torch.stack(losses).mean()
        return terms

    def _embed(self, features: Mapping[str, Tensor], given: Tensor) -> Tensor:
        seen = features["patches"]
        if self.look is not None:
            with torch.no_grad():
                maps = self.latent_id.features(features["latents"].flatten(0, 1)).flatten(2).transpose(1, 2)
            seen = torch.cat([seen, self.look(maps).unflatten(0, given.shape)], dim=2)
        patches, keep = concatenate_references(seen, given)
        return self.identity(mean_over_references(features["embedding"], given), patches, keep)

    def _distillation(self, given: NoisyBatch) -> Tensor:
        """1 - cos to recogniser A, over the faces of photos and of references, with noise on their latents."""
        layout, people = given.batch.layout, given.batch.people
        assert layout is not None
        embeddings = people.features["embedding"]
        known = people.given & (embeddings.abs().sum(-1) > 0)  # a dropped reference shows nobody
        photos = aligned(_noised(given.latents), layout.landmarks, LATENT_SIDE)[people.present]
        faces = torch.cat([photos, _noised(people.features["latents"][known])])
        wanted = torch.cat([given.embeddings[people.present], embeddings[known]])
        return (1 - F.cosine_similarity(self.latent_id(faces).float(), wanted)).mean()

    def _identity(self, step: ModelOutput) -> Tensor:
        """1 - cos between the people in the predicted clean latents and their references."""
        assert step.batch.layout is not None
        features = step.batch.people.features["embedding"]  # (B, N, J, D)
        wanted = (features * step.batch.people.given.unsqueeze(-1)).sum(2)
        # Where references were dropped there is nobody to be like.
        counted = step.batch.people.present & (wanted.abs().sum(-1) > 0)
        found = self._judged(step)  # (B, N, D)
        distance = (1 - F.cosine_similarity(found.float(), wanted.float(), dim=-1)) * counted
        kept = step.backbone.alphas[step.times].unsqueeze(1)  # the signal that is left
        return (distance * kept).sum() / counted.sum().clamp(min=1)

    def _judged(self, step: ModelOutput) -> Tensor:
        """Embeddings (B, N, D) of the people in the predicted clean latents."""
        assert step.batch.layout is not None
        clean, landmarks = step.clean(), step.batch.layout.landmarks
        if self.settings.judge == "pixel":
            faces, judge = aligned(step.backbone.pixels(clean), landmarks, SIDE), self._judge
        else:
            faces, judge = aligned(clean, landmarks, LATENT_SIDE), self.latent_id
        return judge(faces.flatten(0, 1)).unflatten(0, faces.shape[:2])


METHOD = GroupPortrait

ABSTRACT = f"{GroupPortrait.paper}, abstract"  # no table of the paper is known
MARGIN = 0.03  # of cosine similarity, a twentieth of what can be reached: an interval that goes below it shows nothing
CLAIMS = {
    "no_latent_id": (Claim(1, "sim_heldout", ABSTRACT),),
    "pixel_id": (
        Claim(1, "sim_heldout", ABSTRACT, margin=MARGIN),
        Claim(2, "sim_heldout", ABSTRACT, margin=MARGIN),
    ),
    "no_controller": (
        Claim(2, "layout_iou", ABSTRACT, protocol="layout"),
        Claim(2, "pose_error", ABSTRACT, protocol="layout"),
        Claim(2, "expression_error", ABSTRACT, protocol="layout"),
    ),
    "no_mask_attention": (Claim(2, "swap", ABSTRACT, protocol="layout"),),
}


def _noised(latents: Tensor) -> Tensor:
    """Latents (B, C, h, w) with a level of noise each, up to NOISE."""
    level = NOISE * torch.rand(len(latents), 1, 1, 1, device=latents.device)
    return latents + level * torch.randn_like(latents)


def _maps(head: Head, person: HeadPose, buffers: Buffers) -> Pixels:
    """A drawn person's normals and PNCC as bytes (H, W, 6)."""
    vertices = person.vertices(head)
    normals = (normal_map(vertices, head.triangles, person.camera, buffers) + 1) / 2
    return as_bytes(np.concatenate([normals, pncc_map(head, buffers)], axis=-1))
