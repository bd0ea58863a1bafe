"""The face detector: a small fully convolutional network with SCRFD's outputs (Guo et al. 2022).

Reads `data/pack/drawn/p1`; writes `detector.onnx` into every recogniser's directory, and a card. Run alone:
`python -m pipeline.pack.recognition.detector`. It is trained on canvases of DET_SIZE as FaceAnalysis letterboxes them
(portraits enlarged twice, groups as they are), and on others: zoomed, cut, faces covered, no face at all.

An anchor is positive where it lies in the middle of a face of its size (FCOS, Tian et al. 2019, centre sampling). It is
left out of the score's loss between the middle and the border of a face, and for a face of nearly its size.
"""

import argparse
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from pipeline.encoders.recogniser import kps_from_landmarks68
from pipeline.pack import dataset, export, settings
from pipeline.pack.dataset import Drawn
from pipeline.pack.recognition.faces import Floats, Pixels, recompress, spoil
from pipeline.pack.recognition.nets import ANCHORS, STRIDES, DetectorNet
from pipeline.pack.trainer import Batch, Training, fit

# What `FaceAnalysis.prepare(det_size=...)` should be given with this pack.
DET_SIZE = (256, 256)
# Longer sides of the faces, in pixels, that anchor 0 and 1 of each stride answer for.
SIZES = (((0, 24), (24, 48)), ((48, 80), (80, 128)), ((128, 192), (192, 1024)))
NEAR = 1.25  # a face this factor outside an anchor's sizes is neither right nor wrong for it
MIDDLE, BORDER = 0.22, 0.45  # of the box's sides, from its centre
SMALLEST, HIDDEN = 14.0, 0.6  # pixels; share of a box inside the canvas: below these a face is not asked for


@dataclass(frozen=True)
class DetectorSettings:
    """The detector's data, size and training."""

    population: str
    sizes: dict[str, Any]
    training: dict[str, Any]


@dataclass(frozen=True)
class Scene:
    """A canvas with its faces; `asked` says which must be found, the others are left out of the loss."""

    canvas: Pixels  # (256, 256, 3)
    box: Floats  # (F, 4)
    kps: Floats  # (F, 5, 2)
    asked: np.ndarray  # (F,) bool


class Scenes:
    """Batches of canvases and of what each anchor should say."""

    def __init__(self, portraits: Drawn, groups: Drawn, batch: int, seed: int) -> None:
        self._parts, self._batch, self._seed = (portraits, groups), batch, seed
        self._kps = tuple(kps_from_landmarks68(part.landmarks) for part in self._parts)
        self._places = anchor_places(DET_SIZE)

    def __call__(self, index: int) -> Batch:
        """Batch number `index`, half of it groups."""
        rng = np.random.default_rng([self._seed, index])
        scenes = [self._scene(i % 2, rng) for i in range(self._batch)]
        pixels = torch.from_numpy(np.stack([scene.canvas for scene in scenes]))
        targets = [assign(scene, self._places) for scene in scenes]
        return {
            "pixels": pixels.permute(0, 3, 1, 2).float().sub_(127.5).div_(128.0),
            **{name: torch.from_numpy(np.stack([t[name] for t in targets])) for name in targets[0]},
        }

    def _scene(self, which: int, rng: np.random.Generator) -> Scene:
        part, kps = self._parts[which], self._kps[which]
        photo = int(rng.integers(len(part.images)))
        faces = part.faces_of(photo)
        pixels, box, points = part.images[photo], part.box[faces], kps[faces]
        if rng.random() < 0.15:
            covered = rng.random(len(faces)) < 0.7
            pixels = cover(pixels, box[covered], rng)
            box, points = box[~covered], points[~covered]
        if rng.random() < 0.15:
            pixels = recompress(pixels, int(rng.integers(50, 96)))
        zoom, shift = letterbox(pixels) if rng.random() < 0.7 else roam(pixels, rng)
        return place(spoil(pixels, rng), box, points, zoom, shift)


def letterbox(photo: Pixels) -> tuple[float, Floats]:
    """Zoom and shift as FaceAnalysis does it: the whole photograph, top left."""
    return min(DET_SIZE[0] / photo.shape[1], DET_SIZE[1] / photo.shape[0]), np.zeros(2, np.float32)


