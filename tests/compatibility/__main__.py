"""Draws the pictures of reports/compatibility: two test people each, alone and in company.

    python -m tests.compatibility DATA WEIGHTS COMPANIONS OUT

DATA: a run's data folder (samples); WEIGHTS: a folder with the trained `uniportrait` and `hifi_portrait`; COMPANIONS:
control, prompt and style.safetensors that tests.compatibility.companions made; OUT: where the pictures go.
"""

import argparse
import io
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

from pipeline import settings
from pipeline.backbone.load import Backbone, load
from pipeline.benchmark.cases import CASES_FILE, Case
from pipeline.encoders.image_text import ImageText
from pipeline.generate.tasks import GenerationJob
from pipeline.generate.worker import MethodWorker
from pipeline.images import Pixels
from pipeline.inference.addons import ControlNet, ControlNetBackbone, merge_lora, read_image_prompt
from pipeline.settings import Models
from tests.compatibility.companions import as_input, edges, embedded, new_control

PROMPT, SEED, STEPS = "a photo of a person, soft light", 5, 16
PEOPLE = 2
COLOURS = 96  # of a kept picture's palette: drawn people need few, and the file stays small


class Studio:
    """One trained method, ready to draw the same people again and again."""

    def __init__(self, data: Path, weights: Path, name: str, models: Models) -> None:
        chosen = settings.load()
        how = replace(chosen.generate, steps=STEPS)
        samples = data / "samples"
        self.worker = MethodWorker(
            GenerationJob(name, models, how, chosen.shapes, samples / CASES_FILE, samples, weights / name, Path())
        )
        cases = [case for case in self.worker._cases if len(case.people) == 1]
        firsts = {case.people[0].identity_id: case for case in reversed(cases)}
        # one place for all, so that only the person differs
        shared = cases[0].layout
        self.cases = [replace(case, prompt=PROMPT, seed=SEED, layout=shared) for case in firsts.values()][:PEOPLE]
        self.others = list(firsts.values())[PEOPLE:]

    @property
    def backbone(self) -> Backbone:
        """The base."""
        return self.worker._backbone

    @property
    def unet(self) -> torch.nn.Module:
        """The base's UNet."""
        return self.backbone.unet

    def draw(self, backbone: Backbone | None = None) -> list[Pixels]:
        """The people, on the method's own backbone or on another form of it."""
        own, self.worker._backbone = self.worker._backbone, backbone or self.worker._backbone
        found = self.worker._draw([(case, [self.worker._person(case, 0)]) for case in self.cases], "layout")
        self.worker._backbone = own
        return [result.image for result in found if result.image is not None]

    def photos(self, cases: Sequence[Case]) -> list[Pixels]:
        """A reference photo of each case's person."""
        return [self.worker._gallery.source(case.people[0].references[0].photo_id).pixels for case in cases]

    def references(self) -> list[Pixels]:
        """A photo of each person, as large as what is drawn."""
        found = [Image.fromarray(photo) for photo in self.photos(self.cases)]
        return [np.asarray(photo.resize((self.cases[0].width, self.cases[0].height))) for photo in found]


def with_control(studio: Studio, tensors: Path) -> list[list[Pixels]]:
    """References, alone, the edges of somebody else's photo, and together."""
    net = new_control(studio.backbone)
    net.load_state_dict(load_file(tensors))
    size = studio.cases[0].height, studio.cases[0].width
    shown = edges(next(photo for photo in studio.photos(studio.others) if photo.shape[:2] == size))
    control = ControlNet(net.eval().to(studio.backbone.device), as_input(shown[None]).to(studio.backbone.device))
    together = studio.draw(ControlNetBackbone(studio.backbone, [control]))
    return [studio.references(), studio.draw(), [shown] * PEOPLE, together]


def with_prompt(studio: Studio, tensors: Path, models: Models) -> list[list[Pixels]]:
    """References, alone, the photo that is the image prompt, and together; leaves the prompt attached."""
    size = studio.cases[0].height, studio.cases[0].width
    shown = [photo for photo in studio.photos(studio.others) if photo.shape[:2] == size][:2]
    alone, rows = studio.draw(), []
    prompt = read_image_prompt(studio.unet, load_file(tensors))
    prompt.attach(studio.unet)
    for photo in shown:
        prompt.show(embedded(ImageText(models.image_text), np.stack([photo] * PEOPLE)))
        rows += [[photo] * PEOPLE, studio.draw()]
    return [studio.references(), alone, *rows]


def with_style(studio: Studio, tensors: Path) -> list[list[Pixels]]:
    """References, alone, and with the style merged into the base; leaves it there."""
    alone = studio.draw()
    merge_lora(studio.unet, load_file(tensors))
    return [studio.references(), alone, studio.draw()]


def on_changed_base(data: Path, weights: Path, tensors: Path, models: Models) -> list[list[Pixels]]:
    """HiFi-Portrait: references, on its own base, and on one fine-tuned to a style, read from files."""
    first = Studio(data, weights, "hifi_portrait", models)
    rows = [first.references(), first.draw()]
    with tempfile.TemporaryDirectory() as folder:
        changed = load(models.backbone)
        merge_lora(changed.unet, load_file(tensors))
        changed._pipeline.save_pretrained(folder)
        studio = Studio(data, weights, "hifi_portrait", replace(models, backbone=folder))
    rows.append(studio.draw())
    wanted, found = changed.unet.state_dict(), studio.unet.state_dict()
    assert all(torch.equal(value, found[name]) for name, value in wanted.items()), "the base was changed"
    return rows


def keep(path: Path, rows: Sequence[Sequence[Pixels]]) -> None:
    """The people one below another, what was drawn of each from left to right."""
    grid = np.concatenate([np.concatenate([row[person] for row in rows], axis=1) for person in range(PEOPLE)])
    buffer = io.BytesIO()
    Image.fromarray(grid).quantize(COLOURS).save(buffer, "PNG", optimize=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(buffer.getvalue())
    print(path, len(buffer.getvalue()), flush=True)


def main() -> None:
    """Draw those pictures whose companion is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("data", "weights", "companions", "out"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--only", nargs="*", default=["control", "prompt", "style", "base"])
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    models, kept = settings.load().models, {path.stem: path for path in chosen.companions.glob("*.safetensors")}
    if "base" in chosen.only:
        keep(chosen.out / "base.png", on_changed_base(chosen.data, chosen.weights, kept["style"], models))
    if not {"control", "prompt", "style"} & set(chosen.only):
        return
    studio = Studio(chosen.data, chosen.weights, "uniportrait", models)
    if "control" in chosen.only:
        keep(chosen.out / "control.png", with_control(studio, kept["control"]))
    if "style" in chosen.only:
        fresh = Studio(chosen.data, chosen.weights, "uniportrait", models)
        keep(chosen.out / "style.png", with_style(fresh, kept["style"]))
    if "prompt" in chosen.only:
        keep(chosen.out / "prompt.png", with_prompt(studio, kept["prompt"], models))


if __name__ == "__main__":
    main()
