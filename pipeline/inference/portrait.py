"""Draw images with a trained method: people by their photos, a prompt, seeds, and whatever else a user sets."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from pipeline import sampler, settings
from pipeline.backbone.batch import Batch, Condition, Floats
from pipeline.backbone.frozen import FrozenEncoders
from pipeline.backbone.load import Backbone
from pipeline.backbone.load import load as load_backbone
from pipeline.benchmark import cases as benchmark
from pipeline.benchmark import resolution
from pipeline.benchmark.spec import read_spec
from pipeline.errors import SettingsError, did_you_mean
from pipeline.head.head_pose import HeadPose
from pipeline.inference import layout
from pipeline.inference.addons import merge_lora, read_lora
from pipeline.inference.batching import BatchBuilder, Layout, Scene, as_pixels
from pipeline.inference.interpolation import InterpolatedMethod
from pipeline.inference.layout import WantedHead
from pipeline.inference.photos import Album, read_mask
from pipeline.method import Method
from pipeline.settings import Settings
from pipeline.weights import checkpoint
from pipeline.weights.checks import check, read_card

Photos = Sequence[Path | str]  # of one person
CASES = Path("data/samples") / benchmark.CASES_FILE  # where the shared prior is
NOTHING: Mapping[Path | str, float] = MappingProxyType({})


@dataclass(frozen=True)
class Options:
    """What a user may set; None or nothing leaves it to params.yaml, the benchmark or the method."""

    width: int | None = None  # pixels; that of the benchmark's cases of as many people
    height: int | None = None
    steps: int | None = None
    guidance: float | None = None
    eta: float | None = None
    layout: Sequence[WantedHead] = ()  # one per person, in the order of the people; as in layout.json
    masks: Photos = ()  # one image per person, in the size of the wanted one: white where the person is wanted
    interpolate: float | None = None  # one face, this share of the way from the first to the second person
    scales: Mapping[str, float] = field(default_factory=dict)  # structure_scale, face_scale, ... as the method has them


@dataclass(frozen=True)
class Plan:
    """What is the same in every image of a series."""

    people: Sequence[Photos]
    width: int
    height: int
    faces: int  # in the image
    layout: Layout | None
    masks: Floats | None  # (N, H, W) in [0, 1]
    posed: bool  # the layout says how heads are turned, or what faces they make
    settings: Any  # the method's own, with the scales that are asked for
    method: Method
    how: sampler.SamplerSettings


class Portrait:
    """A trained method, ready to draw."""

    def __init__(self, name: str, method: Method, backbone: Backbone, params: Settings, cases: Path = CASES) -> None:
        self._name, self._method, self._backbone, self._params, self._cases = name, method, backbone, params, cases
        self._trained, self._frozen = method.settings, FrozenEncoders(params.models, backbone)
        self._album = Album(params, self._frozen)
        self._builder = BatchBuilder(method, backbone, self._frozen, params.shapes)

    @classmethod
    def load(
        cls,
        weights: Path | str,
        params: Settings | None = None,
        cases: Path = CASES,
        another_base: bool = False,
        loras: Mapping[Path | str, float] = NOTHING,
    ) -> "Portrait":
        """The method whose weights lie in a folder, on the backbone of params.yaml.

        Args:
            cases: the case list whose prior places people for a method that needs a layout and is given none.
            another_base: draw on a backbone that the weights were not made with, of the same sizes.
            loras: files of low-rank changes (a style, say) that are merged into the backbone, and the scale of each.

        Raises:
            MissingInput: the weights, or a pretrained part, are not there, or the backbone has other sizes; a LoRA
                cannot be read or was made for another UNet.
            SettingsError: the weights were made with another backbone, recogniser, image-text model or head.
            LicenceError: they were converted, and their licence is not known to allow commercial use.
        """
        params, folder = params or settings.load(), Path(weights)
        check(folder, params.models, another_base)
        backbone = load_backbone(params.models.backbone)
        for file, scale in loras.items():
            merge_lora(backbone.unet, read_lora(file), scale)
        return cls(read_card(folder)["method"], checkpoint.load(folder, backbone), backbone, params, cases)

    def draw(self, people: Sequence[Photos], prompt: str, seed: int = 0, options: Options | None = None) -> Image.Image:
        """One image; the same seed, photos and words give the same one.

        Args:
            people: the photos of each person, best first.

        Raises:
            MissingInput: a photo cannot be read or shows no face; a layout is needed and there is none.
            SettingsError: an option does not fit the method, the number of people, or its range.
        """
        return next(self.series(people, prompt, [seed], options))

    def series(
        self, people: Sequence[Photos], prompt: str, seeds: Sequence[int], options: Options | None = None
    ) -> Iterator[Image.Image]:
        """An image per seed, each the one that `draw` gives for that seed."""
        plan = self._plan(people, options or Options())
        known = [self._builder.encode_person(self._album.references(photos)) for photos in plan.people]
        for number, seed in enumerate(seeds):
            # One by one: sums in a batch are rounded otherwise, and a seed is to mean one image.
            poses = self._layout(plan, seed)
            batch = self._builder.batch([Scene(prompt, plan.width, plan.height, known, poses, plan.masks)])
            if not number:
                check_heard(self._name, plan, batch)
            yield self._drawn(plan, batch, seed)

    def _plan(self, people: Sequence[Photos], options: Options) -> Plan:
        faces = count_faces(people, options)
        width, height = self._size(faces, options)
        masks = read_masks(options.masks, width, height) if options.masks else None
        layout.check(options.layout, head=self._frozen.head)
        people, wanted, masks = from_left_to_right(people, options.layout, masks)
        poses = tuple(HeadPose.from_layout(each, (width, height), self._frozen.head) for each in wanted) or None
        posed = layout.turns_heads(wanted)
        own, method = scaled(self._trained, options.scales, self._name), self._method
        if options.interpolate is not None:
            method = InterpolatedMethod(method, self._backbone, self._name, options.interpolate)
        return Plan(people, width, height, faces, poses, masks, posed, own, method, self._sampling(options))

    def _size(self, faces: int, options: Options) -> tuple[int, int]:
        width, height = options.width, options.height
        if not width or not height:
            wanted = read_spec(self._params.samples.benchmark)
            if faces not in wanted.canvas:
                raise SettingsError(f"the benchmark has no image of {faces} people: give width and height")
            usual = wanted.size(faces, resolution.of(self._params.models.backbone, self._params.samples.side))
            width, height = width or usual[0], height or usual[1]
        factor = self._backbone.factor
        if width % factor or height % factor or min(width, height) < factor:
            raise SettingsError(f"width and height must be multiples of {factor}, found {width} x {height}")
        return width, height

    def _sampling(self, options: Options) -> sampler.SamplerSettings:
        asked = {name: getattr(options, name) for name in ("steps", "guidance", "eta")}
        usual = {name: getattr(self._params.generate, name) for name in asked}
        chosen = {name: usual[name] if value is None else value for name, value in asked.items()}
        how = sampler.SamplerSettings(**chosen, half=self._params.generate.half)
        if not 1 <= how.steps <= self._backbone.steps:
            raise SettingsError(f"steps must be from 1 to {self._backbone.steps}, found {how.steps}")
        if not 0 <= how.eta <= 1:
            raise SettingsError(f"eta must be from 0 to 1, found {how.eta}")
        return how

    def _layout(self, plan: Plan, seed: int) -> Layout | None:
        if plan.layout or not self._method.needs_layout:
            return plan.layout
        return layout.prior(self._cases, plan.faces, (plan.width, plan.height), seed, self._frozen.head)

    def _drawn(self, plan: Plan, batch: Batch, seed: int) -> Image.Image:
        self._method.settings = plan.settings  # here, because another series may have been drawn in between
        watched = partial(tqdm, desc=f"draw with seed {seed}", unit="step", leave=False)
        (image,) = sampler.sample(self._backbone, plan.method, batch, [seed], plan.how, watched)
        if not image.isfinite().all():
            raise SettingsError("the drawn image is not finite: lower guidance or the scales")
        return Image.fromarray(as_pixels(image))


def count_faces(people: Sequence[Photos], options: Options) -> int:
    """How many faces the image is to show.

    Raises:
        SettingsError: somebody has no photo, or layout, masks or interpolation are not for as many people.
    """
    if not people or not all(people):
        raise SettingsError("give at least one person, and every person at least one photo")
    if options.interpolate is not None and len(people) != 2:
        raise SettingsError(f"an interpolation is between two persons, {len(people)} were given")
    faces = len(people) if options.interpolate is None else 1
    for name, given in (("layout", options.layout), ("masks", options.masks)):
        if given and len(given) != faces:
            raise SettingsError(f"{name}: one is needed for each face; the image has {faces}, found {len(given)}")
    return faces


def from_left_to_right(
    people: Sequence[Photos], wanted: Sequence[WantedHead], masks: Floats | None
) -> tuple[Sequence[Photos], Sequence[WantedHead], Floats | None]:
    """People, layout and masks by the middle of their boxes: methods have never seen them in another order."""
    if len(wanted) < 2:
        return people, wanted, masks
    order = sorted(range(len(wanted)), key=lambda number: sum(wanted[number]["box"][0::2]))
    mixed = None if masks is None else masks[order]
    return [people[number] for number in order], [wanted[number] for number in order], mixed


def scales_of(settings: Any) -> list[str]:
    """The scales among a method's settings."""
    return [each.name for each in fields(settings) if each.name.endswith("_scale")]


