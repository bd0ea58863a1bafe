"""The pack's backbone: the text tower carries over, batches resume, and diffusers loads and samples what is saved."""

import json
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from diffusers import DDIMScheduler
from insightface.utils.face_align import arcface_dst
from safetensors.torch import load_file

from pipeline.pack import trainer
from pipeline.pack.diffusion import backbone, blocks, identity_conditioning, sampling, vae
from pipeline.pack.diffusion import batches as batches_of
from pipeline.pack.text import clip, tokenizer

CAPTIONS = ["a red wall", "a green wall"]
CONTEXT, COEFFICIENTS = 8, 5
TEXT = clip.Sizes(embedding=8, side=16, patch=8, width=16, layers=1, text_width=32, text_layers=2, head=16)
SIZES = backbone.Sizes(channels=(16, 16, 16, 16), head=8, groups=4)
DIFFUSION = batches_of.Diffusion(
    gamma=5.0,
    focus=(0.4, 0.9),
    drop=0.1,
    told=0.5,
    tokens=2,
    face=1.0,
    average=0.9,
    portraits=0.5,
    close_ups=0.0,
    judged=2,
    likeness=0.1,
)
TRAINING = trainer.Training(steps=10, batch=4, rate=1e-3, weight_decay=0.0, seed=5)


@pytest.fixture(scope="module")
def text_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    merges = tokenizer.learn_merges(CAPTIONS, 100)
    vocabulary = max(tokenizer.vocabulary(merges).values()) + 1
    clip.save(folder, clip.build(TEXT, vocabulary, CONTEXT, seed=0), TEXT, merges, tokenizer.Tokens(100, CONTEXT))
    return folder


@pytest.fixture
def learner(text_folder: Path) -> backbone.Learner:
    text = backbone.text_encoder(text_folder)
    projector = identity_conditioning.IdentityProjector(COEFFICIENTS, DIFFUSION.tokens, TEXT.text_width)
    return backbone.Learner(backbone.build_unet(SIZES, TEXT.text_width, seed=0), text, projector, DIFFUSION)


def kind(rng: np.random.Generator, words: Path, width: int, people: int) -> batches_of.Kind:
    images = rng.integers(0, 255, (6, 32, width, 3)).astype(np.uint8)
    boxes = np.tile(np.linspace(0, 1, people, endpoint=False, dtype=np.float32)[:, None], (6, 1, 4))
    cast = identity_conditioning.Cast(
        people=rng.normal(size=(6, people, COEFFICIENTS)).astype(np.float32),
        boxes=boxes + np.array([0, 0, 1 / people, 0.5], np.float32),
        points=np.tile(arcface_dst / 4, (6, people, 1, 1)).astype(np.float32),
        present=np.ones((6, people), np.bool_),
    )
    return batches_of.Kind(images, batches_of.tokenize(tokenizer.load(words), CAPTIONS * 3), cast)


def batches(folder: Path) -> batches_of.Batches:
    rng = np.random.default_rng(0)
    kinds = {"portraits": kind(rng, folder, 32, 1), "groups": kind(rng, folder, 64, 2)}
    empty = batches_of.tokenize(tokenizer.load(folder), [""])[0]
    return batches_of.Batches(kinds, empty, DIFFUSION, TRAINING)


def test_the_text_encoder_says_what_the_image_text_model_says(text_folder: Path) -> None:
    words = batches_of.tokenize(tokenizer.load(text_folder), CAPTIONS)
    model = open_clip.create_model(f"local-dir:{text_folder}").eval()
    with torch.no_grad():
        ours = backbone.text_encoder(text_folder).eval()(words).pooler_output @ model.text_projection
        assert torch.allclose(ours, model.encode_text(words), atol=1e-4)


