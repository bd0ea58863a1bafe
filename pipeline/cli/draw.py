"""Draw a picture of people by their photos, with a trained method.

    python -m pipeline.inference --method uniportrait --person ada.jpg ada2.jpg --person ben.jpg \\
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
import warnings
from collections.abc import Sequence
from pathlib import Path

from pipeline import method as contract
from pipeline import plugins
from pipeline.errors import MissingInput, SettingsError, run
from pipeline.inference.layout import read
from pipeline.inference.portrait import Options, Portrait, scales_of
from pipeline.weights.checks import read_card

WEIGHTS = Path("data/weights")


def arguments() -> argparse.Namespace:
    """What the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.inference",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--method", required=True, help="a trained method, or <method>-<variant>")
    parser.add_argument("--weights", type=Path, help=f"their folder; {WEIGHTS}/<method> by default")
    parser.add_argument(
        "--person", type=Path, nargs="+", action="append", required=True, metavar="PHOTO", help="a person's photos"
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
    return parser.parse_args()


def _add_options(parser: argparse.ArgumentParser) -> None:
    for name in ("width", "height"):
        parser.add_argument(f"--{name}", type=int, help="pixels; as in the benchmark's cases of as many people")
    parser.add_argument("--steps", type=int, help="of the sampler; generate.steps of params.yaml, like the next two")
    parser.add_argument("--guidance", type=float, help="how strongly prompt and people count")
    parser.add_argument("--eta", type=float, help="share of DDPM's noise that is added back, 0 to 1")
    parser.add_argument("--layout", type=Path, help="where faces are wanted, as above")
    parser.add_argument("--masks", type=Path, nargs="+", default=[], metavar="PNG", help="white where a person may be")
    parser.add_argument("--interpolate", type=float, metavar="SHARE", help="one face, so far from person 1 to person 2")
    for name in scales():
        parser.add_argument(_flag(name), type=float, help=f"the method's {name}, where it has one")


def scales() -> list[str]:
    """What any method calls a scale."""
    published = (plugins.load("methods", name).VARIANTS[""] for name in plugins.names("methods"))
    return sorted({each for settings in published for each in scales_of(settings)})


def options_of(asked: argparse.Namespace) -> Options:
    """The options of a command line."""
    given = {name: getattr(asked, name) for name in scales()}
    return Options(
        **{name: getattr(asked, name) for name in ("width", "height", "steps", "guidance", "eta", "interpolate")},
        layout=read(asked.layout) if asked.layout else (),
        masks=asked.masks,
        scales={name: value for name, value in given.items() if value is not None},
    )


def loras(given: Sequence[Sequence[str]]) -> dict[Path | str, float]:
    """The scales of LoRA files.

    Raises:
        SettingsError: what follows a file is not one number.
    """
    try:
        return {file: float(*scale) if scale else 1.0 for file, *scale in given}
    except (TypeError, ValueError) as error:
        raise SettingsError(f"--lora takes a file and at most one number, its scale: {error}") from error


def names(out: Path, seeds: range) -> list[Path]:
    """The files of a series.

    Raises:
        SettingsError: `out` is no .png, or there is no image to draw.
    """
    if out.suffix.lower() != ".png":
        raise SettingsError(f"--out {out} must end in .png")
    if not seeds or seeds.start < 0:
        raise SettingsError("--images must be at least 1, and --seed at least 0")
    return [out] if len(seeds) == 1 else [out.with_name(f"{out.stem}-{seed}{out.suffix}") for seed in seeds]


def main() -> None:
    """Draw, and say where the pictures are."""
    # insightface still calls what scikit-image has renamed; a user cannot mend it
    warnings.filterwarnings("ignore", ".*estimate.*is deprecated", FutureWarning)
    asked = arguments()
    contract.find(asked.method)
    seeds, weights = range(asked.seed, asked.seed + asked.images), asked.weights or WEIGHTS / asked.method
    files, options, styles = names(asked.out, seeds), options_of(asked), loras(asked.lora)
    if (found := read_card(weights)["method"]) != asked.method:
        raise MissingInput(f"{weights} holds {found}, not {asked.method}: mend --weights or --method")
    portrait = Portrait.load(weights, another_base=asked.another_base, loras=styles)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    for file, picture in zip(files, portrait.series(asked.person, asked.prompt, seeds, options), strict=True):
        picture.save(file)
        print(file)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


if __name__ == "__main__":
    run(main)