def scaled(trained: Any, scales: Mapping[str, float], name: str) -> Any:
    """A method's settings with other scales.

    Raises:
        SettingsError: the method has no such scale.
    """
    known = scales_of(trained)
    for scale in scales:
        if scale not in known:
            raise SettingsError(f"{name} has no {scale}{did_you_mean(scale, known)}")
    return replace(trained, **scales)


def read_masks(paths: Photos, width: int, height: int) -> Floats:
    """Masks (N, H, W) in [0, 1].

    Raises:
        MissingInput: one cannot be read.
        SettingsError: one has another size than the image.
    """
    found = [read_mask(Path(path)) for path in paths]
    for path, mask in zip(paths, found, strict=True):
        if mask.shape[:2] != (height, width):
            size = f"{mask.shape[1]} x {mask.shape[0]}"
            raise SettingsError(f"{path} is {size} pixels, the image is to be {width} x {height}: masks need its size")
    return np.stack(found)


def check_heard(name: str, plan: Plan, batch: Batch) -> None:
    """Say on stderr what of a layout a method does not follow: the same layout may be given to all methods.

    Raises:
        SettingsError: masks are given, and the method reads none, or paints heads and is not told where.
    """
    condition = plan.method.condition(batch)
    if plan.masks is not None and not shared_out(condition, batch):
        raise SettingsError(
            f"{name} reads no masks" + (": give a layout" if condition.control_image is not None else "")
        )
    if plan.masks is not None and plan.layout is None and condition.control_image is not None:
        raise SettingsError(f"{name} draws heads where a layout says: give one that goes with the masks")
    if plan.layout is None or condition.control_image is not None:
        return
    if plan.faces == 1 or not shared_out(condition, batch):
        print(
            f"{name} does not place {'one person' if plan.faces == 1 else 'people'}: no layout counts", file=sys.stderr
        )
    elif plan.posed:
        print(f"{name} does not turn heads: of the layout the boxes count", file=sys.stderr)


def shared_out(condition: Condition, batch: Batch) -> bool:
    """Whether a batch's masks reach the method's layers."""
    return getattr(condition.faces, "masks", None) is batch.masks
