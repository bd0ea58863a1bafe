"""JSON schemas of params.yaml and of profiles, for editors. `python -m pipeline.settings schema` writes them."""

import json
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from pipeline.settings.sections import Settings
from pipeline.settings.sources import SourceSettings

FOLDER = Path(__file__).parent
PARAMS, PROFILE = "params.schema.json", "profile.schema.json"


def texts() -> dict[str, str]:
    """File name -> content. A profile holds some of the settings, and none says what profile it is."""
    params = TypeAdapter(Settings).json_schema()
    params["additionalProperties"] = False
    for section in params["$defs"].values():
        section["additionalProperties"] = False
    profile = json.loads(json.dumps(params))
    profile["description"] = "A profile: the settings that differ from those of profiles/world.yaml, which has all."
    sections = [kind for name, kind in profile["$defs"].items() if name != SourceSettings.__name__]
    for section in (profile, *sections):
        del section["required"]
    for name in ("profile", "profile_digest"):
        del profile["properties"][name]
    return {PARAMS: _text(params), PROFILE: _text(profile)}


def write(folder: Path = FOLDER) -> None:
    """Write both schemas."""
    for name, text in texts().items():
        (folder / name).write_text(text)


def _text(schema: dict[str, Any]) -> str:
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=2) + "\n"
