"""UniPortrait: a unified framework for identity-preserving single- and multi-human image personalization.

He et al., ICCV 2025, arXiv 2408.05939. Per person, two branches of frozen features, intrinsic (the recogniser's last
map before its head) and face structure (the recogniser's shallow maps and the image encoder's patch tokens), are read
by a Q-Former into ID tokens (section 3.2); decoupled cross-attention with low-rank changes of every attention brings
them into the UNet; in pictures of several people a router in every cross-attention layer gives each position one
person (section 3.3, equations 4 to 6). Stage I trains on pictures of one person, stage II the router and a second
low-rank set on pictures of several.

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
  relative to its mean over the picture: everybody is somewhere, but nobody everywhere. Routers that each decide alone
  (variant `lone_routers`, the published form) disagree: after 4,000 pictures of several people the layers' positions
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
from dataclasses import dataclass

import numpy as np
import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.backbone.batch import Batch, Condition, Floats, People, Reference
from pipeline.backbone.decoupled import IdBranch, IdCondition, mask_shares, weighted_sum
from pipeline.backbone.frozen import Features, FrozenEncoders
from pipeline.backbone.inject import (
    AttentionLayer,
    AttentionSpec,
    attend,
    attention_layers,
    attention_modules,
    merge_heads,
    split_heads,
)
from pipeline.backbone.load import Backbone
from pipeline.backbone.lora import AttentionLowRank
from pipeline.backbone.masks import box_masks
from pipeline.backbone.resampler import FeedForward, PerceiverAttention
from pipeline.backbone.tokens import EmbeddingTokens, mean_over_references, scatter_to_slots
from pipeline.encoders.recogniser import SIDE
from pipeline.errors import MissingInput
from pipeline.images import Pixels
from pipeline.method import Method, ModelOutput, Phase
from pipeline.weights.key_maps import LEFT_OUT, KeyMap, lora_keys, perceiver_keys

SHALLOW = (56, 28, 14)  # sides of the recogniser's maps that carry face structure
INTRINSIC = 7
FACES_AT_ONCE = 64


@dataclass(frozen=True)
class Settings:
    """What is particular to UniPortrait."""

    queries: int = 16  # ID tokens per person
    depth: int = 0  # layers of the Q-Former; 0: one per 128 of the width, at least two
    rank: int = 128  # of the low-rank changes, at most two fifths of a layer's width
    embedding: bool = True  # the queries are the recogniser's embedding, and the tokens begin with it
    relative: bool = True  # tokens are relative to those of no reference
    normalised: bool = True  # features are normalised before the two MLPs
    places: bool = True  # context tokens get learned positions
    structure: bool = True  # the face structure branch
    path_drop: float = 0.33  # share of training faces without the structure branch
    token_drop: float = 0.33  # share of training faces whose structure tokens are thinned
    token_keep: float = 0.5  # probability that a token stays when they are thinned
    structure_scale: float = 1.0  # beta in drawing; lower follows the prompt more freely
    face_scale: float = 1.0  # of the ID branch in drawing
    route_weight: float = 10.0  # lambda
    gathered: bool = True  # routers add to the evidence of the layers before them
    background: bool = False  # a slot of the router for positions of nobody
    single_share: float = 0.85  # of the budget, for stage I


VARIANTS = {
    "": Settings(),
    "no_route_loss": Settings(route_weight=0.0),
    "lone_routers": Settings(gathered=False),
    "no_embedding": Settings(embedding=False),
    "no_structure": Settings(structure=False),
    "no_drop": Settings(path_drop=0.0, token_drop=0.0),
    "background": Settings(background=True),
    "released": Settings(
        embedding=False,
        relative=False,
        normalised=False,
        places=False,
        gathered=False,
        structure_scale=0.1,
        face_scale=0.7,
    ),
}


class QFormerLayer(nn.Module):
    """Queries read the intrinsic tokens, then the structure tokens (scaled by beta), then an FFN follows."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.intrinsic = PerceiverAttention(width)
        self.structure = PerceiverAttention(width)
        self.ffn = FeedForward(width)

    def forward(
        self, queries: Tensor, intrinsic: Tensor, structure: Tensor | None, keep: "Keep", beta: Tensor
    ) -> Tensor:
        """(F, Q, width) of F faces; beta is (F, 1, 1)."""
        queries = queries + self.intrinsic(queries, intrinsic, keep.intrinsic)
        if structure is not None:
            queries = queries + beta * self.structure(queries, structure, keep.structure)
        return queries + self.ffn(queries)


