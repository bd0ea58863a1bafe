"""Measures the generative part of the pack on captions and photographs of P9, into the backbone's card and one JSON.

- The autoencoder: recogniser B's similarity of each face before and after it, aligned by the drawn landmarks, and PSNR.
- The backbone: of prompts that ask for 1, 2 and 3 people, the share whose picture holds that many faces; and how near
  the pictures are to their prompts for the image-text model, against other prompts of the same kind. And how well it
  draws people whom it is told of (identity_upper_bound.py).

Reads `data/pack/drawn/p9` and `models/`; writes the `measured` entries and `data/pack/generative.json`. Run alone:
`python -m pipeline.pack.diffusion.evaluate`.
"""

import json
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from safetensors.torch import load_file
from tqdm import tqdm

from pipeline.backbone.load import load
from pipeline.encoders.image_text import ImageText
from pipeline.encoders.recogniser import Recogniser, align, kps_from_landmarks68
from pipeline.pack import dataset, export, settings
from pipeline.pack.diffusion import backbone, identity_upper_bound, sampling, vae
from pipeline.pack.text import clip

FIGURES = settings.WORK / "generative.json"
PHOTOS = 300
PROMPTS = 100
PEOPLE = (1, 2, 3)


def kept(coder: AutoencoderKL, judge: Recogniser, data: dataset.Drawn, photos: NDArray[np.int64]) -> dict[str, float]:
    """How much of the person and of the picture stays after the autoencoder, over some photographs."""
    before, after, noise = [], [], []
    for photo in tqdm(photos, desc="autoencoder", mininterval=5):
        pixels = np.asarray(data.images[photo])
        made = vae.roundtrip(coder, pixels)
        points = kps_from_landmarks68(data.landmarks[data.faces_of(int(photo))])
        before += [align(pixels, each) for each in points]
        after += [align(made, each) for each in points]
        noise.append(vae.psnr(pixels, made))
    similarity = (judge.embed(np.stack(before)) * judge.embed(np.stack(after))).sum(1)
    return {
        "similarity": float(similarity.mean()),
        "similarity_5": float(np.quantile(similarity, 0.05)),
        "psnr": float(np.mean(noise)),
        "faces": len(similarity),
    }


def of_people(data: dataset.Drawn, people: int) -> NDArray[np.int64]:
    """The photographs that show that many people."""
    return np.flatnonzero(np.bincount(data.photo, minlength=len(data.captions)) == people)


def spread_out(photos: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """At most `count` of the photographs, evenly spaced."""
    return photos[np.linspace(0, len(photos) - 1, min(count, len(photos))).astype(int)]


@torch.no_grad()
def followed(model: ImageText, images: NDArray[np.uint8], prompts: list[str]) -> dict[str, float]:
    """Mean cosine of pictures and their prompts, and how often a picture's own prompt is the nearest of all."""
    pixels = torch.stack([vae.to_tensors(image) for image in images])
    scores = model.image(pixels) @ model.text(prompts).T
    own = scores.argmax(1) == torch.arange(len(prompts))
    return {"clip_t": float(scores.diagonal().mean()), "own_prompt_first": float(own.float().mean())}


def asked(people: int, data: dataset.Drawn) -> dict[str, float]:
    """Pictures for prompts that ask for `people` people: the share with that many faces, and how they are followed."""
    photos = spread_out(of_people(data, people), PROMPTS)
    prompts = [data.captions[photo] for photo in photos]
    width = dataset.WIDTHS["portraits" if people == 1 else "groups"]
    images = sampling.sample(sampling.load(), prompts, list(range(len(prompts))), width)
    found = [len(identity_upper_bound.finder().get(np.ascontiguousarray(image[..., ::-1]))) for image in images]
    right = float(np.mean(np.array(found) == people))
    return {"headcount": right, "pictures": len(prompts), **followed(ImageText(clip.FOLDER), images, prompts)}


def main() -> None:
    """Measure both, print them, write them into the card and the JSON."""
    torch.set_num_threads(1)
    data = {kind: dataset.load("p9", kind) for kind in dataset.WIDTHS}
    coder = AutoencoderKL.from_pretrained(vae.FOLDER).eval()
    judge = Recogniser(settings.MODELS / export.RECOGNISERS[1])
    coded: dict[str, Any] = {
        "portraits": kept(coder, judge, data["portraits"], spread_out(of_people(data["portraits"], 1), PHOTOS))
    }
    coded["groups_of_3"] = kept(coder, judge, data["groups"], spread_out(of_people(data["groups"], 3), PHOTOS // 3))
    made = {f"people_{n}": asked(n, data["portraits" if n == 1 else "groups"]) for n in PEOPLE}
    photos = spread_out(identity_upper_bound.first_photos(data["portraits"]), PROMPTS)
    pipe = load(backbone.FOLDER, "cpu")
    made["told"] = identity_upper_bound.measure(pipe, load_file(backbone.PROJECTOR), data["portraits"], photos)
    export.add_to_card([backbone.FOLDER.name], vae.PART, {"people": "p9", "judge": "recogniser B", **coded})
    export.add_to_card([backbone.FOLDER.name], backbone.PART, {"prompts": "p9", **made})
    FIGURES.write_text(json.dumps({"autoencoder": coded, "backbone": made}, indent=2) + "\n")
    print(FIGURES.read_text())


if __name__ == "__main__":
    main()
