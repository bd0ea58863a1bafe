"""UniPortrait: a unified framework for identity-preserving single- and multi-human image personalization.

He et al., ICCV 2025, arXiv 2408.05939. Per person, two branches of frozen features, intrinsic (the recogniser's last
map before its head) and face structure (the recogniser's shallow maps and the image encoder's patch tokens), are read
by a Q-Former into ID tokens (section 3.2); decoupled cross-attention with low-rank changes of every attention brings
them into the UNet; in images of several people a router in every cross-attention layer gives each position one
person (section 3.3, equations 4 to 6). Stage I trains on images of one person, stage II the router and a second
low-rank set on images of several.

Sizes follow the backbone and the encoders, so that SD 1.5 gets the published ones: width is the UNet's text width, the
Q-Former has a layer per 128 of it (6 for 768; at least 2), a low rank is at most two fifths of a layer's width (128 for
320), the structure grid is the image encoder's.

Deviations, and choices where the paper is silent:
- The paper's structure branch sees the target photo itself (another photo feeds only the intrinsic branch, with
  p = 0.1). Here reference and target are different photos always, for both branches: the fairness contract.
- The queries are the recogniser's embedding, and what they have read is added to it (as in IP-Adapter-FaceID-Plus,
  version 2); in the paper queries are learned and the intrinsic map alone tells who it is. Without the embedding 6,400
  images taught the pack's first backbone no identity at all (similarity 0.00); an embedding that only shifts learned
  queries taught two thirds of it in 6,000 images (0.21 against 0.32; reports/decisions/seven-methods.md). Variant
  `no_embedding` is the published form.
- ID tokens are relative to those of no reference, which are subtracted: no reference changes nothing, and K_id, V_id
  learn from what tells people apart at once. With it, a heavier weight of faces in the loss and the rates below, 200
  steps of 32 images did over ten times what 300 steps did before (error with the right person's reference against
  another's, at the noise where identity is decided).
- Context tokens get learned positions: the map's cells differ in what they say, and the budget is small.
- The features are normalised (LayerNorm) before the two MLPs: recognisers differ in their features' scale.
- K_id and V_id begin as the backbone's own projections of text (as in IP-Adapter's code): the method has only to find
  tokens that the backbone understands. (Tokens that begin as zeros are read evenly everywhere: after 5,000 images
  similarity was a quarter of what it is now.)
- The multi-ID low-rank set begins as a copy of the trained single-ID set.
- Token drop keeps a token with probability 1/2; the Gumbel temperature is 1.
- The squared norm of the routing loss is averaged over the positions inside the boxes and over the layers: the sum
  would weigh layers by their resolution. A face has some hundred positions, hence a lambda of 10 for a mean where the
  paper has 0.1 for a sum.
- A layer's router adds to the evidence of the layers before it, brought to its resolution, and a person's evidence is
  relative to its mean over the image: everybody is somewhere, but nobody everywhere. Routers that each decide alone
  (variant `lone_routers`, the published form) disagree: after 4,000 images of several people the layers' positions
  were right in 58 to 84 of 100 cases at t = 300, 74 to 94 with the evidence of the layers before, not yet relative to
  the mean (reports/decisions/methods-and-training.md).
- Prompts are dropped as well (the paper drops faces only), which guidance needs for a joint unconditional branch.
- In stage I K_id, V_id and the low-rank set learn a tenth as fast as the rest, so that what the backbone reads already
  is found before it is changed (one rate in the paper, over 300,000 steps); in stage II the low-rank set learns a tenth
  as fast, as published.

Variant `released` is the published network and takes its published weights (`RELEASED`): no embedding, no positions,
features as they are, tokens as they are, routers that each decide alone; structure and face scale are those of the
authors' demo for one person (0.1 and 0.7).

Variant `background`: the router of the successor AnyStory (arXiv 2501.09503) with a background slot and the loss over
the whole map; its refinement of the routing features by a second attention is left out, and boxes are the masks.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from pipeline.backbone.batch import Batch, Condition, People, Reference
from pipeline.backbone.decoupled import IdCondition
from pipeline.backbone.frozen import Features, FrozenEncoders
from pipeline.backbone.inject import attention_layers, attention_modules
from pipeline.backbone.load import Backbone
from pipeline.backbone.masks import box_masks
from pipeline.backbone.tokens import mean_over_references, scatter_to_slots
from pipeline.method import Claim, Method, ModelOutput, Phase, Placing
from pipeline.methods.uniportrait.attention import PortraitAttention
from pipeline.methods.uniportrait.embedding import IdEmbedding, Keep
from pipeline.methods.uniportrait.features import encode_faces, encode_no_face, structure
from pipeline.methods.uniportrait.published import RELEASED
from pipeline.methods.uniportrait.routing import routing_loss
from pipeline.methods.uniportrait.settings import VARIANTS, Settings

__all__ = ["CLAIMS", "METHOD", "RELEASED", "VARIANTS", "Settings", "UniPortrait", "interpolate"]


class UniPortrait(Method):
    """ID embedding, decoupled cross-attention with low-rank sets, ID routing; two stages of training."""

    title: ClassVar[str] = "UniPortrait"
    paper: ClassVar[str] = "arXiv 2408.05939"
    placing: ClassVar[Placing] = Placing.MASKS  # a router where there are none

    def __init__(self, backbone: Backbone, null_features: dict[str, Tensor], settings: Settings) -> None:
        super().__init__(backbone, null_features, settings)
        found, own = attention_layers(backbone.unet), attention_modules(backbone.unet)
        width = next(spec.context for spec in found if spec.context)
        self.identity = IdEmbedding({**null_features, "structure": structure(null_features)}, width, settings)
        layers = {spec.name: PortraitAttention(spec, own[spec.name], width, settings) for spec in found}
        self.layers = nn.ModuleDict(layers)
        self._thin = False

    @classmethod
    def encode(cls, frozen: FrozenEncoders, references: Sequence[Reference]) -> Features:
        """Embedding (R, D), intrinsic (R, 49 or fewer, C), shallow (R, M, S) and patches (R, M, E) of aligned faces."""
        return encode_faces(frozen, references)

    @classmethod
    def encode_null(cls, frozen: FrozenEncoders) -> Features:
        """Zeros, but for the image encoder's tokens, which are those of an image of its mean colour."""
        return encode_no_face(frozen)

    def phases(self) -> tuple[Phase, ...]:
        """Stage I and stage II (section 3.4)."""
        share = self.settings.single_share
        # At full rates what the Q-Former adds to the embedding grows beyond what a person makes of it.
        tokens = {"identity.first.*": 1.0, "identity.*": 0.2} if self.settings.embedding else {"identity.*": 1.0}
        first = {"*.branch.key.*": 0.1, "*.branch.value.*": 0.1, **tokens, "*.single.*": 0.1}
        second = {"*.router.*": 1.0, "*.multi.*": 0.1}
        losses = ("diffusion", "routing")
        return Phase("single", share, (1, 1), first), Phase("groups", 1 - share, (2, 4), second, losses)

    def on_phase_resume(self, phase: Phase) -> None:
        """Structure tokens are thinned in stage I only."""
        self._thin = phase.name == "single"

    @torch.no_grad()
    def on_phase_start(self, phase: Phase) -> None:
        """Stage II starts from the low-rank changes that stage I found."""
        if phase.name == "groups":
            for layer in self.layers.values():
                layer.multi.load_state_dict(layer.single.state_dict())  # type: ignore[union-attr]

    def condition(self, batch: Batch) -> Condition:
        """ID tokens of every person; masks are the user's, where there are any."""
        people = batch.people
        scale = 1.0 if self.training else self.settings.face_scale
        return Condition(batch.text, IdCondition(self.tokens(people), people.present, batch.masks, scale))

    def tokens(self, people: People) -> Tensor:
        """ID tokens (B, N, T, D); all references of a person are read together. Zeros in empty slots."""
        present = people.present
        given = people.given[present]  # (F, J)
        features = {name: value[present] for name, value in people.features.items()}  # (F, J, ...)
        seen = features["patches"]  # as many tokens as the structure has
        keep = Keep(_keep(given, features["intrinsic"].shape[2]), _keep(given, seen.shape[2]))
        beta = torch.full((len(given), 1, 1), self.settings.structure_scale, device=given.device)
        if self.training:
            keep, beta = self._drop(keep, torch.ones_like(beta), seen)
        found = self._read(features, given, keep, beta)
        if self.settings.relative:
            # No reference loses what the reference loses: else every drop moves the tokens by what a branch says of
            # anybody, and the Q-Former learns to say nothing (reports/decisions/seven-methods.md).
            nobody = {name: self.null_features[name].expand_as(value) for name, value in features.items()}
            found = found - self._read(nobody, given, keep, beta)
        return scatter_to_slots(found, present)

    def _read(self, features: Mapping[str, Tensor], given: Tensor, keep: Keep, beta: Tensor) -> Tensor:
        """ID tokens (F, T, D) of features (F, J, ...)."""
        embedding = mean_over_references(features["embedding"], given)
        return self.identity(embedding, features["intrinsic"], structure(features), keep, beta)

    def loss(self, step: ModelOutput) -> dict[str, Tensor]:
        """L_diff, and L_route in images of several people (equation 6)."""
        terms = super().loss(step)
        if step.maps:
            assert step.batch.layout is not None
            boxes, present = step.batch.layout.boxes, step.batch.people.present
            losses = [
                routing_loss(soft, box_masks(boxes, self.attention_state.grid(soft.shape[-1])), present)
                for soft in step.maps
            ]
            terms["routing"] = self.settings.route_weight * torch.stack(losses).mean()
        return terms

    def _drop(self, keep: Keep, beta: Tensor, structure: Tensor) -> tuple[Keep, Tensor]:
        """Drop the structure branch of some faces and some structure tokens of others (DropPath, DropToken)."""
        if not self._thin:
            return keep, beta
        settings = self.settings
        uniform = torch.rand(len(beta), 1, device=beta.device)
        beta = beta * (uniform >= settings.path_drop).unsqueeze(-1)
        thinned = (uniform >= settings.path_drop) & (uniform < settings.path_drop + settings.token_drop)
        stays = torch.rand(len(beta), structure.shape[1] * structure.shape[2], device=beta.device) < settings.token_keep
        tokens = stays | ~thinned
        return Keep(keep.intrinsic, tokens if keep.structure is None else tokens & keep.structure), beta