@dataclass(frozen=True)
class Keep:
    """Context tokens that may be read, (F, L) bool each; None keeps all."""

    intrinsic: Tensor | None = None
    structure: Tensor | None = None


class BranchTokens(nn.Module):
    """A branch's MLP, and learned positions of its tokens within a reference."""

    def __init__(self, null_features: Tensor, width: int, settings: Settings) -> None:
        super().__init__()
        tokens, inputs = null_features.shape
        norm = [nn.LayerNorm(inputs)] if settings.normalised else []
        self.mlp = nn.Sequential(*norm, nn.Linear(inputs, 2 * inputs), nn.GELU(), nn.Linear(2 * inputs, width))
        self.places = nn.Parameter(torch.randn(tokens, width) / width**0.5) if settings.places else None

    def forward(self, features: Tensor) -> Tensor:
        """(F, J, L, inputs) to (F, J * L, width): the tokens of all references one after another."""
        found = self.mlp(features)
        return (found if self.places is None else found + self.places).flatten(1, 2)


class IdEmbedding(nn.Module):
    """The ID embedding module: two MLPs and the Q-Former, from frozen features to ID tokens."""

    def __init__(self, null_features: Mapping[str, Tensor], width: int, settings: Settings) -> None:
        super().__init__()
        sizes = len(null_features["embedding"]), width, settings.queries
        self.first = EmbeddingTokens(*sizes) if settings.embedding else None
        self.intrinsic = BranchTokens(null_features["intrinsic"], width, settings)
        self.structure = BranchTokens(null_features["structure"], width, settings) if settings.structure else None
        self.queries = None if settings.embedding else nn.Parameter(torch.randn(settings.queries, width) / width**0.5)
        depth = settings.depth or max(width // 128, 2)
        self.layers = nn.ModuleList(QFormerLayer(width) for _ in range(depth))
        self.out = nn.Sequential(nn.Linear(width, width), nn.LayerNorm(width))

    def forward(self, embedding: Tensor, intrinsic: Tensor, structure: Tensor, keep: Keep, beta: Tensor) -> Tensor:
        """ID tokens (F, Q, width) of F faces.

        Args:
            embedding: (F, D) mean over the references of a person.
            intrinsic: (F, J, L, C) tokens of each of the references.
            structure: (F, J, M, E) likewise.
            keep: tokens that may be read.
            beta: (F, 1, 1) face structure scale; 0 drops the branch.
        """
        intrinsic = self.intrinsic(intrinsic)  # (F, J * L, width)
        structure_tokens = None if self.structure is None else self.structure(structure)  # (F, J * M, width)
        first = self._first(embedding)
        queries = first
        for layer in self.layers:
            queries = layer(queries, intrinsic, structure_tokens, keep, beta)
        return self.out(queries) if self.first is None else first + self.out(queries)

    def _first(self, embedding: Tensor) -> Tensor:
        """The queries (F, Q, width) before they have read anything."""
        if self.first is not None:
            return self.first(embedding)
        assert self.queries is not None
        return self.queries.expand(len(embedding), -1, -1)


class Router(nn.Module):
    """Which person each position of a cross-attention layer belongs to (equations 4 and 5)."""

    def __init__(self, hidden: int, width: int, tokens: int, background: bool) -> None:
        super().__init__()
        self.aggregate = nn.Linear(tokens, 1)
        self.query = nn.Sequential(nn.Linear(hidden, 2 * hidden), nn.GELU(), nn.Linear(2 * hidden, hidden, bias=False))
        self.key = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, hidden, bias=False))
        self.background = nn.Parameter(torch.zeros(hidden)) if background else None

    def forward(self, hidden: Tensor, faces: IdCondition) -> Tensor:
        """Logits (B, N, L), or (B, N + 1, L) with the background last; a plain dot product, as published.

        Those of empty slots mean nothing (`of_present`).
        """
        aggregated = self.aggregate(faces.tokens.transpose(-1, -2)).squeeze(-1)  # (B, N, D)
        keys = self.key(aggregated)  # (B, N, C)
        if self.background is not None:
            keys = torch.cat([keys, self.background.expand(len(keys), 1, -1)], dim=1)
        return keys @ self.query(hidden).transpose(-1, -2)