def roam(photo: Pixels, rng: np.random.Generator) -> tuple[float, Floats]:
    """A random zoom and shift: other sizes of face, cut faces, background alone."""
    zoom = letterbox(photo)[0] * float(np.exp(rng.uniform(np.log(0.5), np.log(1.8))))
    spare = np.array(DET_SIZE) - zoom * np.array(photo.shape[1::-1])
    return zoom, (spare * rng.random(2)).astype(np.float32)


def place(photo: Pixels, box: Floats, kps: Floats, zoom: float, shift: Floats) -> Scene:
    """The photograph on a canvas, and its faces there."""
    move = np.array([[zoom, 0, shift[0]], [0, zoom, shift[1]]], np.float64)
    # OpenCV's map takes pixel centres at whole numbers while resizing keeps the outer borders: half a pixel apart.
    centred = move + np.array([[0, 0, zoom / 2 - 0.5]] * 2)
    canvas = cv2.warpAffine(photo, centred, DET_SIZE, flags=cv2.INTER_LINEAR if zoom >= 0.7 else cv2.INTER_AREA)
    box, kps = box * zoom + np.tile(shift, 2), kps * zoom + shift
    inside = np.clip(box, 0, DET_SIZE[0])
    seen = np.prod(inside[:, 2:] - inside[:, :2], axis=1) / np.prod(box[:, 2:] - box[:, :2], axis=1)
    large = (box[:, 2:] - box[:, :2]).max(1, initial=0.0) >= SMALLEST
    return Scene(canvas, box.astype(np.float32), kps.astype(np.float32), (seen >= HIDDEN) & large)


def cover(photo: Pixels, boxes: Floats, rng: np.random.Generator) -> Pixels:
    """Faces replaced by flat colour, noise, or by a piece of the photograph upside down: heads without a face."""
    photo = photo.copy()
    for x0, y0, x1, y1 in boxes.round().astype(int).clip(0):
        region = photo[y0:y1, x0:x1]
        kind = rng.integers(3)
        if kind == 0:
            region[:] = region.reshape(-1, 3).mean(0)
        elif kind == 1:
            region[:] = rng.integers(0, 256, region.shape)
        else:
            region[:] = cv2.GaussianBlur(region, (0, 0), max(2.0, (x1 - x0) / 5))
    return photo


