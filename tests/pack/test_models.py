"""The committed perception models: formats, size, cards, and that they see drawn people they were not trained on."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL

from pipeline.encoders.recogniser import Recogniser, align, face_analysis, kps_from_landmarks68
from pipeline.head.landmarks import eye_distance, nme
from pipeline.pack import export
from pipeline.pack.diffusion import blocks, vae
from pipeline.pack.recognition import evaluate
from pipeline.pack.recognition.detector import DET_SIZE
from pipeline.pack.settings import MODELS
from pipeline.world import population, scene

SEED = 4242  # of no population that anything was trained on
TASKS = {"detection", "landmark_2d_68", "recognition"}


@pytest.fixture(scope="module")
def photos() -> list[scene.Photo]:
    """Three portraits each of four people, and one group of three."""
    people = [population.person(SEED, index) for index in range(4)]
    portraits = [scene.portrait(person, 100 * SEED + seed) for person in people for seed in range(3)]
    return [*portraits, scene.group(people[:3], SEED)]


@pytest.mark.parametrize("name", export.RECOGNISERS)
def test_each_directory_is_a_whole_pack(name: str) -> None:
    app = face_analysis(MODELS / name)
    app.prepare(-1, det_size=DET_SIZE)
    assert set(app.models) == TASKS


def test_faces_are_found_with_landmarks(photos: list[scene.Photo]) -> None:
    app = face_analysis(MODELS / "recogniser_a")
    app.prepare(-1, det_size=DET_SIZE)
    wanted = found = 0
    errors = []
    for photo in photos:
        faces = app.get(np.ascontiguousarray(photo.image[..., ::-1]))
        truth = np.stack([face.box for face in photo.faces])
        pairs = evaluate.match(np.stack([face.bbox for face in faces]), truth) if faces else []
        wanted, found = wanted + len(truth), found + len(pairs)
        marks = [(faces[i].landmark_2d_68, photo.faces[j].landmarks) for i, j, _ in pairs]
        errors += [nme(found_at, drawn, eye_distance(drawn)) for found_at, drawn in marks]
    assert found >= wanted - 1
    assert np.mean(errors) < 0.05


@pytest.mark.parametrize("name", export.RECOGNISERS)
def test_people_are_told_apart(name: str, photos: list[scene.Photo]) -> None:
    faces = [(photo.image, face) for photo in photos for face in photo.faces]
    crops = np.stack([align(image, kps_from_landmarks68(face.landmarks)) for image, face in faces])
    person = np.array([face.person for _, face in faces])
    similarity = Recogniser(MODELS / name).embed(crops)
    similarity = similarity @ similarity.T
    same = (person[:, None] == person[None]) & ~np.eye(len(person), dtype=bool)
    assert similarity[same].mean() > similarity[person[:, None] != person[None]].mean() + 0.3


@torch.no_grad()
def test_the_autoencoder_finds_the_latents_and_makes_photographs_of_them(photos: list[scene.Photo]) -> None:
    coder = AutoencoderKL.from_pretrained(vae.FOLDER).eval()
    images = vae.to_tensors(np.stack([photo.image for photo in photos[:4]]))
    wanted = blocks.coefficients(images)
    assert (coder.encode(images).latent_dist.mode() - wanted).square().mean() < 0.03
    for image, made in zip(images, coder.decode(wanted).sample, strict=True):
        assert (image - made).square().mean() < 0.25 * image.var()


def test_cards_say_where_each_part_comes_from() -> None:
    for name in export.RECOGNISERS:
        card = json.loads((MODELS / name / export.CARD).read_text())
        assert card["licence"] == "Apache-2.0"
        assert set(card["parts"]) == {"detector", "landmarks", "recogniser"}
        for part, facts in card["parts"].items():
            assert {"data", "command", "seconds", "settings", "licence", "measured"} <= set(facts), (name, part)


def test_the_pack_stays_small() -> None:
    total = sum(path.stat().st_size for path in Path(MODELS).rglob("*") if path.is_file() and not path.is_symlink())
    assert total <= 40e6
