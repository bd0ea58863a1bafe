"""Draw a picture of people by their photos, with a trained method.

    likeness draw --method uniportrait --person ada.jpg ada2.jpg --person ben.jpg \\
        --prompt "a photo of two people in a garden" --seed 7 --out x.png

Several photos of a person are read together, best first. Where a photo shows several faces, the largest is taken.
--layout takes a list with an object per person, in their order; everything but the box may be left out:

    [{"box": [0.1, 0.2, 0.4, 0.8], "yaw": 20, "pitch": 0, "roll": -5, "expression": {"mouthSmileLeft": 0.8}},
     {"box": [0.6, 0.2, 0.9, 0.8]}]

Boxes surround a face from brows to chin and from ear to ear, x1, y1, x2, y2 in fractions of the picture. Yaw turns
the face to the picture's right, pitch lifts the chin, roll tilts the head clockwise; degrees. Without --layout a
method that needs one takes the prior of one of the benchmark's cases, chosen by the seed. Methods that read no head
follow the boxes of several people only, and say what they do not follow. What the weights may be used
for stands in their card.json. Draw nobody without their consent.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import plugins
from pipeline.cli.project import called_from, path
from pipeline.errors import MissingInput, SettingsError

if TYPE_CHECKING:
    from pipeline.inference import Options

WEIGHTS = Path("data/weights")
PLAIN = ("width", "height", "steps", "guidance", "eta", "interpolate")  # options by the names they have in Python


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Who, what, by whom and where to."""
    parser.add_argument("--method", required=True, help="a trained method, or <method>-<variant>")
    parser.add_argument("--weights", type=path, help=f"their folder; {WEIGHTS}/<method> of the project by default")
    parser.add_argument(
        "--person", type=path, nargs="+", action="append", required=True, metavar="PHOTO", help="a person's photos"
    )
    parser.add_argument("--prompt", required=True, help="the picture in words")
    parser.add_argument("--out", type=Path, required=True, help="a .png; of several images <name>-<seed>.png")
    parser.add_argument("--seed", type=int, default=0, help="of the first image; the next ones count up")
    parser.add_argument("--images", type=int, default=1, help="how many; 1 by default")
    parser.add_argument(
        "--another-base",
        action="store_true",
        help="models.backbone is not the one that was trained on, but of its sizes",
    )
    parser.add_argument(
        "--lora",
        nargs="+",
        action="append",
        default=[],
        metavar=("FILE", "SCALE"),
        help="a low-rank change of the backbone, a style for instance, and how strong; 1 by default",
    )
    _add_options(parser)


def _add_options(parser: argparse.ArgumentParser) -> None:
    for name in ("width", "height"):
        parser.add_argument(f"--{name}", type=int, help="pixels; as in the benchmark's cases of as many people")
    parser.add_argument("--steps", type=int, help="of the sampler; generate.steps of params.yaml, like the next two")
    parser.add_argument("--guidance", type=float, help="how strongly prompt and people count")
    parser.add_argument("--eta", type=float, help="share of DDPM's noise that is added back, 0 to 1")
    parser.add_argument("--layout", type=path, help="where faces are wanted, as above")
    parser.add_argument("--masks", type=path, nargs="+", default=[], metavar="PNG", help="white where a person may be")
    parser.add_argument("--interpolate", type=float, metavar="SHARE", help="one face, so far from person 1 to person 2")
    parser.add_argument(
        "--scale",
        nargs=2,
        action="append",
        default=[],
        metavar=("NAME", "VALUE"),
        help="one of the method's scales: face_scale, structure_scale, ... (another name lists them)",
    )


def call(asked: argparse.Namespace) -> None:
    """Draw, and say where the pictures are.

    Raises:
        SettingsError, MissingInput: as `Portrait.load` and `Portrait.series`; the weights are another method's.
    """
    plugins.check("methods", asked.method.partition("-")[0])
    seeds, weights = range(asked.seed, asked.seed + asked.images), asked.weights or WEIGHTS / asked.method
    files, scales, styles = names(asked.out, seeds), scales_of(asked.scale), loras(asked.lora)
    # after all that can be said without torch
    from pipeline import method as contract
    from pipeline.inference import Portrait
    from pipeline.shards import replacing
    from pipeline.weights.checks import read_card

    contract.find(asked.method)
    options = options_of(asked, scales)
    if (found := read_card(weights)["method"]) != asked.method:
        raise MissingInput(f"{weights} holds {found}, not {asked.method}: mend --weights or --method")
    portrait = Portrait.load(weights, another_base=asked.another_base, loras=styles)
    for (said, file), picture in zip(files, portrait.series(asked.person, asked.prompt, seeds, options), strict=True):
        with replacing(file) as temporary:
            picture.save(temporary, format="png")
        print(said, flush=True)


def options_of(asked: argparse.Namespace, scales: dict[str, float]) -> "Options":
    """The options of a command line."""
    from pipeline.inference import Options, read

    return Options(
        **{name: getattr(asked, name) for name in PLAIN},
        layout=read(asked.layout) if asked.layout else (),
        masks=asked.masks,
        scales=scales,
    )


def scales_of(given: Sequence[Sequence[str]]) -> dict[str, float]:
    """The scales of a command line.

    Raises:
        SettingsError: what follows a name is no number.
    """
    try:
        return {name.replace("-", "_"): float(value) for name, value in given}
    except ValueError as error:
        raise SettingsError(f"--scale takes a name and a number: {error}") from error


def loras(given: Sequence[Sequence[str]]) -> dict[Path | str, float]:
    """The scales of LoRA files.

    Raises:
        SettingsError: what follows a file is not one number.
    """
    try:
        return {path(file): float(*scale) if scale else 1.0 for file, *scale in given}
    except (TypeError, ValueError) as error:
        raise SettingsError(f"--lora takes a file and at most one number, its scale: {error}") from error


def names(out: Path, seeds: range) -> list[tuple[Path, Path]]:
    """The files of a series: as the user calls them, and where they are whatever folder we are in.

    Raises:
        SettingsError: `out` is no .png, or there is no image to draw.
    """
    if out.suffix.lower() != ".png":
        raise SettingsError(f"--out {out} must end in .png")
    if not seeds or seeds.start < 0:
        raise SettingsError("--images must be at least 1, and --seed at least 0")
    said = [out] if len(seeds) == 1 else [out.with_name(f"{out.stem}-{seed}{out.suffix}") for seed in seeds]
    return [(each, called_from() / each) for each in said]
