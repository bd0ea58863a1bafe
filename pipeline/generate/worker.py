"""Workers that draw shards of cases: one for methods (and for the plain backbone), one for the bounds made of photos.

Both write data/images/<name>/images, a row per case and protocol in the order of the cases. What could not
be drawn is a row with its reason: it counts as a failure and is never left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import pyarrow as pa
import torch

from pipeline import records, sampler, shards
from pipeline.backbone.frozen import FrozenEncoders
from pipeline.backbone.load import Backbone, load
from pipeline.benchmark.bounds import BOUNDS, Materials
from pipeline.benchmark.cases import Case, layout_of, load_cases
from pipeline.generate.gallery import Gallery
from pipeline.generate.tasks import GenerationJob
from pipeline.images import BadImage, Pixels, encode_png, to_unit
from pipeline.inference.batching import BatchBuilder, EncodedPerson, Scene, as_pixels
from pipeline.method import Method
from pipeline.weights import checkpoint

PLAIN = "no_id"
KIND = "images"
AT_ONCE = 8  # images of one batch
CELLS_AT_ONCE = 8 * 2048  # of latents: eight canvases of the pack, four of 512 x 512 pixels, one of SDXL's 1024 x 1024


@dataclass(frozen=True)
class Result:
    """An image, or why there is none."""

    case: Case
    protocol: str
    image: Pixels | None
    reject: str | None = None


class MethodWorker:
    """Draws cases with a trained method, or with the plain backbone for the bound `no_id`."""

    def __init__(self, job: GenerationJob) -> None:
        self._drawing = job
        self._cases = load_cases(job.cases).cases
        self._gallery = Gallery(job.samples)
        self._backbone: Backbone = load(job.models.backbone)
        plain = job.name == PLAIN
        self._method = Method(self._backbone, {}) if plain else checkpoint.load(job.weights, self._backbone)
        self._builder = BatchBuilder(
            self._method, self._backbone, FrozenEncoders(job.models, self._backbone), job.shapes
        )
        self._known: dict[str, EncodedPerson] = {}

    def __call__(self, task: shards.Task) -> dict[str, int]:
        """Draw one shard; the count of its images and of failures."""
        cases = self._cases[slice(*task.inputs)]
        return write(self._drawing, task.key, [result for part in self._protocols(cases) for result in part])

    def _protocols(self, cases: Sequence[Case]) -> list[list[Result]]:
        """Results under each protocol. The plain backbone reads neither people nor places: it draws once for all."""
        protocols = self._drawing.generate.protocols
        if self._drawing.name != PLAIN:
            return [self._protocol(cases, protocol) for protocol in protocols]
        drawn = self._protocol(cases, protocols[0])
        return [[replace(result, protocol=protocol) for result in drawn] for protocol in protocols]

    def _protocol(self, cases: Sequence[Case], protocol: str) -> list[Result]:
        failed, ready = [], []
        for case in cases:
            try:
                ready.append((case, [self._person(case, slot) for slot in range(len(case.people))]))
            except BadImage as error:
                failed.append(Result(case, protocol, None, f"reference: {error}"))
        size = lambda pair: (len(pair[0].people), pair[0].width, pair[0].height)  # noqa: E731
        drawn = [
            result
            for (_, width, height), alike in groupby(sorted(ready, key=size), key=size)
            for part in shards.chunks(list(alike), at_once(width, height, self._backbone.factor))
            for result in self._draw(part, protocol)
        ]
        place = {case.case_id: number for number, case in enumerate(cases)}
        return sorted(failed + drawn, key=lambda result: place[result.case.case_id])

    def _person(self, case: Case, slot: int) -> EncodedPerson:
        person = case.people[slot]
        if person.identity_id not in self._known:
            shots = person.references[: self._drawing.generate.references]
            references = [self._gallery.reference(shot) for shot in shots]
            self._known[person.identity_id] = self._builder.encode_person(references)
        return self._known[person.identity_id]

    def _draw(self, pairs: Sequence[tuple[Case, list[EncodedPerson]]], protocol: str) -> list[Result]:
        cases, settings = [case for case, _ in pairs], self._drawing.generate
        batch = self._builder.batch([self._scene(case, people, protocol) for case, people in pairs])
        how = sampler.SamplerSettings(settings.steps, settings.guidance, settings.eta, settings.half)
        images = sampler.sample(self._backbone, self._method, batch, [case.seed for case in cases], how)
        return [_result(case, protocol, image) for case, image in zip(cases, images, strict=True)]

    def _scene(self, case: Case, people: Sequence[EncodedPerson], protocol: str) -> Scene:
        placed = protocol == "layout" or self._method.needs_layout
        return Scene(case.prompt, case.width, case.height, people, layout_of(case, protocol) if placed else None)


class BoundWorker:
    """Makes the bounds that are made of photos."""

    def __init__(self, job: GenerationJob) -> None:
        self._drawing = job
        self._cases = load_cases(job.cases).cases
        self._gallery = Gallery(job.samples)
        self._backbone = load(job.models.backbone)
        self._materials = Materials(self._gallery.source, self._plain, self._autoencode)

    def __call__(self, task: shards.Task) -> dict[str, int]:
        """Make one shard; the count of its images and of failures."""
        results = [
            self._result(case, protocol)
            for protocol in self._drawing.generate.protocols
            for case in self._cases[slice(*task.inputs)]
        ]
        return write(self._drawing, task.key, results)

    def _result(self, case: Case, protocol: str) -> Result:
        try:
            return Result(case, protocol, BOUNDS[self._drawing.name](case, protocol, self._materials))
        except BadImage as error:
            return Result(case, protocol, None, f"photo: {error}")

    def _plain(self, case: Case) -> Pixels:
        raise AssertionError(f"{PLAIN} is drawn in batches by MethodWorker, not case by case")

    def _autoencode(self, pixels: Pixels) -> Pixels:
        image = torch.from_numpy(to_unit(pixels)).permute(2, 0, 1)[None]
        return as_pixels(self._backbone.decode(self._backbone.encode(image)[0])[0])


def write(job: GenerationJob, key: str, results: Sequence[Result]) -> dict[str, int]:
    """Write a shard of images; counts of images and failures."""
    asked = load_cases(job.cases).hash
    rows = [_row(job.name, asked, result) for result in results]
    table = pa.Table.from_pylist(rows, schema=records.IMAGES)
    shards.write(shards.path_of(job.out, KIND, key), table, records.IMAGES)
    failed = sum(result.image is None for result in results)
    return {"images": len(results) - failed, "failed": failed}


def at_once(width: int, height: int, factor: int) -> int:
    """How many images of a size, in pixels, are drawn in one batch; larger ones are fewer, so that memory holds them.

    Args:
        factor: pixels per latent cell, along one side.
    """
    cells = (width // factor) * (height // factor)
    return max(1, min(AT_ONCE, CELLS_AT_ONCE // max(cells, 1)))


def worker(job: GenerationJob) -> "MethodWorker | BoundWorker":
    """The worker that draws `job.name`."""
    photos = job.name in BOUNDS and job.name != PLAIN
    return BoundWorker(job) if photos else MethodWorker(job)


def _result(case: Case, protocol: str, image: torch.Tensor) -> Result:
    if not image.isfinite().all():
        return Result(case, protocol, None, "the drawn image is not finite")
    return Result(case, protocol, as_pixels(image))


def _row(name: str, asked: str, result: Result) -> dict[str, Any]:
    case = result.case
    data = None if result.image is None else encode_png(result.image)
    image = None if data is None else {"bytes": data, "path": f"{case.case_id}-{result.protocol}.png"}
    return {
        "case_id": case.case_id,
        "protocol": result.protocol,
        "method": name,
        "benchmark": asked,
        "image": image,
        "width": case.width,
        "height": case.height,
        "reject": result.reject,
    }
