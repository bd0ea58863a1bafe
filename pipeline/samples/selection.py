"""Which photos become samples, with which caption, on which side of the split, and why the others do not."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline import shards
from pipeline.samples import captions
from pipeline.samples.faces import FaceTable
from pipeline.samples.splits import assign, crosses
from pipeline.settings import SamplesSettings


@dataclass(frozen=True)
class Photo:
    """What is decided about a photo."""

    photo_id: str
    crawl: str  # the shard that holds its bytes
    width: int
    height: int
    caption: str
    identity_ids: tuple[str, ...]  # of the faces that have one, from left to right
    split: str | None  # null where nobody in the photo has an identity, and where its people are in several
    reject: str | None


def decide(data: Path, faces: FaceTable, settings: SamplesSettings, prompts: Sequence[str]) -> list[Photo]:
    """Decide about every photo of data/crawl, in the crawl's order.

    Rejects, the first that holds: no_face or bad_image; face (one that the faces stage rejected); no_identity;
    no_shape and shape (not fitted, or badly); same_person_twice; split (its people are in several); and of the training
    split benchmark_prompt (the caption is a prompt of the benchmark) and only_photo (a person without another photo to
    take a reference from).
    """
    photos = [photo for path in shards.paths(data / "crawl", "photos") for photo in _read(path, faces)]
    split = assign(
        (photo.identity_ids for photo in photos if photo.identity_ids),
        settings.validation_share,
        settings.test_share,
        settings.seed,
    )
    photos = [in_split(photo, split) for photo in photos]
    return reject_single_photo_people(without_prompts(photos, prompts))


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


def _read(path: Path, faces: FaceTable) -> list[Photo]:
    rows = shards.read(path, ["photo_id", "width", "height", "caption"]).to_pylist()
    return [_photo(row, str(path), faces) for row in rows]


def _photo(row: dict, path: str, faces: FaceTable) -> Photo:
    here = faces.rows_of(row["photo_id"])
    found = faces.table.slice(here.start, here.stop - here.start)
    names = [name for name in found["identity_id"].to_pylist() if name is not None]
    reasons = [reason for reason in found["reject_reason"].to_pylist() if reason is not None]
    reject = reasons[0] if reasons else "same_person_twice" if len(set(names)) < len(names) else None
    caption = captions.clean(row["caption"], len(found))
    return Photo(row["photo_id"], path, row["width"], row["height"], caption, tuple(names), None, reject)
