"""HiFi-Portrait: several references of a person, refined and fused where 3D-aware landmarks want the face.

Xu et al., CVPR 2025, arXiv 2512.14542. A reconstruction: of the full text only the abstract and two points of a review
are public. What is certain: the background of each reference is removed; faces are encoded by an image encoder
(local) and a recogniser (global); a face refiner makes fine-grained features of several faces; a landmark generator
combines the references' identity with the target's pose and expression; HiFi-Net fuses the faces and aligns them
with the landmarks; the base model stays as it is.

Each choice, and the sibling that backs it:
- face refiner: queries from the recogniser's embedding read the image encoder's tokens, once per reference
  (IP-Adapter-FaceID-Plus); the references' tokens are stacked (PhotoMaker, arXiv 2312.04461);
- landmark generator: shape of the references, pose and expression of the target, recombined in a 3D head and
  projected (Diff-PC, arXiv 2602.00639; FaceSnap, arXiv 2602.00627), drawn as lines that also show their depth;
- HiFi-Net: a copy of the UNet's encoder that reads the landmarks, with the stacked face tokens in place of the caption
  (InstantID's rule; FaceSnap's FFRNet): its cross-attention is where faces are fused and aligned;
- a decoupled cross-attention in the frozen UNet reads the same tokens (InstantID). No weight of the base is changed,
  so that it works on relatives of the base;
- plain diffusion loss, conditions dropped from 5 % of the images each and together (InstantID, PhotoMaker).

Deviations: the background is what the fitted head does not cover (PP-Matting in the paper), so hair goes too. Several
people, beyond the paper, are drawn onto one control image, and each person's tokens are read where their place is.
Tokens are relative to those of no reference, and keys and values learn slower: as for every method here (reports/
decisions/methods-and-training.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.backbone.batch import Batch, Condition, Floats, Reference
from pipeline.backbone.decoupled import DecoupledAttention, IdCondition
from pipeline.backbone.frozen import Features, FrozenEncoders
from pipeline.backbone.inject import attention_layers, attention_modules
from pipeline.backbone.load import Backbone, Residuals
from pipeline.backbone.spatial import SpatialNet
from pipeline.backbone.tokens import FaceIdPlus, minus_null
from pipeline.head.head_pose import HeadPose
from pipeline.head.maps import draw_head
from pipeline.head.model import Head
from pipeline.head.paint import stroke
from pipeline.images import Pixels
from pipeline.method import Claim, Method, Phase, Placing

GREY = 128  # in place of the background
# The lines of the 68 points (first, last, closed), and how bright the third channel is for each kind of line.
LINES = (
    (0, 16, False, 60),  # jaw
    (17, 21, False, 100),  # brows
    (22, 26, False, 100),
    (27, 30, False, 140),  # nose
    (31, 35, False, 140),
    (36, 41, True, 200),  # eyes
    (42, 47, True, 200),
    (48, 59, True, 255),  # lips
    (60, 67, True, 255),
)


@dataclass(frozen=True)
class Settings:
    """What is particular to HiFi-Portrait."""

    tokens: int = 4  # per reference
    depth: int = 4  # layers of the face refiner
    refiner: bool = True  # the image encoder's tokens refine the recogniser's
    landmarks: bool = True  # the control image shows them
    face_scale: float = 1.0  # of the decoupled cross-attention in sampling
    net_scale: float = 1.0  # of HiFi-Net in sampling


VARIANTS = {
    "": Settings(),
    "no_landmarks": Settings(landmarks=False),
    "no_refiner": Settings(refiner=False),
}


class HifiPortrait(Method):
    """Face refiner, landmark control image, HiFi-Net and decoupled cross-attention; one stage of training."""

    title: ClassVar[str] = "HiFi-Portrait"
    paper: ClassVar[str] = "arXiv 2512.14542"
    reconstruction: ClassVar[bool] = True
    needs_layout: ClassVar[bool] = True
    placing: ClassVar[Placing] = Placing.MASKS
    control_channels: ClassVar[int] = 3

    def __init__(self, backbone: Backbone, null_features: Mapping[str, Tensor], settings: Settings) -> None:
        super().__init__(backbone, null_features, settings)
        found, own = attention_layers(backbone.unet), attention_modules(backbone.unet)
        crossing = [spec for spec in found if spec.context]
        self.refiner = FaceIdPlus(
            len(null_features["embedding"]),
            null_features["patches"].shape[1],
            crossing[0].context or 0,
            settings.tokens,
            settings.depth if settings.refiner else 0,
        )
        self.layers = nn.ModuleDict({spec.name: DecoupledAttention(spec, own[spec.name], 0) for spec in crossing})
        self.net = SpatialNet(backbone, self.control_channels)

    @classmethod
    def encode(cls, frozen: FrozenEncoders, references: Sequence[Reference]) -> Features:
        """Embedding (R, D) and the image encoder's tokens (R, M, E) of R faces without their background."""
        crops = np.stack([without_background(reference, frozen.head) for reference in references])
        return {"embedding": frozen.embeddings(crops), "patches": frozen.patches(crops)}

    @classmethod
    def encode_null(cls, frozen: FrozenEncoders) -> Features:
        """Zeros for the embedding, the tokens of an image of the mean colour."""
        return {"embedding": np.zeros(frozen.recogniser.dimension, np.float32), "patches": frozen.null_patches()}

    @classmethod
    def render_control(cls, head: Head, people: Sequence[HeadPose], size: tuple[int, int]) -> Pixels:
        """The landmarks of the references' shape in the image's pose: line, depth, and which part of the face."""
        control = np.zeros((*size, cls.control_channels), np.uint8)
        for person in people:
            points, depth = person.project(head)
            for first, last, closed, part in LINES:
                numbers = [*range(first, last + 1), *([first] if closed else [])]
                for start, end in pairwise(numbers):
                    near = shade(depth, (start, end), person.camera.scale * head.mean[head.landmarks68, 2].std())
                    stroke(control, points[start], points[end], (255, near, part))
        return control

    def phases(self) -> tuple[Phase, ...]:
        """One stage."""
        rates = {"refiner.*": 1.0, "layers.*": 0.1, "net.*": 0.5}
        return (Phase("single", 1.0, (1, 1), rates),)

    def condition(self, batch: Batch) -> Condition:
        """Stacked tokens of every person's references, and the control image."""
        people = batch.people
        tokens = minus_null(people, self.null_features, self._embed)
        keep = people.given.repeat_interleave(self.settings.tokens, dim=2)
        faces = IdCondition(
            tokens, people.present, batch.masks, 1.0 if self.training else self.settings.face_scale, keep
        )
        control = batch.control_image
        if control is not None and not self.settings.landmarks:
            control = torch.zeros_like(control)
        return Condition(batch.text, faces, control)

    def residuals(self, backbone: Backbone, noisy: Tensor, times: Tensor, condition: Condition) -> Residuals | None:
        """What HiFi-Net adds."""
        return self.net(backbone, noisy, times, condition, 1.0 if self.training else self.settings.net_scale)

    def _embed(self, features: Mapping[str, Tensor], given: Tensor) -> Tensor:
        """Tokens (F, J * T, D): the refiner looks at every reference alone."""
        embedding, patches = (features[name].flatten(0, 1) for name in ("embedding", "patches"))
        return self.refiner(embedding, patches).unflatten(0, given.shape).flatten(1, 2)


METHOD = HifiPortrait

ABSTRACT = f"{HifiPortrait.paper}, abstract"  # no table of the paper is known
CLAIMS = {
    "no_landmarks": (
        Claim(1, "pose_error", ABSTRACT, protocol="layout"),
        Claim(1, "expression_error", ABSTRACT, protocol="layout"),
    ),
    "no_refiner": (Claim(1, "sim_heldout", ABSTRACT),),
    "1_references": (Claim(1, "sim_heldout", ABSTRACT),),
}


def without_background(reference: Reference, head: Head) -> Pixels:
    """The reference's crop (112, 112, 3) with grey where the fitted head is not."""
    pose = reference.pose
    size = reference.crop.shape[:2]
    buffers = draw_head(pose.vertices(head), head.triangles, pose.camera, size)
    shown = (buffers.triangle >= 0)[..., None]
    return np.where(shown, reference.crop, np.uint8(GREY))


def shade(depth: Floats, points: Sequence[int], unit: float) -> int:
    """How near a line is, 0 to 255: half at the mean depth of a face, a third of the range per `unit` of depth."""
    away = float(depth[list(points)].mean() - depth.mean()) / max(unit, 1e-6)
    return int(np.clip(127.5 + 42.5 * away, 0, 255))
