"""The pack's autoencoder: faces are sampled where they are, losses point the right way, the file loads in diffusers."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from insightface.utils import face_align

from pipeline.pack import trainer
from pipeline.pack.dataset import Drawn
from pipeline.pack.diffusion import vae
from pipeline.pack.diffusion.recogniser_loss import aligned

SIZES = vae.Sizes(channels=(8, 8, 8), groups=4)
TERMS = vae.Terms(
    face=2.0,
    gradient=0.5,
    colour=1.0,
    features=0.0,
    identity=0.0,
    supervised_from=2.0,
    latents=1.0,
    noise=0.05,
)
TRAINING = trainer.Training(steps=10, batch=4, rate=1e-3, weight_decay=0.0, seed=3)


def face_landmarks(scale: float, left: float, top: float) -> np.ndarray:
    """68 points whose five key points are insightface's template, scaled and moved."""
    points = np.zeros((68, 2), np.float32)
    eyes_nose_mouth = face_align.arcface_dst * scale + [left, top]
    for indices, point in zip((range(36, 42), range(42, 48), [30], [48], [54]), eyes_nose_mouth, strict=True):
        points[list(indices)] = point
    return points


def drawn(width: int, faces: int) -> Drawn:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 255, (3, 8, width // 8, 3)).astype(np.uint8)
    lefts = np.arange(faces) * 40.0 + 10
    return Drawn(
        images=small.repeat(8, axis=1).repeat(8, axis=2),
        captions=["x", "y", "z"],
        photo=np.repeat(np.arange(3), faces),
        person=np.zeros(3 * faces, np.int64),
        box=np.tile(np.stack([lefts, lefts * 0 + 20, lefts + 25, lefts * 0 + 50], 1), (3, 1)).astype(np.float32),
        landmarks=np.stack([face_landmarks(0.25, left, 20) for _ in range(3) for left in lefts]),
    )


@pytest.fixture(scope="module")
def data() -> dict[str, Drawn]:
    return {"portraits": drawn(64, 1), "groups": drawn(128, 2)}


def test_a_crop_holds_its_face_and_marks_it(data: dict[str, Drawn]) -> None:
    batch = vae.Batches(data, 32, TRAINING)(0)
    assert batch["image"].shape == (4, 3, 32, 32)
    assert batch["face"].shape == (4, 1, 32, 32)
    assert (batch["face"].sum((1, 2, 3)) >= 25 * 30).all()
    corners = aligned(batch["face"], batch["theta"])
    assert corners.mean() > 0.5


def test_an_error_on_a_face_costs_more() -> None:
    wanted, face = torch.zeros(1, 3, 16, 16), torch.zeros(1, 1, 16, 16)
    face[..., :8] = 1
    on_face, beside = wanted.clone(), wanted.clone()
    on_face[..., 2:6], beside[..., 10:14] = 0.5, 0.5
    assert vae.picture_loss(on_face, wanted, face, TERMS) > vae.picture_loss(beside, wanted, face, TERMS)


def test_encoder_and_decoder_learn_what_lies_between_them(data: dict[str, Drawn]) -> None:
    torch.manual_seed(0)
    learner = vae.Learner(vae.build(SIZES, seed=0), noise=0.1)
    batch = vae.Batches(data, 32, TRAINING)(0)
    optimiser = torch.optim.Adam(learner.parameters(), 3e-3)
    values = []
    for _ in range(30):
        made, error = learner(batch["image"])
        value = vae.picture_loss(made, batch["image"], batch["face"], TERMS) + error
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        values.append((value.item(), error.item()))
    assert values[-1][0] < 0.7 * values[0][0]
    assert values[-1][1] < 0.7 * values[0][1]


def test_the_posterior_is_all_but_a_point_and_the_file_loads(data: dict[str, Drawn], tmp_path: Path) -> None:
    model = vae.build(SIZES, seed=0).eval()
    model.half().save_pretrained(tmp_path)
    loaded = AutoencoderKL.from_pretrained(tmp_path).eval()
    image = data["groups"].images[0]
    assert loaded.encode(vae.to_tensors(image)[None]).latent_dist.std.max() < 0.03
    assert vae.roundtrip(loaded, image).shape == (64, 128, 3)
