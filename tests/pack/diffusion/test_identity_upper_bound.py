"""How the projector of people is measured: who is told of what, what a missing face costs, and what the share is of."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from pipeline.backbone.load import Backbone, load
from pipeline.pack.dataset import Drawn
from pipeline.pack.diffusion import backbone, identity_conditioning, identity_upper_bound

PORTRAITS = 2  # of each person


@pytest.fixture(scope="module")
def pack() -> Backbone:
    return load(backbone.FOLDER, "cpu")


def drawn(people: int = 3) -> Drawn:
    photos = people * PORTRAITS
    return Drawn(
        images=np.zeros((photos, 128, 128, 3), np.uint8),
        captions=["a portrait of a person"] * photos,
        photo=np.arange(photos),
        person=np.repeat(np.arange(people), PORTRAITS),
        box=np.tile(np.array([32, 32, 96, 96], np.float32), (photos, 1)),
        landmarks=np.zeros((photos, 68, 2), np.float32),
    )


def test_the_first_photograph_of_every_person() -> None:
    assert identity_upper_bound.first_photos(drawn(3)).tolist() == [0, 2, 4]


def test_only_who_is_told_of_changes_the_picture(pack: Backbone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity_upper_bound, "HOW", replace(identity_upper_bound.HOW, steps=2))
    data, method = drawn(), identity_upper_bound.load_oracle(pack, load_file(backbone.PROJECTOR))
    cast, photos = identity_conditioning.cast(data, seed=7), np.array([0, 2])
    first = identity_upper_bound.drawn(pack, method, data, cast, photos)
    assert [image.shape for image in first] == [(128, 128, 3)] * 2
    swapped = identity_upper_bound.drawn(pack, method, data, replace(cast, people=cast.people[::-1].copy()), photos)
    assert not np.array_equal(first[0], swapped[0])
    nobody = [
        identity_upper_bound.drawn(pack, method, data, replace(cast, people=people), photos, told=False)
        for people in (cast.people, cast.people[::-1].copy())
    ]
    assert np.array_equal(nobody[0], nobody[1])


def test_a_missing_face_counts_as_zero() -> None:
    class Judge:
        def embed(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
            return np.eye(4, dtype=np.float32)[faces[:, 0, 0, 0]]

    faces = [np.full((112, 112, 3), value, np.uint8) for value in range(4)]
    assert identity_upper_bound.similarity(Judge(), [faces[0], None], [faces[0], faces[1]]) == 0.5  # type: ignore[arg-type]
    assert identity_upper_bound.similarity(Judge(), [faces[1], faces[2]], [faces[0], faces[2]]) == 0.5  # type: ignore[arg-type]
    assert identity_upper_bound.similarity(Judge(), [None], [faces[0]]) == 0.0  # type: ignore[arg-type]


def test_a_picture_of_nothing_has_no_face() -> None:
    assert identity_upper_bound.found(np.full((128, 128, 3), 128, np.uint8)) is None


def test_the_share_lies_between_untold_and_kept() -> None:
    scores = {"told": {"b": 0.4}, "untold": {"b": 0.1}, "kept": {"b": 0.7}}
    assert identity_upper_bound.share(scores, "b") == pytest.approx(0.5)
    assert identity_upper_bound.share(scores | {"told": {"b": 0.1}}, "b") == 0


def test_the_stored_map_has_the_size_of_a_person(pack: Backbone) -> None:
    known = next(iter(identity_conditioning.coefficients(7, [0]).values()))
    method = identity_upper_bound.load_oracle(pack, load_file(backbone.PROJECTOR))
    assert method.null_features[identity_upper_bound.KNOWN].shape == torch.Size([len(known)])


def test_there_is_no_share_where_the_autoencoder_keeps_nobody() -> None:
    scores = {"told": {"b": 0.0}, "untold": {"b": 0.0}, "kept": {"b": 0.0}}
    assert identity_upper_bound.share(scores, "b") is None