def test_a_batch_depends_on_its_number_alone_and_both_kinds_come(text_folder: Path) -> None:
    made = batches(text_folder)
    assert all(torch.equal(made(3)[name], made(3)[name]) for name in made(3))
    assert {made(index)["latents"].shape for index in range(12)} == {
        (4, blocks.CHANNELS, 8, 8),
        (2, blocks.CHANNELS, 8, 16),
    }
    times = torch.cat([batch["times"] for batch in map(made, range(60)) if len(batch["times"]) == 4])
    # Half of the times are within the focus, and half of the others are there by chance.
    assert 0.65 < ((times >= 400) & (times < 900)).float().mean() < 0.85


def test_some_photographs_tell_of_all_their_people_and_some_of_none(text_folder: Path) -> None:
    told = torch.cat([batch["told"] for batch in map(batches(text_folder), range(40)) if batch["told"].shape[1] == 2])
    assert torch.equal(told[:, 0], told[:, 1])
    assert 0.3 < told.float().mean() < 0.7


def test_pure_noise_counts_fully_and_clean_pictures_little(learner: backbone.Learner) -> None:
    weights = learner._weights(torch.tensor([0, 500, 999]))
    assert weights[0] < 0.02
    assert weights[2] == 1
    kept = DDIMScheduler(**backbone.SCHEDULE).alphas_cumprod
    assert kept[-1] == 0


def test_the_loss_falls_on_one_batch_and_the_average_follows(learner: backbone.Learner, text_folder: Path) -> None:
    batch = batches(text_folder)(0)
    optimiser = torch.optim.Adam((weight for weight in learner.parameters() if weight.requires_grad), 3e-3)
    values = []
    before = learner.average["unet"].conv_out.weight.clone()
    for step in range(30):
        value = learner(batch)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        learner.follow(step)
        values.append(value.item())
    assert values[-1] < 0.7 * values[0]
    assert not torch.equal(before, learner.average["unet"].conv_out.weight)
    assert learner.text.embeddings.token_embedding.weight.grad is None


def test_the_recogniser_judges_faces_at_middling_noise_only(learner: backbone.Learner, text_folder: Path) -> None:
    batch = batches(text_folder)(0)
    noisy = learner._scheduler.add_noise(batch["latents"], batch["noise"], batch["times"])
    right = learner._scheduler.get_velocity(batch["latents"], batch["noise"], batch["times"])
    assert learner._unlikeness(noisy, right, batch).item() == pytest.approx(0, abs=1e-3)
    wrong = (right + torch.randn_like(right)).requires_grad_()
    learner._unlikeness(noisy, wrong, batch).backward()
    assert wrong.grad is not None
    low, high = (1000 * share for share in DIFFUSION.focus)
    within = (batch["times"] >= low) & (batch["times"] < high)
    assert torch.equal(wrong.grad.abs().amax((1, 2, 3)) > 0, within & (within.cumsum(0) <= DIFFUSION.judged))


def test_diffusers_loads_and_samples_what_is_saved(
    learner: backbone.Learner, text_folder: Path, tmp_path: Path
) -> None:
    coder = vae.build(vae.Sizes(channels=(4, 4, 4), groups=2), seed=0)
    coder.half().save_pretrained(tmp_path / "vae")
    backbone.save(tmp_path, *learner.parts(), tokenizer.load(text_folder))
    pipe = sampling.load(tmp_path)
    assert {part.dtype for part in (pipe.unet, pipe.text_encoder, pipe.vae)} == {torch.float32}
    assert pipe.tokenizer.model_max_length == CONTEXT
    images = sampling.sample(pipe, CAPTIONS, [0, 1], width=256, steps=2)
    assert images.shape == (2, 128, 256, 3)
    alone = sampling.sample(pipe, CAPTIONS[:1], [0], width=256, steps=2)
    assert np.abs(images[:1].astype(int) - alone).max() <= 2  # sums of floats depend on how many images share a batch
    assert load_file(tmp_path / "unet" / "diffusion_pytorch_model.safetensors")["conv_in.weight"].dtype == torch.float16
    assert (
        json.loads((tmp_path / "scheduler" / "scheduler_config.json").read_text())["prediction_type"] == "v_prediction"
    )


def test_the_settings_are_read() -> None:
    assert all(phase.training.steps > 0 for phase in backbone.phases())
    assert vae.plan().training.steps > 0
