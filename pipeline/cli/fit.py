"""Whether the parts that the settings name fit each other and the run, from their files alone: no model is loaded."""

import hashlib
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path

from pipeline import licences, resolution
from pipeline.errors import LikenessError
from pipeline.settings import Settings

OK, NOTE, NO = "ok", "note", "NO"
Finding = tuple[str, str, str]  # one of the three, about what, the words
CONDITIONS = "recogniser_a"  # the recogniser that conditions; the others score


def examine(chosen: Settings) -> Iterator[Finding]:
    """Each part: whether it is there and may be used; then whether they fit each other."""
    yield from of_parts(chosen)
    yield from of_roles({name: path for name, path in chosen.parts().items() if "recogniser" in name})
    yield from of_backbone(Path(chosen.models.backbone), chosen.samples.side)


def of_parts(chosen: Settings) -> Iterator[Finding]:
    """Each pretrained part: whether it is there, its licence, and whether this run may use it."""
    for name, path in chosen.parts().items():
        if not licences.is_dlib(path) and not Path(path).exists():
            yield (
                NO,
                name,
                f"{path} is not there: put it, or a link to it, there, or name another in params.yaml",
            )
            continue
        try:
            if not chosen.models.allow_non_commercial:
                licences.check({name: path})
            if licences.is_dlib(path):
                from pipeline.encoders.judges import dlib_files  # here: what a help text does not wait for

                dlib_files(path)
            yield OK, name, f"{path} (licence: {licences.of(path)})"
        except LikenessError as error:
            yield NO, name, str(error)


def of_roles(recognisers: Mapping[str, str]) -> Iterator[Finding]:
    """A recogniser that scores must be another than the one that conditions; two that score may be one, which is noted.

    Args:
        recognisers: setting -> directory.
    """
    files = {name: recognition_networks(Path(path)) for name, path in recognisers.items() if Path(path).is_dir()}
    for (first, ours), (second, theirs) in combinations(files.items(), 2):
        if not ours & theirs:
            continue
        words = f"the same network as {first}"
        if first.endswith(CONDITIONS):
            yield NO, second, f"{words}: what conditions the generators must not score them; name another recogniser"
        else:
            yield NOTE, second, f"{words}: their two columns are one judge's"


def recognition_networks(folder: Path) -> set[str]:
    """SHA-256 of what a FaceAnalysis directory recognises with; its detector and landmarks may be another's."""
    return {_digest(path) for path in folder.glob("*.onnx") if _recognises(path)}


def _recognises(path: Path) -> bool:
    """As insightface tells its models apart: one output, of a square input of 112 pixels or more; 192: landmarks."""
    import onnx  # here: the command's help does not wait for it
    from google.protobuf.message import DecodeError

    try:
        graph = onnx.load(path, load_external_data=False).graph
        sides = [size.dim_value for size in graph.input[0].type.tensor_type.shape.dim[2:]]
    except (DecodeError, IndexError):
        return False  # whoever loads it says what is wrong
    square = len(sides) == 2 and sides[0] == sides[1]
    return len(graph.output) == 1 and square and sides[0] >= 112 and sides[0] % 16 == 0 and sides[0] != 192


def of_backbone(folder: Path, side: int) -> Iterator[Finding]:
    """The side that the backbone was made for, in pixels, and the one that `samples.side` asks for (0: that one)."""
    if not folder.is_dir():
        return
    try:
        own = resolution.of(folder).side
    except LikenessError as error:
        yield NO, "backbone side", str(error)
        return
    if side in (0, own):
        yield OK, "backbone side", f"{own} pixels"
    else:
        yield NOTE, "backbone side", f"samples.side is {side}, the backbone was made for {own} pixels"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
