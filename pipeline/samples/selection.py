"""Which photos become samples, what is shown of them, on which side of the split, and why the others do not."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pyarrow as pa

from pipeline import records, shards
from pipeline.benchmark import resolution
from pipeline.samples import captions, framing
from pipeline.samples.faces import FaceTable
from pipeline.samples.framing import Frame, Framing, Rect
from pipeline.samples.splits import assign, crosses
from pipeline.settings import SamplesSettings, Settings

Captions = Mapping[str, str | None]  # a model's, by photo


@dataclass(frozen=True)
class Photo:
    """What is decided about a photo."""

    photo_id: str
    crawl: str  # the shard that holds its bytes
    width: int
    height: int
    caption: str
    identity_ids: tuple[str, ...]  # of those who count, from left to right
    split: str | None  # null where nobody in the photo counts, and where its people are in several
    reject: str | None
    frame: Frame | None = None  # what is shown; None where it is rejected before


def rules(settings: Settings) -> Framing:
    """The sizes of a run, by the backbone's own side or by that of the settings."""
    drawn = resolution.of(settings.models.backbone, settings.samples.side)
    return framing.framing(drawn.side, drawn.multiple, settings.samples.min_face)


def decide(
    data: Path,
    faces: FaceTable,
    settings: SamplesSettings,
    prompts: Sequence[str],
    rules: Framing,
    made: Captions | None = None,
) -> list[Photo]:
    """Decide about every photo of data/crawl, in the crawl's order.

    A face counts that has an identity and a fitted shape; any other is a bystander, whom the crop leaves out. Rejects,
    the first that holds. Of a photo in which nobody counts, by its first face: no_face or bad_image; face (the faces
    stage rejected it); no_identity; no_shape and shape (not fitted, or badly). Then same_person_twice; bystander,
    small_faces, small_photo and no_size (`Framing.frame`); split (its people are in several); and of the training split
    benchmark_prompt (the caption is a prompt of the benchmark), only_photo (a person without another photo to take a
    reference from) and rare_size (few photos have its size, and it can be cropped to no other).

    Args:
        prompts: of the benchmark.
        rules: what may be shown of a photo.
        made: a model's captions by photo (model_captions.py).
    """
    paths, caption_of = shards.paths(data / "crawl", "photos"), partial(_caption, settings.captions, made or {})
    photos = [photo for path in paths for photo in _read(path, faces, rules, caption_of)]
    split = assign(
        (photo.identity_ids for photo in photos if photo.identity_ids),
        settings.validation_share,
        settings.test_share,
        settings.seed,
    )
    photos = reject_single_photo_people(without_prompts([in_split(photo, split) for photo in photos], prompts))
    return reject_single_photo_people(merge_rare_sizes(photos, faces, rules, settings.photos_per_size))


def in_split(photo: Photo, split: Mapping[str, str]) -> Photo:
    """The photo in the split of its people, rejected where they are in several."""
    if crosses(photo.identity_ids, split):
        return replace(photo, reject=photo.reject or "split")
    return replace(photo, split=split.get(next(iter(photo.identity_ids), "")))


def without_prompts(photos: Iterable[Photo], prompts: Sequence[str]) -> list[Photo]:
    """Reject training photos whose caption is a prompt of the benchmark."""
    asked = {captions.normal(prompt) for prompt in prompts}
    return [
        replace(photo, reject="benchmark_prompt")
        if photo.reject is None and photo.split == "train" and captions.normal(photo.caption) in asked
        else photo
        for photo in photos
    ]


def reject_single_photo_people(photos: list[Photo]) -> list[Photo]:
    """Reject training photos with a person who is in no other one, until none is left."""
    while True:
        usable = [photo for photo in photos if photo.reject is None]
        seen = Counter(name for photo in usable for name in photo.identity_ids)
        bad = {
            photo.photo_id
            for photo in usable
            if photo.split == "train" and min(seen[name] for name in photo.identity_ids) < 2
        }
        if not bad:
            return photos
        photos = [replace(photo, reject="only_photo") if photo.photo_id in bad else photo for photo in photos]


def merge_rare_sizes(photos: list[Photo], faces: FaceTable, rules: Framing, fewest: int) -> list[Photo]:
    """Crop training photos of sizes that fewer than `fewest` have to another size; reject them where none is left.

    Photos of one person and of several are counted apart, as methods train on them apart. The last size stays.
    """
    found = {photo.photo_id: photo for photo in photos}
    for several in (False, True):
        shown = [p for p in photos if not p.reject and p.split == "train" and (len(p.identity_ids) > 1) == several]
        found |= {photo.photo_id: photo for photo in _merged(shown, faces, rules, fewest)}
    return [found[photo.photo_id] for photo in photos]


def _merged(photos: list[Photo], faces: FaceTable, rules: Framing, fewest: int) -> list[Photo]:
    while True:
        counts = Counter(photo.frame.size for photo in photos if photo.frame and not photo.reject)
        rarest = min(counts, key=lambda size: (counts[size], size), default=None)
        if rarest is None or len(counts) == 1 or counts[rarest] >= fewest:
            return photos
        left = rules.among([size for size in counts if size != rarest])
        photos = [
            _framed(photo, faces, left, "rare_size") if photo.frame and photo.frame.size == rarest else photo
            for photo in photos
        ]


def _caption(source: str, made: Captions, row: dict, people: int) -> str:
    return captions.choose(source, row["caption"], made.get(row["photo_id"]), people)


def _read(path: Path, faces: FaceTable, rules: Framing, caption_of: Callable[[dict, int], str]) -> list[Photo]:
    rows = shards.read(path, ["photo_id", "width", "height", "caption"]).to_pylist()
    return [_photo(row, str(path), faces, rules, caption_of) for row in rows]


def _photo(row: dict, path: str, faces: FaceTable, rules: Framing, caption_of: Callable[[dict, int], str]) -> Photo:
    counted, found = faces.usable(row["photo_id"]), faces.of(row["photo_id"])
    names = [name for name in (counted if len(counted) else found)["identity_id"].to_pylist() if name is not None]
    reasons = [reason for reason in found["reject_reason"].to_pylist() if reason is not None]
    reject = reasons[0] if not len(counted) else "same_person_twice" if len(set(names)) < len(names) else None
    caption = caption_of(row, len(counted) or len(found))
    photo = Photo(row["photo_id"], path, row["width"], row["height"], caption, tuple(names), None, reject)
    return photo if reject else _framed(photo, faces, rules)


def _framed(photo: Photo, faces: FaceTable, rules: Framing, reason: str | None = None) -> Photo:
    """The photo with what is shown of it; rejected, for `reason` or the rules' own, where nothing can be."""
    found = faces.of(photo.photo_id)
    counts = found["reject_reason"].is_null().to_pylist()
    boxes = list(zip(_boxes(found), counts, strict=True))
    here, others = ([box for box, counted in boxes if counted is wanted] for wanted in (True, False))
    frame = rules.frame((photo.width, photo.height), here, others)
    return replace(photo, frame=None, reject=reason or frame) if isinstance(frame, str) else replace(photo, frame=frame)


def _boxes(faces: pa.Table) -> list[Rect]:
    return [Rect(*box) for box in records.matrix(faces["box"]).tolist()]
