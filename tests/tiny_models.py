"""Tiny random models in the formats of the real ones, and a tiny data/samples: what the tests of training need."""

import json
from math import log2
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pyarrow as pa
import torch
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from safetensors.torch import save_file
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from pipeline import images, records, shards
from pipeline.benchmark import cases
from pipeline.benchmark.cases import Case
from pipeline.encoders.recogniser import WEIGHTS
from pipeline.encoders.residual import ResidualNet, fold
from pipeline.head.camera import Camera
from pipeline.head.head_pose import HeadPose
from pipeline.head.model import Head, save_head
from pipeline.settings import Models

LETTERS = "abcdefghijklmnopqrstuvwxyz,"
VISION = {"image_size": 32, "patch_size": 8, "width": 32, "layers": 2, "head_width": 16}
TEXT = {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}
EMBEDDING, SHAPE, EXPRESSION = 8, 4, 3
TESTED = 4  # people of the test split


def models(folder: Path, kind: str = "sd", factor: int = 8) -> Models:
    """All model directories that training reads, below `folder`; `kind` is sd or sdxl, `factor` pixels a cell."""
    backbone(folder / "backbone", kind, factor)
    clip(folder / "clip")
    recogniser(folder / "recogniser")
    save_head(head(), folder / "head.npz")
    names = {"recogniser_a": "recogniser", "recogniser_b": "none", "recogniser_c": "none", "head": "head.npz"}
    paths = {name: str(folder / value) for name, value in names.items()}
    return Models(
        **paths,
        outside=(),
        image_text=str(folder / "clip"),
        backbone=str(folder / "backbone"),
        captioner="",
        allow_non_commercial=False,
    )


def backbone(folder: Path, kind: str = "sd", factor: int = 8) -> Path:
    """A pipeline directory with random weights: 4 latent channels, `factor` pixels a cell, 64 x 64 pixels."""
    torch.manual_seed(0)
    words = _tokenizer(folder.parent / "words")
    levels, cells = int(log2(factor)) + 1, 64 // factor
    vae = AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=(8,) * levels,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
    )
    scheduler = DDIMScheduler(
        prediction_type="epsilon" if kind == "sdxl" else "v_prediction", clip_sample=False, steps_offset=1
    )
    if kind == "sd":
        text = CLIPTextModel(_text(words, 16))
        pipe = StableDiffusionPipeline(
            vae, text, words, _unet(16, cells), scheduler, None, None, requires_safety_checker=False
        )  # fmt: skip
    else:
        both = CLIPTextModel(_text(words, 8)), CLIPTextModelWithProjection(_text(words, 8))
        added = {"addition_embed_type": "text_time", "addition_time_embed_dim": 4}
        added["projection_class_embeddings_input_dim"] = 8 + 6 * 4
        pipe = StableDiffusionXLPipeline(
            vae, *both, words, words, _unet(16, cells, **added), scheduler, add_watermarker=False
        )  # fmt: skip
    pipe.save_pretrained(folder)
    return folder


def _unet(context: int, cells: int = 8, **options: Any) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=cells,
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(16, 32),
        layers_per_block=1,
        cross_attention_dim=context,
        norm_num_groups=8,
        attention_head_dim=2,
        **options,
    )


def _text(words: CLIPTokenizer, width: int) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=width,
        intermediate_size=16,
        projection_dim=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=16,
        bos_token_id=words.bos_token_id,
        eos_token_id=words.eos_token_id,
        pad_token_id=words.pad_token_id,
    )


