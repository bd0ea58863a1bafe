"""ID routing (section 3.3, equations 4 to 6): which person each position of a cross-attention layer belongs to."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.backbone.decoupled import IdCondition


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


def gather(logits: Tensor, before: Tensor | None, people: int) -> Tensor:
    """A layer's evidence (B, S, h, w) with that of the layers before it, (B, S, h', w'), S slots of which N are people.

    A person's evidence is relative to its mean over the image: a key that fits everything says nothing about where
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
    1611.01144); in sampling the most likely person gets the position.
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