METHOD = UniPortrait

# Figures are only those that were read in the paper itself, with the row that they belong to. Its table of ID
# embeddings has none because its rows cannot be told with certainty.
CLAIMS = {
    "no_route_loss": (
        Claim(2, "sim_worst", f"{UniPortrait.paper}, Table 4", "67.3 -> 59.1 % similarity of the worse of two people"),
        Claim(2, "confusion", f"{UniPortrait.paper}, ID routing"),
    ),
    "no_structure": (Claim(1, "sim_heldout", f"{UniPortrait.paper}, ID embedding"),),
    "no_drop": (
        Claim(1, "sim_heldout", f"{UniPortrait.paper}, drop regularisation"),
        Claim(1, "clip_t", f"{UniPortrait.paper}, drop regularisation"),
    ),
    "1_references": (
        Claim(1, "sim_heldout", f"{UniPortrait.paper}, Table I", "61.2 -> 55.5 % similarity to another photo, 4 to 1"),
    ),
    "2_references": (
        Claim(1, "sim_heldout", f"{UniPortrait.paper}, Table I", "61.2 -> 58.5 % similarity to another photo, 4 to 2"),
    ),
}


def interpolate(first: Tensor, second: Tensor, share: float) -> Tensor:
    """ID interpolation: tokens of a person between two, `share` of the way from the first to the second."""
    return torch.lerp(first, second, share)


def _keep(given: Tensor, tokens: int) -> Tensor | None:
    return None if given.all() else given.repeat_interleave(tokens, dim=1)