class RoutedBranch(IdBranch):
    """The people's branch of a cross-attention layer, whose positions a router allots unless the user has."""

    def __init__(self, site: AttentionSpec, attn: Attention, width: int, settings: Settings) -> None:
        super().__init__(site, attn)
        self.router = Router(site.hidden, width, settings.queries, settings.background)
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

    def __init__(self, site: AttentionSpec, attn: Attention, width: int, settings: Settings) -> None:
        super().__init__()
        self.single = AttentionLowRank(site, settings.rank)
        self.multi = AttentionLowRank(site, settings.rank)
        self.branch = RoutedBranch(site, attn, width, settings) if site.context else None

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


class UniPortrait(Method):
    """ID embedding, decoupled cross-attention with low-rank sets, ID routing; two stages of training."""

    def __init__(self, backbone: Backbone, null_features: dict[str, Tensor], settings: Settings) -> None:
        super().__init__(backbone, null_features, settings)
        found, own = attention_layers(backbone.unet), attention_modules(backbone.unet)
        width = next(site.context for site in found if site.context)
        self.identity = IdEmbedding(null_features, width, settings)
        layers = {site.name: PortraitAttention(site, own[site.name], width, settings) for site in found}
        self.layers = nn.ModuleDict(layers)
        self._thin = False

    @classmethod
    def encode(cls, frozen: FrozenEncoders, references: Sequence[Reference]) -> Features:
        """Embedding (R, D), intrinsic (R, 49 or fewer, C) and structure (R, M, E) features of R aligned faces."""
        parts = [
            _encode(frozen, references[start : start + FACES_AT_ONCE])
            for start in range(0, len(references), FACES_AT_ONCE)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    @classmethod
    def encode_null(cls, frozen: FrozenEncoders) -> Features:
        """Zeros, but for the image encoder's tokens, which are those of a picture of its mean colour."""
        maps = _maps(frozen, np.zeros((1, SIDE, SIDE, 3), np.uint8))
        shallow = sum(maps[side].shape[1] for side in SHALLOW)
        patches = frozen.null_patches()
        zeros = np.zeros((len(patches), shallow), np.float32)
        _, channels, *sides = maps[INTRINSIC].shape
        intrinsic = np.zeros((np.prod(sides), channels), np.float32)
        embedding = np.zeros(frozen.recogniser.dimension, np.float32)
        structure = np.concatenate([zeros, patches], axis=1)
        return {"embedding": embedding, "intrinsic": intrinsic, "structure": structure}

    def phases(self) -> tuple[Phase, ...]:
        """Stage I and stage II (section 3.4)."""
        share = self.settings.single_share
        # At full rates what the Q-Former adds to the embedding grows beyond what a person makes of it.
        tokens = {"identity.first.*": 1.0, "identity.*": 0.2} if self.settings.embedding else {"identity.*": 1.0}
        first = {"*.branch.key.*": 0.1, "*.branch.value.*": 0.1, **tokens, "*.single.*": 0.1}
        second = {"*.router.*": 1.0, "*.multi.*": 0.1}
        return (Phase("single", share, (1, 1), first), Phase("groups", 1 - share, (2, 4), second))

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
        structure = features["structure"]
        keep = Keep(_keep(given, features["intrinsic"].shape[2]), _keep(given, structure.shape[2]))
        beta = torch.full((len(given), 1, 1), self.settings.structure_scale, device=given.device)
        if self.training:
            keep, beta = self._drop(keep, torch.ones_like(beta), structure)
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
        return self.identity(embedding, features["intrinsic"], features["structure"], keep, beta)

    def loss(self, step: ModelOutput) -> dict[str, Tensor]:
        """L_diff, and L_route in pictures of several people (equation 6)."""
        terms = super().loss(step)
        if step.maps:
            assert step.batch.places is not None
            boxes, present = step.batch.places.boxes, step.batch.people.present
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
        lot = torch.rand(len(beta), 1, device=beta.device)
        beta = beta * (lot >= settings.path_drop).unsqueeze(-1)
        thinned = (lot >= settings.path_drop) & (lot < settings.path_drop + settings.token_drop)
        stays = torch.rand(len(beta), structure.shape[1] * structure.shape[2], device=beta.device) < settings.token_keep
        tokens = stays | ~thinned
        return Keep(keep.intrinsic, tokens if keep.structure is None else tokens & keep.structure), beta


METHOD = UniPortrait

# The authors' published files (uniportrait_pipeline.py, load_uniportrait_and_ip_adapter): the attention layers of both
# are numbered. The router's file names the second low-rank set like the first one; what else it may hold their code
# takes from the other file, or, as the branch of the image prompt, from IP-Adapter's: people need none of that.
RELEASED = (
    KeyMap(
        "uniportrait-router_sd15.bin",
        r"^faceid_adapter\.\d+\.to_q_router\.",
        {
            **lora_keys("faceid_adapter.{site}.to_{part}_lora", "layers.{site}.multi"),
            "faceid_adapter.{site}.to_q_router.{rest}": "layers.{site}.branch.router.query.{rest}",
            "faceid_adapter.{site}.to_k_router.{rest}": "layers.{site}.branch.router.key.{rest}",
            "faceid_adapter.{site}.aggr_router.{rest}": "layers.{site}.branch.router.aggregate.{rest}",
            "faceid_adapter.{site}.to_k_faceid.weight": LEFT_OUT,
            "faceid_adapter.{site}.to_v_faceid.weight": LEFT_OUT,
            "faceid_adapter.{site}.to_k_ip.weight": LEFT_OUT,
            "faceid_adapter.{site}.to_v_ip.weight": LEFT_OUT,
            "faceid_proj.{rest}": LEFT_OUT,
        },
    ),
    KeyMap(
        "uniportrait-faceid_sd15.bin",
        r"^faceid_proj\.",
        {
            "faceid_proj.latents": "identity.queries",
            "faceid_proj.proj_id.{rest}": "identity.intrinsic.mlp.{rest}",
            "faceid_proj.proj_clip.{rest}": "identity.structure.mlp.{rest}",
            **perceiver_keys("faceid_proj.layers.{n}.0", "identity.layers.{n}.intrinsic"),
            **perceiver_keys("faceid_proj.layers.{n}.1", "identity.layers.{n}.structure"),
            "faceid_proj.layers.{n}.2.{rest}": "identity.layers.{n}.ffn.{rest}",
            "faceid_proj.proj_out.{rest}": "identity.out.0.{rest}",
            "faceid_proj.norm_out.{rest}": "identity.out.1.{rest}",
            **lora_keys("faceid_adapter.{site}.to_{part}_lora", "layers.{site}.single"),
            "faceid_adapter.{site}.to_k_faceid.weight": "layers.{site}.branch.key.weight",
            "faceid_adapter.{site}.to_v_faceid.weight": "layers.{site}.branch.value.weight",
            "faceid_adapter.{site}.to_k_ip.weight": LEFT_OUT,
            "faceid_adapter.{site}.to_v_ip.weight": LEFT_OUT,
        },
    ),
)


def interpolate(first: Tensor, second: Tensor, share: float) -> Tensor:
    """ID interpolation: tokens of a person between two, `share` of the way from the first to the second."""
    return torch.lerp(first, second, share)


def gather(logits: Tensor, before: Tensor | None, people: int) -> Tensor:
    """A layer's evidence (B, S, h, w) with that of the layers before it, (B, S, h', w'), S slots of which N are people.

    A person's evidence is relative to its mean over the picture: a key that fits everything says nothing about where
    the person is, and would give both faces of a pair to one. That of the background is kept as it is.
    """
    if before is not None:
        logits = logits + resized(before, (logits.shape[-2], logits.shape[-1]))
    middle = logits[:, :people].mean((-2, -1), keepdim=True)
    return torch.cat([logits[:, :people] - middle, logits[:, people:]], dim=1)


def resized(maps: Tensor, grid: tuple[int, int]) -> Tensor:
    """Maps (B, S, h, w) on a finer or a coarser grid."""
    if maps.shape[-1] > grid[1]:
        return F.adaptive_avg_pool2d(maps, grid)
    return F.interpolate(maps, grid, mode="bilinear", align_corners=False)


def of_present(logits: Tensor, present: Tensor) -> Tensor:
    """Logits (B, S, L) with empty slots (B, N) shut out; a slot more than people, the background, is open."""
    absent = F.pad(~present, (0, logits.shape[1] - present.shape[1]), value=False)
    return logits.masked_fill(absent.unsqueeze(-1), -torch.inf)


def allot(logits: Tensor, noise: bool) -> Tensor:
    """One-hot allotment (B, N, L) of positions to people, with the gradient of the soft one (straight-through).

    In training the logits carry Gumbel noise, so that an allotment is a sample of the soft map (Jang et al., arXiv
    1611.01144); in drawing the most likely person gets the position.
    """
    if noise:
        uniform = torch.rand_like(logits).clamp(1e-9, 1 - 1e-7)
        logits = logits - torch.log(-torch.log(uniform))
    soft = logits.softmax(1)
    hard = torch.zeros_like(soft).scatter_(1, logits.argmax(1, keepdim=True), 1.0)
    return hard + (soft - soft.detach())


def routing_loss(soft: Tensor, masks: Tensor, present: Tensor) -> Tensor:
    """Squared distance of soft maps (B, N, L) to masks (B, N, h, w), inside their union, per person and position.

    A map with one slot more than people (the background) is compared everywhere, its mask being what is in no box.
    """
    wanted = masks.flatten(2)
    inside = wanted.amax(1)  # (B, L)
    if soft.shape[1] > wanted.shape[1]:
        wanted = torch.cat([wanted, 1 - inside.unsqueeze(1)], dim=1)
        inside = torch.ones_like(inside)
    distance = (soft - wanted).square().sum(1) / present.sum(1, keepdim=True).clamp(min=1)  # (B, L)
    return ((distance * inside).sum(1) / inside.sum(1).clamp(min=1)).mean()


def _keep(given: Tensor, tokens: int) -> Tensor | None:
    return None if given.all() else given.repeat_interleave(tokens, dim=1)


@torch.no_grad()
def _encode(frozen: FrozenEncoders, references: Sequence[Reference]) -> Features:
    crops = np.stack([reference.crop for reference in references])
    maps = {side: torch.from_numpy(value) for side, value in _maps(frozen, crops).items()}
    patches = frozen.patches(crops)  # (R, M, E)
    grid = frozen.image_text.model.visual.grid_size
    shallow = [F.interpolate(maps[side], grid, mode="bilinear", align_corners=False) for side in SHALLOW]
    tokens = torch.cat(shallow, dim=1).flatten(2).transpose(1, 2).numpy()  # (R, M, C)
    embedding = frozen.embeddings(crops)
    intrinsic = maps[INTRINSIC].flatten(2).transpose(1, 2).numpy()  # (R, 49 or fewer, C)
    return {"embedding": embedding, "intrinsic": intrinsic, "structure": np.concatenate([tokens, patches], axis=2)}


def _maps(frozen: FrozenEncoders, crops: Pixels) -> dict[int, Floats]:
    maps = frozen.recogniser.inner_features(crops)
    if missing := {*SHALLOW, INTRINSIC} - set(maps):
        raise MissingInput(f"recogniser A has no inner maps of side {sorted(missing)}: UniPortrait reads them")
    return maps