def _tokenizer(folder: Path) -> CLIPTokenizer:
    folder.mkdir(parents=True, exist_ok=True)
    letters = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({letter: number for number, letter in enumerate(letters)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(
        vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt"), model_max_length=16
    )  # fmt: skip


def clip(folder: Path) -> Path:
    """An open_clip directory with random weights: 16 patch tokens of width 32."""
    torch.manual_seed(1)
    folder.mkdir(parents=True)
    model = open_clip.CLIP(24, VISION, TEXT)
    config = {"model_cfg": {"embed_dim": 24, "vision_cfg": VISION, "text_cfg": TEXT}, "preprocess_cfg": {}}
    (folder / "open_clip_config.json").write_text(json.dumps(config))
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / "open_clip_model.safetensors")
    return folder


def head() -> Head:
    """Half a ball of 100 vertices, two units across; its upper half is called eyes, its lower half mouth."""
    draw, side = np.random.default_rng(3), 10
    y, x = (part.ravel() for part in np.mgrid[0.9:-0.9:10j, -0.9:0.9:10j])
    mean = np.stack([x, y, np.sqrt(np.clip(2 - x**2 - y**2, 0, None))], axis=1).astype(np.float32)
    corner = np.arange(side * side).reshape(side, side)
    first, right, under, last = corner[:-1, :-1], corner[:-1, 1:], corner[1:, :-1], corner[1:, 1:]
    triangles = np.concatenate([np.stack([first, under, right], -1), np.stack([right, under, last], -1)]).reshape(-1, 3)
    return Head(
        mean=mean,
        identity=draw.normal(0, 0.05, (SHAPE, side * side, 3)).astype(np.float32),
        expression=draw.normal(0, 0.05, (EXPRESSION, side * side, 3)).astype(np.float32),
        triangles=triangles.astype(np.int32),
        landmarks68=np.linspace(0, side * side - 1, 68).astype(np.int32),
        albedo_mean=np.full((side * side, 3), 0.5, np.float32),
        albedo=np.zeros((1, side * side, 3), np.float32),
        regions=(y < 0).astype(np.uint8),
        expression_names=tuple(f"e{number}" for number in range(EXPRESSION)),
        region_names=("left_eye", "mouth"),
        name="tiny",
        version="1",
        licence="Apache-2.0",
        unit="m",
    )


def recogniser(folder: Path) -> Path:
    """A FaceAnalysis directory with a recogniser, in ONNX and in torch, and a detector's outline.

    The recogniser has maps of sides 56, 28, 14 and 7.
    """
    torch.manual_seed(2)
    folder.mkdir(parents=True)
    sizes: dict[str, Any] = {"stem": 4, "widths": [8, 12, 16], "blocks": [1, 1, 1], "dimension": EMBEDDING}
    net = fold(ResidualNet(**sizes))
    save_file(net.state_dict(), folder / WEIGHTS, {"sizes": json.dumps(sizes)})
    _export(net, torch.zeros(1, 3, 112, 112), folder / "recogniser.onnx", ["embedding"])
    _export(_Detector(), torch.zeros(1, 3, 64, 64), folder / "detector.onnx", [f"out{n}" for n in range(9)])
    return folder


class _Detector(nn.Module):
    """Nine outputs make insightface take a model for a detector; what they hold is never looked at."""

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(pixels.mean().expand(1, 8, width) + width for width in (1, 1, 1, 4, 4, 4, 10, 10, 10))


def _export(net: nn.Module, example: torch.Tensor, path: Path, outputs: list[str]) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter without onnxscript is deprecated
        torch.onnx.export(
            net.eval(), (example,), str(path), input_names=["pixels"], output_names=outputs, dynamo=False
        )  # fmt: skip


def samples(folder: Path, people: int = 6, portraits: int = 3, groups: int = 6) -> Path:
    """data/samples with noise for photos: portraits 64 x 64, pairs 128 x 64; two shards and the references."""
    rows = [_row(f"p{person}-{n}", [person]) for person in range(people) for n in range(portraits)]
    rows += [_row(f"g{n}", [n % people, (n + 1) % people]) for n in range(groups)]
    wanted = records.samples(EMBEDDING, SHAPE, EXPRESSION)
    for number, piece in enumerate((rows[::2], rows[1::2])):
        shards.write(folder / f"train/{number:016x}.parquet", pa.Table.from_pylist(piece, schema=wanted), wanted)
    _references(folder, rows)
    return folder


def tested(folder: Path) -> list[Case]:
    """Test photos of other people beside `samples`, four each, and cases of one and two people (_cases.json)."""
    rows = [_row(f"t{person}-{n}", [100 + person], "test") for person in range(TESTED) for n in range(4)]
    wanted = records.samples(EMBEDDING, SHAPE, EXPRESSION)
    shards.write(folder / f"test/{0:016x}.parquet", pa.Table.from_pylist(rows, schema=wanted), wanted)
    known = [_person(person) for person in range(TESTED)]
    casts = [(person,) for person in known] + [(known[0], known[1]), (known[2], known[3])]
    found = [_case(number, cast) for number, cast in enumerate(casts)]
    cases.save_cases(cases.Benchmark("tiny", cases.hash_of_cases(found), tuple(found)), folder / cases.CASES_FILE)
    return found


def _person(number: int) -> cases.Person:
    shots = [cases.Shot(f"t{number}-{n}-0", f"t{number}-{n}") for n in range(4)]
    return cases.Person(f"person{100 + number}", tuple(shots[:2]), (shots[2],), shots[3])


def _case(number: int, cast: tuple[cases.Person, ...]) -> Case:
    places = tuple(
        HeadPose(
            Camera(0.0, 0.0, 0.0, 16.0, 64.0 * slot + 32, 32.0),
            expression=np.zeros(EXPRESSION),
            landmarks=np.full((68, 2), 32.0),
            box=np.array([64.0 * slot + 16, 16.0, 64.0 * slot + 48, 48.0]),
        )
        for slot in range(len(cast))
    )
    width = 64 * len(cast)
    return Case(f"c{number}", "a of b", number, width, 64, cast, places, ("t9-9",), places, ("p0-0",))


def head_pose(
    place: tuple[float, float] = (56.0, 56.0), scale: float = 30.0, shape: float = 0.0, yaw: float = 0.0
) -> HeadPose:
    """A head without expression around a pixel; all coefficients of its shape are `shape`."""
    camera = Camera(yaw, 0.0, 0.0, scale, *place)
    coefficients, expression = np.full(SHAPE, shape, np.float32), np.zeros(EXPRESSION, np.float32)
    return HeadPose(camera, expression, np.zeros((68, 2), np.float32), shape=coefficients)


def samples_row() -> dict[str, Any]:
    """A row of a training shard: one person."""
    return _row("p0-0", [0])


def _references(folder: Path, rows: list[dict[str, Any]]) -> None:
    found = [
        {
            "identity_id": face["identity_id"],
            "split": "train",
            "face_id": face["face_id"],
            "photo_id": row["photo_id"],
            "rank": 0,
            "held_out": False,
        }
        for row in rows
        for face in row["faces"]
    ]
    table = pa.Table.from_pylist(found, schema=records.REFERENCES)
    shards.write(folder / f"references/{0:016x}.parquet", table, records.REFERENCES)


def _row(name: str, people: list[int], split: str = "train") -> dict[str, Any]:
    draw = np.random.default_rng([ord(letter) for letter in name])
    width = 64 * len(people)
    pixels = draw.integers(0, 256, (64, width, 3)).astype(np.uint8)
    return {
        "photo_id": name,
        "image": {"bytes": images.encode_png(pixels), "path": f"{name}.png"},
        "width": width,
        "height": 64,
        "crop": [0.0, 0.0, float(width), 64.0],
        "size": [width, 64],
        "scale": 1.0,
        "caption": f"{'a' * len(people)} of {'abc'[len(name) % 3]}",
        "split": split,
        "faces": [_face(name, slot, person, draw) for slot, person in enumerate(people)],
        "reject": None,
    }


def _face(name: str, slot: int, person: int, draw: np.random.Generator) -> dict[str, Any]:
    left = 64.0 * slot
    points = draw.uniform((left + 20, 20), (left + 44, 44), (68, 2))
    kps = [[left + 24, 26], [left + 40, 26], [left + 32, 34], [left + 26, 42], [left + 38, 42]]
    embedding = draw.normal(size=EMBEDDING)
    return {
        "face_id": f"{name}-{slot}",
        "identity_id": f"person{person}",
        "box": [left + 16.0, 16.0, left + 48.0, 48.0],
        "keypoints": np.ravel(kps).tolist(),
        "landmarks": points.ravel().tolist(),
        "embedding": (embedding / np.linalg.norm(embedding)).tolist(),
        "shape": [0.0] * SHAPE,
        "expression": [0.0] * EXPRESSION,
        **dict.fromkeys(("yaw", "pitch", "roll"), 0.0),
        "scale": 16.0,
        "translation": [left + 32.0, 32.0],
    }
