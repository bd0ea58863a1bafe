"""params.yaml to typed settings: what every command begins with."""

import ast
import dataclasses
import re
from collections.abc import Iterable
from pathlib import Path

import yaml

from pipeline import licences, plugins
from pipeline.errors import SettingsError, did_you_mean
from pipeline.settings import profiles as files
from pipeline.settings import sources
from pipeline.settings.build import build
from pipeline.settings.profiles import PARAMS, PROFILES
from pipeline.settings.sections import Settings

PACKAGE = Path(__file__).parent.parent
PROMPTS = Path("pipeline/benchmark/prompts")  # from the project's root, as settings name files


def load(params: Path = PARAMS, profiles: Path = PROFILES) -> Settings:
    """Read params.yaml, the settings in force.

    Every stage begins with this, so it is also where parts that the run may not use are refused.

    Raises:
        SettingsError: a file is missing or not YAML, a key is unknown or missing, a value has the wrong type or is out
            of its range, a name is nobody's, or params.yaml was not written from its profile as that is now.
        LicenceError: a part's licence is not known to allow commercial use, and models.allow_non_commercial is false.
    """
    settings = build(Settings, files.mapping(params), str(params))
    _check_profile(settings, params, profiles)
    _check_together(settings, str(params))
    check_names(settings, str(params))
    if not settings.models.allow_non_commercial:
        licences.check(settings.parts())
    return settings


def describe(params: Path = PARAMS, profiles: Path = PROFILES) -> str:
    """The settings in force as YAML, and above them those that the profile has otherwise.

    Raises:
        SettingsError, LicenceError: as `load` does.
    """
    values = dataclasses.asdict(load(params, profiles))
    changed = files.own(params, profiles)
    lines = [f"# {name}: {ours}, in profile {values['profile']} {theirs}\n" for name, (ours, theirs) in changed.items()]
    return "".join(lines) + yaml.safe_dump(_lists(values), sort_keys=False)


def check_names(settings: Settings, where: str) -> None:
    """Refuse methods, variants, metrics and prompts that have no file.

    Raises:
        SettingsError: naming the list, the name and the closest one that there is.
    """
    trained = [("methods", name) for name in settings.methods]
    for name in settings.fewer_references:
        method, count = parse_reference_count(name)
        if count is None:
            raise SettingsError(f"{where}: fewer_references must name <method>-<n>_references, n from 1, found {name}")
        trained.append(("fewer_references", method))
    for setting, name in trained:
        check_method(name, f"{where}: {setting}")
    for name in settings.metrics:
        _known(name, plugins.names("metrics"), f"{where}: metrics: no metric {name}")
    _check_prompts(Path(settings.samples.benchmark), f"{where}: samples.benchmark")


def _check_prompts(file: Path, where: str) -> None:
    if not file.is_file():
        known = sorted(str(PROMPTS / path.name) for path in (PACKAGE.parent / PROMPTS).glob("*.yaml"))
        raise SettingsError(f"{where}: no prompt file {file}; there are {', '.join(known)}, and you may write your own")


def check_method(name: str, where: str) -> None:
    """Refuse `<method>` or `<method>-<variant>` that has no file; nothing is imported.

    Raises:
        SettingsError: naming the closest one that there is.
    """
    method, _, variant = name.partition("-")
    _known(method, plugins.names("methods"), f"{where}: no method {method}")
    if variant and (known := _variants(method)):
        _known(variant, known, f"{where}: {method} has no variant {variant}")


def parse_reference_count(name: str) -> tuple[str, int | None]:
    """The method of <method>-<n>_references, and n; None for a name that says nothing of references."""
    found = re.fullmatch(r"(.+)-([1-9]\d*)_references", name)
    return (found[1], int(found[2])) if found else (name, None)


def _known(name: str, known: Iterable[str], complaint: str) -> None:
    known = list(known)
    if name not in known:
        raise SettingsError(f"{complaint}{did_you_mean(name, known)}")


def _variants(method: str) -> list[str]:
    """The keys of VARIANTS as a method's file has them: importing it takes seconds. None where they are not plain."""
    file = PACKAGE / "methods" / f"{method}.py"
    found: list[str] = []
    for path in [file] if file.exists() else sorted(file.with_suffix("").glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if not isinstance(node, ast.Assign | ast.AnnAssign) or not isinstance(node.value, ast.Dict):
                continue
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            if isinstance(target, ast.Name) and target.id == "VARIANTS":
                found += [str(key.value) for key in node.value.keys if isinstance(key, ast.Constant) and key.value]
                if not all(isinstance(key, ast.Constant) for key in node.value.keys):
                    return []
    return found


def _check_profile(settings: Settings, params: Path, profiles: Path) -> None:
    known = [path.stem for path in profiles.glob("*.yaml")]
    if settings.profile not in known:
        close = did_you_mean(settings.profile, known)
        raise SettingsError(f"{params}: no profile {settings.profile} in {profiles}/{close}")
    if settings.profile_digest != files.digest(files.resolve(settings.profile, profiles)):
        raise SettingsError(
            f"{params} was not written from {profiles}/{settings.profile}.yaml as it is now, so that what stands there "
            f"would not count: run `likeness use {settings.profile}`"
        )


def _check_together(settings: Settings, where: str) -> None:
    """What one number says about another."""
    train, samples, faces = settings.train, settings.samples, settings.faces
    sources.check(settings.crawl.sources, where)
    if train.batch % train.ranks:
        raise SettingsError(
            f"{where}: train.batch must be a multiple of train.ranks {train.ranks}, found {train.batch}"
        )
    if train.images < train.batch:
        raise SettingsError(f"{where}: train.images must be at least train.batch {train.batch}, found {train.images}")
    if samples.validation_share + samples.test_share > 1:
        raise SettingsError(
            f"{where}: samples.validation_share and samples.test_share must be at most 1 together, found "
            f"{samples.validation_share} and {samples.test_share}"
        )
    if samples.captions != "page" and not settings.models.captioner:
        raise SettingsError(
            f"{where}: models.captioner must name a directory with samples.captions: {samples.captions}, or set "
            "samples.captions: page"
        )
    if faces.landmarks == "face_alignment" and not faces.landmark_weights:
        raise SettingsError(f"{where}: faces.landmark_weights must name a directory with landmarks: face_alignment")


def _lists(value: object) -> object:
    if isinstance(value, dict):
        return {name: _lists(each) for name, each in value.items()}
    return [_lists(each) for each in value] if isinstance(value, tuple) else value
