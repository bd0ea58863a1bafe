"""Whether the parts that the settings name fit each other and the run, said before hours are spent."""

from collections.abc import Iterator
from pathlib import Path

from pipeline import licences
from pipeline.benchmark import resolution
from pipeline.errors import LikenessError, MissingInput
from pipeline.settings import Settings

OK, NOTE, NO = "ok", "note", "NO"
Finding = tuple[str, str, str]  # one of the three, about what, the words


def examine(chosen: Settings) -> Iterator[Finding]:
    """Each part: whether it is there and may be used; then whether they fit each other."""
    yield from of_parts(chosen)
    yield from of_roles(chosen)
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


def of_roles(chosen: Settings) -> Iterator[Finding]:
    """Whether the recognisers differ from each other, where all are there: as the stages check it."""
    from pipeline.benchmark import fairness  # here: the command's help does not wait for what it loads

    try:
        fairness.check_recognisers(chosen.models)
        yield OK, "recognisers", "differ from each other"
    except MissingInput:
        return  # said of the part
    except LikenessError as error:
        yield NO, "recognisers", str(error)


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
