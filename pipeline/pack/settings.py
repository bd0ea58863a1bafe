"""The pack's settings: sections of params.yaml beside this file, read into frozen dataclasses."""

from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import yaml

PARAMS = Path(__file__).parent / "params.yaml"
MODELS = Path(__file__).parent / "models"
WORK = Path("data/pack")

Settings = TypeVar("Settings")


def section(name: str, path: Path = PARAMS) -> dict[str, Any]:
    """One section of params.yaml.

    Raises:
        KeyError: there is no such section; the message lists those that exist.
    """
    sections = yaml.safe_load(path.read_text())
    if name not in sections:
        raise KeyError(f"no section {name!r} in {path}: it has {', '.join(sections)}")
    found: dict[str, Any] = sections[name]
    return found


def fill(kind: type[Settings], values: dict[str, Any], where: str) -> Settings:
    """`values` as an instance of the dataclass `kind`.

    Raises:
        ValueError: a key that `kind` does not have, or one that it lacks.
    """
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if unknown := set(values) - known:
        raise ValueError(f"{where}: unknown settings {sorted(unknown)}, it knows {sorted(known)}")
    try:
        return kind(**values)
    except TypeError as error:
        raise ValueError(f"{where}: {error}") from error
