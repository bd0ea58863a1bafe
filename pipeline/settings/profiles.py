"""Profiles, and params.yaml, which is written from them and alone in force.

profiles/world.yaml holds every setting; each other profile holds what differs from it. `use` writes both, merged, to
params.yaml, which DVC and the code read and nothing else: a line that is changed there, or by `dvc exp run -S`, wins.
The file has the form that DVC gives it when it changes a line, so that a change is one line.
"""

import dataclasses
import hashlib
import io
import json
import os
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import SettingsError, did_you_mean
from pipeline.settings.sections import Settings

PARAMS = Path("params.yaml")
PROFILES = Path("profiles")
BASE = "world"
SCHEMA = "# yaml-language-server: $schema=pipeline/settings/params.schema.json"
HEADER = f"""{SCHEMA}
# The settings in force: DVC and the code read these and no others. `likeness use PROFILE` writes this file from
# profiles/; what is changed here, or by `dvc exp run -S train.images=1000`, wins over the profile.
"""


def use(profile: str, params: Path = PARAMS, profiles: Path = PROFILES) -> list[str]:
    """Put a profile in force: write params.yaml from it.

    Returns:
        A line for every setting of params.yaml that was not the former profile's and is another one now.

    Raises:
        SettingsError: there is no such profile, the message names the closest one; or it has an unknown setting.
    """
    values = resolve(profile, profiles)
    new, former = dict(_leaves(values)), own(params, profiles) if params.exists() else {}
    lost = [f"{name}: {ours} is now {new.get(name)}" for name, (ours, _) in former.items() if new.get(name) != ours]
    temporary = params.with_name(f".{params.name}.writing")
    temporary.write_text(written(profile, values))
    os.replace(temporary, params)
    return lost


def resolve(profile: str, profiles: Path = PROFILES) -> dict[str, Any]:
    """A profile's settings: those of the base with its own laid over them.

    Raises:
        SettingsError: there is no such profile, or it has a setting that the base lacks.
    """
    known = [path.stem for path in profiles.glob("*.yaml")]
    if profile not in known:
        raise SettingsError(f"no {profile}.yaml in {profiles}/{did_you_mean(profile, known)}")
    base = mapping(profiles / f"{BASE}.yaml")
    where = profiles / f"{profile}.yaml"
    return base if profile == BASE else merge(base, mapping(where), str(where))


def merge(
    base: Mapping[str, Any], overrides: Mapping[str, Any], where: str, path: str = "", section: type = Settings
) -> dict[str, Any]:
    """`base` with the values of `overrides`; sections are merged key by key, other mappings (crawl.hosts) replaced.

    Raises:
        SettingsError: an override names a key that `base` does not have.
    """
    merged, kinds = dict(base), typing.get_type_hints(section)
    for key, value in overrides.items():
        if key not in base:
            raise SettingsError(f"{where}: unknown setting {path}{key}{did_you_mean(str(key), base)}")
        kind = kinds.get(key)
        if dataclasses.is_dataclass(kind):
            if not isinstance(value, Mapping):
                raise SettingsError(f"{where}: {path}{key} must be a section, found {value!r}")
            merged[key] = merge(base[key], value, where, f"{path}{key}.", typing.cast(type, kind))
        else:
            merged[key] = value
    return merged


def digest(values: Mapping[str, Any]) -> str:
    """A fingerprint of settings, comments and order apart."""
    text = json.dumps(values, sort_keys=True, default=str)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def written(profile: str, values: Mapping[str, Any]) -> str:
    """The text of params.yaml with these settings in force."""
    parts: dict[str, Any] = {"profile": profile}
    sections = {field.name for field in dataclasses.fields(Settings)} & set(values)
    kinds = typing.get_type_hints(Settings)
    parts |= {name: values[name] for name in values if not dataclasses.is_dataclass(kinds.get(name))}
    parts["profile_digest"] = digest(values)
    texts = [_dump(parts)]
    texts += [_dump({name: values[name]}) for name in values if name in sections and name not in parts]
    return HEADER + "\n".join(texts)


def own(params: Path = PARAMS, profiles: Path = PROFILES) -> dict[str, tuple[Any, Any]]:
    """The settings of params.yaml that its profile has otherwise: dotted name -> value in force, the profile's value.

    A file that names no profile, or one that is not there, has none.
    """
    found = mapping(params)
    profile = str(found.get("profile", ""))
    if not (profiles / f"{profile}.yaml").exists():
        return {}
    theirs = dict(_leaves(resolve(profile, profiles)))
    ours = {name: value for name, value in _leaves(found) if name not in ("profile", "profile_digest")}
    return {name: (value, theirs.get(name)) for name, value in ours.items() if theirs.get(name) != value}


def mapping(path: Path) -> dict[str, Any]:
    """The content of a YAML file of sections.

    Raises:
        SettingsError: it is absent, not YAML, or holds something else.
    """
    try:
        loaded = yaml.safe_load(path.read_text()) or {}
    except FileNotFoundError as error:
        raise SettingsError(f"{path} does not exist: run from the project's root") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(loaded, dict):
        raise SettingsError(f"{path} must hold sections, found {loaded!r}")
    return loaded


def _leaves(values: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping) and f"{path}{name}" != "crawl.hosts":
            yield from _leaves(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def _dump(values: Mapping[str, Any]) -> str:
    # DVC's own writer, with DVC's own settings: what it writes again later comes out the same.
    from ruamel.yaml import YAML

    writer, stream = YAML(), io.StringIO()
    writer.default_flow_style = False
    writer.dump(dict(values), stream)
    return stream.getvalue()
