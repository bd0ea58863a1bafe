"""Text and JSON files that a person may have written or broken: whatever is wrong with one is said with its name."""

import json
from pathlib import Path
from typing import Any

from pipeline.errors import MissingInput, ShardError, input_error


def read_text(path: Path | str) -> str:
    """A file's text.

    Raises:
        MissingInput: there is no such file, it is a folder, or it may not be read.
        ShardError: it is not text.
    """
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise input_error(error) or MissingInput(f"cannot read {path}: {error}") from error
    except UnicodeDecodeError as error:
        raise ShardError(f"{path} is not text in UTF-8 ({error}): mend it") from error


def read_json(path: Path | str) -> dict[str, Any]:
    """The object that a JSON file holds.

    Raises:
        MissingInput: as `read_text` has it.
        ShardError: it is not text, not JSON or no object.
    """
    try:
        found = json.loads(read_text(path))
    except ValueError as error:
        raise ShardError(f"{path} is not JSON ({error}): mend it, or delete it and make it anew") from error
    if not isinstance(found, dict):
        raise ShardError(f"{path} must hold an object, found {type(found).__name__}: mend it, or delete it")
    return found
