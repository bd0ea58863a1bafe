"""Plain YAML or JSON values to a dataclass of settings: unknown keys, wrong types and wrong numbers are errors."""

import dataclasses
import functools
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from pipeline.errors import SettingsError, did_you_mean
from pipeline.settings.fields import sentence

Section = TypeVar("Section")


def build(cls: type[Section], values: Any, where: str, path: str = "") -> Section:
    """Build a dataclass from plain values, checking names, types and ranges.

    Args:
        cls: a dataclass whose fields are dataclasses or types that pydantic checks.
        values: a mapping, as read from YAML or JSON.
        where: the file, for errors.
        path: the dotted name of the section, with a dot at its end.

    Raises:
        SettingsError: naming the file, the dotted setting, what was found and what is allowed.
    """
    if not isinstance(values, Mapping):
        raise SettingsError(f"{where}: {path.rstrip('.') or 'the file'} must be a section, found {values!r}")
    kinds = typing.get_type_hints(cls, include_extras=True)
    for key in values:
        if key not in kinds:
            raise SettingsError(f"{where}: unknown setting {path}{key}{did_you_mean(str(key), kinds)}")
    optional = {name for name in kinds if hasattr(cls, name)}  # a field's default is an attribute of its class
    if absent := [name for name in kinds if name not in values and name not in optional]:
        raise SettingsError(f"{where}: missing setting {path}{absent[0]}: add it")
    given = {name: kind for name, kind in kinds.items() if name in values}
    return cls(**{name: _value(kind, values[name], where, f"{path}{name}") for name, kind in given.items()})


def _value(kind: Any, value: Any, where: str, path: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return build(typing.cast(type, kind), value, where, f"{path}.")
    if section := _section(kind):
        if not isinstance(value, list | tuple):
            raise SettingsError(f"{where}: {path} must be a list of sections, found {value!r}")
        return tuple(build(section, each, where, f"{path}[{number}].") for number, each in enumerate(value))
    try:
        return _adapter(kind).validate_python(_tuples(value), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        found, place = first["input"], first["loc"]
        inner = _entry(kind) if place and isinstance(place[0], int) else kind
        close = did_you_mean(str(found), choices(inner)) if first["type"] == "literal_error" else ""
        close = close if "did you mean" in close else ""
        found = list(found) if isinstance(found, tuple) else found
        raise SettingsError(f"{where}: {path} must be {sentence(inner)}, found {found!r}{close}") from error


def choices(kind: Any) -> tuple[str, ...]:
    """The words of a Literal, annotated or not."""
    return typing.get_args(typing.get_args(kind)[0] if typing.get_origin(kind) is typing.Annotated else kind)


def _entry(kind: Any) -> Any:
    """The type of a list's entries."""
    plain = typing.get_args(kind)[0] if typing.get_origin(kind) is typing.Annotated else kind
    return typing.get_args(plain)[0]


def _section(kind: Any) -> type | None:
    """The dataclass that a list's entries are; None where they are none."""
    plain = typing.get_args(kind)[0] if typing.get_origin(kind) is typing.Annotated else kind
    inner = typing.get_args(plain)[:1] if typing.get_origin(plain) is tuple else ()
    return typing.cast(type, inner[0]) if inner and dataclasses.is_dataclass(inner[0]) else None


def _tuples(value: Any) -> Any:
    return tuple(_tuples(each) for each in value) if isinstance(value, list) else value


@functools.cache
def _adapter(kind: Any) -> TypeAdapter:
    return TypeAdapter(kind)
