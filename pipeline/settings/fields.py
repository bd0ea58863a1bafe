"""What a setting may be: a type, a range and a sentence about it, which errors and the editors' schema repeat."""

import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic.fields import FieldInfo

from pipeline.licences import DLIB

# DVC tracks the files that settings name, and cannot track none: this file stands for it. The code sees "".
NONE = "profiles/none"
# Likewise for a recogniser that is no directory: the code sees "dlib".
DLIB_FILE = "profiles/dlib"
SEEDS = 2**32 - 1  # numpy's and torch's generators both take a seed of 32 bits


@dataclass(frozen=True)
class Allowed:
    """A closed range, for errors."""

    low: float
    high: float
    multiple: int | None = None

    def __str__(self) -> str:
        steps = f", a multiple of {self.multiple}" if self.multiple else ""
        return f"from {_figure(self.low)} to {_figure(self.high)}{steps}"


def whole(low: int, high: int, says: str = "", multiple: int | None = None) -> FieldInfo:
    """A whole number of a closed range."""
    return _with(Allowed(low, high, multiple), Field(ge=low, le=high, multiple_of=multiple, description=says or None))


def number(low: float, high: float, says: str = "") -> FieldInfo:
    """A finite number of a closed range; a whole one is taken as well."""
    return _with(Allowed(low, high), Field(ge=low, le=high, allow_inf_nan=False, description=says or None))


def text(says: str = "") -> FieldInfo:
    """Text that is not empty."""
    return Field(min_length=1, pattern=r"\S", description=says or None)


def plain(says: str) -> FieldInfo:
    """What its type alone decides: true or false, a list, one of some words."""
    return Field(description=says or None)


def optional_path(says: str) -> FieldInfo:
    """A file or folder, or NONE."""
    field = text(f"{says}; {NONE}: none")
    field.metadata.append(AfterValidator(lambda value: "" if value == NONE else value))
    return field


def recogniser(says: str) -> FieldInfo:
    """A recogniser that scores: a FaceAnalysis directory, or dlib's face model."""
    field = text(f"{says}: a FaceAnalysis directory, or dlib's face model: dlib (for DVC: {DLIB_FILE}), dlib:FOLDER")
    field.metadata.append(AfterValidator(lambda value: DLIB if value == DLIB_FILE else value))
    return field


def sentence(kind: Any) -> str:
    """What a value of an annotated type must be: `a whole number from 0 to 15`."""
    if typing.get_origin(kind) is Annotated:
        ranges = [each for part in typing.get_args(kind)[1:] for each in _metadata(part) if isinstance(each, Allowed)]
        filled = any(
            getattr(each, "min_length", None) for part in typing.get_args(kind)[1:] for each in _metadata(part)
        )
        words = sentence(typing.get_args(kind)[0]) + (" that is not empty" if filled else "")
        return " ".join([words, *map(str, ranges)])
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return f"one of {', '.join(map(str, inner))}"
    if origin is tuple:
        return f"a list, each entry {sentence(inner[0])}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "a mapping of text to text" if inner == (str, str) else "a mapping"
    names = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
    return names.get(kind, str(kind))


Word = Annotated[str, Field(min_length=1)]


def _metadata(part: Any) -> list[Any]:
    return part.metadata if isinstance(part, FieldInfo) else [part]


def _with(allowed: Allowed, field: FieldInfo) -> FieldInfo:
    field.metadata.append(allowed)
    return field


def _figure(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:,.10g}"
