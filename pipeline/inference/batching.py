"""From people, layout and prompt to the batch that a method draws: the same for the benchmark and for a user's wish."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from pipeline.backbone.batch import HALF_PIXEL, Batch, FaceLayout, Floats, Reference, collate, to_device
from pipeline.backbone.frozen import Features, FrozenEncoders
from pipeline.backbone.load import Backbone
from pipeline.backbone.masks import region_masks
from pipeline.errors import SettingsError
from pipeline.head.fit import basis_of, shape_of
from pipeline.head.head_pose import HeadPose
from pipeline.images import Pixels, from_unit
from pipeline.method import Method
from pipeline.settings import ShapesSettings

Layout = tuple[HeadPose, ...]


@dataclass(frozen=True)
class EncodedPerson:
    """What the references that are given say of a person."""

    features: list[Features]  # one per reference, best first
    shape: Floats  # (K,)


@dataclass(frozen=True)
class Scene:
    """One image to be drawn. People, places and masks are in the same order."""

    prompt: str
    width: int  # pixels, like the height a multiple of the backbone's factor
    height: int
    people: Sequence[EncodedPerson]
    layout: Layout | None = None  # None: the method is to place the people itself
    masks: Floats | None = None  # (N, H, W) in [0, 1], the user's; without them a layout shares the image out


class BatchBuilder:
    """Makes batches for one method."""

    def __init__(self, method: Method, backbone: Backbone, frozen: FrozenEncoders, shapes: ShapesSettings) -> None:
        self._method, self._backbone, self._frozen, self._shapes = method, backbone, frozen, shapes
        self._basis = basis_of(frozen.head)

    def encode_person(self, references: Sequence[Reference]) -> EncodedPerson:
        """What references say. Their shape is fitted to them alone, whatever other photos of the person there are."""
        points = np.stack([reference.pose.landmarks for reference in references])
        shape = shape_of(points.astype(np.float64), self._basis, self._shapes).astype(np.float32)
        shaped = [replace(each, pose=replace(each.pose, shape=shape)) for each in references]
        found = self._method.encode(self._frozen, shaped)
        return EncodedPerson([{name: value[row] for name, value in found.items()} for row in range(len(shaped))], shape)

    def batch(self, scenes: Sequence[Scene]) -> Batch:
        """Scenes of one size and number of people as a batch on the backbone's device; all or none have a layout.

        The control image of a method that paints one is painted where there is a layout.

        Raises:
            SettingsError: there are more people than the method tells apart.
        """
        self._check_people(len(scenes[0].people))
        size = scenes[0].height // self._backbone.factor, scenes[0].width // self._backbone.factor
        layout = None if scenes[0].layout is None else _layouts(scenes)
        painted = self._method.control_channels and scenes[0].layout is not None
        batch = Batch(
            text=self._backbone.encode_text([scene.prompt for scene in scenes]),
            people=collate(
                [[known.features for known in scene.people] for scene in scenes], self._method.null_features
            ),
            size=size,
            layout=layout,
            masks=_masks(scenes, layout, size),
            control_image=self._control_image(scenes) if painted else None,
        )
        return to_device(batch, self._backbone.device)

    def _check_people(self, people: int) -> None:
        most = self._method.most_people
        if most is not None and people > most:
            name = type(self._method).__name__
            raise SettingsError(f"{name} tells {most} people apart, found {people}: ask for fewer")

    def _control_image(self, scenes: Sequence[Scene]) -> Tensor:
        """(B, C, H, W) in [0, 1]."""
        painted = [self._paint(scene) for scene in scenes]
        return torch.from_numpy(np.stack(painted)).permute(0, 3, 1, 2).float() / 255

    def _paint(self, scene: Scene) -> Pixels:
        pairs = zip(scene.layout or (), scene.people, strict=True)
        poses = [pose.for_drawing(known.shape) for pose, known in pairs]
        return self._method.render_control(self._frozen.head, poses, (scene.height, scene.width))


def as_pixels(image: Tensor) -> Pixels:
    """A drawn image (3, H, W) in [-1, 1] as it is stored."""
    return from_unit(image.permute(1, 2, 0).cpu().numpy())


def _masks(scenes: Sequence[Scene], layout: FaceLayout | None, size: tuple[int, int]) -> Tensor | None:
    given = [scene.masks for scene in scenes if scene.masks is not None]
    if given:
        return torch.from_numpy(np.stack(given))
    return region_masks(layout.boxes, size) if layout else None


def _layouts(scenes: Sequence[Scene]) -> FaceLayout:
    layouts = [scene.layout or () for scene in scenes]
    boxes = np.array([[pose.box for pose in layout] for layout in layouts], np.float32)
    landmarks = np.array([[pose.landmarks for pose in layout] for layout in layouts], np.float32) + HALF_PIXEL
    extent = np.array([scenes[0].width, scenes[0].height], np.float32)
    boxes, landmarks = (each.reshape(len(scenes), boxes.shape[1], -1, 2) / extent for each in (boxes, landmarks))
    return FaceLayout(torch.from_numpy(boxes).flatten(2), torch.from_numpy(landmarks))