def anchor_places(size: tuple[int, int]) -> list[Floats]:
    """Per stride, the (h * w, 2) places (x, y) of its anchors: the corners of its cells, as SCRFD has them."""
    width, height = size
    return [
        np.stack(np.meshgrid(np.arange(width // s), np.arange(height // s)), -1).reshape(-1, 2).astype(np.float32) * s
        for s in STRIDES
    ]


def assign(scene: Scene, places: list[Floats]) -> dict[str, Any]:
    """What each of the N anchors should say: label (N,) 1, 0 or -1 (left out), box (N, 4), kps (N, 10), in strides."""
    parts = [
        _assign_level(scene, where, stride, sizes) for where, stride, sizes in zip(places, STRIDES, SIZES, strict=True)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _assign_level(scene: Scene, where: Floats, stride: int, sizes: Any) -> dict[str, Any]:
    count = len(where)
    label = np.zeros((count, ANCHORS), np.float32)
    box = np.zeros((count, ANCHORS, 4), np.float32)
    kps = np.zeros((count, ANCHORS, 10), np.float32)
    for corners, points, asked in zip(scene.box, scene.kps, scene.asked, strict=True):
        centre, sides = (corners[:2] + corners[2:]) / 2, corners[2:] - corners[:2]
        offset = np.abs(where - centre) / sides
        # The nearest place always counts, or small faces between two places would have none.
        middle = (offset < MIDDLE).all(1) | (np.arange(count) == offset.max(1).argmin())
        around = (offset < BORDER).all(1) & ~middle
        for anchor, (low, high) in enumerate(sizes):
            if not low / NEAR <= sides.max() < high * NEAR:
                continue
            sure = asked and low <= sides.max() < high
            label[(around | (middle & (not sure))) & (label[:, anchor] == 0), anchor] = -1
            if sure:
                label[middle, anchor] = 1
                box[middle, anchor] = np.concatenate([where - corners[:2], corners[2:] - where], 1)[middle] / stride
                kps[middle, anchor] = (points[None] - where[:, None]).reshape(count, 10)[middle] / stride
    return {"label": label.reshape(-1), "box": box.reshape(-1, 4), "kps": kps.reshape(-1, 10)}


def detection_loss(model: nn.Module, batch: Batch, done: float) -> Tensor:
    """Focal loss of the scores; generalised IoU and key points of the positive anchors."""
    found = [part.float() for part in model(batch["pixels"])]
    scores, boxes, kps = (torch.cat(found[i : i + 3], 1) for i in (0, 3, 6))
    label = batch["label"]
    positive = label == 1
    count = positive.sum().clamp(min=1)
    score = _focal(scores[..., 0], label).sum() / count
    right = batch["box"][positive]
    overlap = 1 - giou(boxes[positive], right)
    sides = (right[:, :2] + right[:, 2:]).mean(1, keepdim=True)
    points = F.smooth_l1_loss(kps[positive] / sides, batch["kps"][positive] / sides, beta=0.02, reduction="none")
    # Key points weigh most: faces are aligned by them, and a recogniser pays for every pixel that they are off.
    return score + 2 * overlap.sum() / count + 30 * points.mean(1).sum() / count


def _focal(logit: Tensor, label: Tensor, gamma: float = 2.0, alpha: float = 0.5) -> Tensor:
    """Focal loss (Lin et al. 2017, equation 5); label -1 costs nothing."""
    target = label.clamp(min=0)
    entropy = F.binary_cross_entropy_with_logits(logit, target, reduction="none")
    wrong = (target - torch.sigmoid(logit)).abs()
    return alpha * 4 * wrong**gamma * entropy * (label >= 0)


def giou(a: Tensor, b: Tensor) -> Tensor:
    """Generalised IoU (Rezatofighi et al. 2019) of boxes given as distances (N, 4) left, top, right, bottom."""
    area_a = (a[:, 0] + a[:, 2]) * (a[:, 1] + a[:, 3])
    area_b = (b[:, 0] + b[:, 2]) * (b[:, 1] + b[:, 3])
    least, most = torch.minimum(a, b), torch.maximum(a, b)
    inside = (least[:, 0] + least[:, 2]).clamp(min=0) * (least[:, 1] + least[:, 3]).clamp(min=0)
    hull = (most[:, 0] + most[:, 2]) * (most[:, 1] + most[:, 3])
    union = area_a + area_b - inside
    return inside / union.clamp(min=1e-6) - (hull - union) / hull.clamp(min=1e-6)


def train() -> None:
    """Train, fold and export the detector."""
    wanted = settings.fill(DetectorSettings, settings.section("detector"), "detector")
    training = settings.fill(Training, wanted.training, "detector.training")
    torch.manual_seed(training.seed)
    torch.set_num_threads(1)
    portraits, groups = (dataset.load(wanted.population, kind) for kind in ("portraits", "groups"))
    net = DetectorNet(**wanted.sizes)
    batches = Scenes(portraits, groups, training.batch, training.seed)
    seconds = fit(
        net, batches, detection_loss, training, export.work("detector"), data=dataset.version(wanted.population)
    )
    parameters = export.store_everywhere(net.cpu(), "detector.onnx", (1, 3, *DET_SIZE), export_axes())
    facts = {
        "network": type(net).__name__,
        "parameters": parameters,
        "det_size": DET_SIZE,
        "data": f"{wanted.population}: {len(portraits.images)} portraits, {len(groups.images)} groups",
        "command": "python -m pipeline.pack.recognition.detector",
        "seconds": round(seconds),
        "settings": settings.section("detector"),
    }
    export.write_card(export.RECOGNISERS, "detector", facts)


def export_axes() -> dict[str, dict[int, str]]:
    """Names and free axes of input and outputs, in SCRFD's order."""
    outputs = {f"{kind}_{stride}": {1: f"anchors_{stride}"} for kind in ("score", "box", "kps") for stride in STRIDES}
    return {"pixels": {2: "height", 3: "width"}, **outputs}


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    train()
