"""params.yaml and a profile's overrides, as typed settings. Unknown keys are errors.

`profile:` in params.yaml names the file in profiles/ that is laid over it. A profile changes where weights and images
come from and how much is made, never which code runs.
"""

import argparse
import dataclasses
import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from pipeline import licences
from pipeline.errors import SettingsError, did_you_mean, run

Section = TypeVar("Section")

PARAMS = Path("params.yaml")
PROFILES = Path("profiles")
# DVC makes a stage of each entry, and reads them in params.yaml alone: `use` writes a profile's lists there.
LISTS = ("methods", "fewer_references")


@dataclass(frozen=True)
class Models:
    """Where the pretrained parts lie: the pack of the world, or published weights."""

    recogniser_a: str  # FaceAnalysis directory that detects, finds landmarks, conditions and may supervise
    recogniser_b: str  # FaceAnalysis directory that only scores
    recogniser_c: str  # FaceAnalysis directory that only scores
    image_text: str  # open_clip directory
    backbone: str  # diffusers pipeline directory
    head: str  # 3D head, .npz of ours
    allow_non_commercial: bool  # false: a part whose licence is not known to allow commercial use stops the run


@dataclass(frozen=True)
class WorldSettings:
    """The drawn population and its gallery web site. people: 0 writes an empty site."""

    people: int
    portraits_per_person: int
    groups: int
    circle: int  # people who appear in groups with each other: a split never cuts a circle
    seed: int
    photos_per_shard: int


@dataclass(frozen=True)
class CrawlSettings:
    """What is fetched, how politely, and on which legal basis."""

    seeds: tuple[str, ...]  # page URLs where the crawl starts
    url_lists: tuple[str, ...]  # text files with one image URL per line, a tab and a caption may follow it
    scope: tuple[str, ...]  # host patterns that may be asked at all: nothing is collected untargeted
    serve: str  # folder that is served over loopback during the crawl; empty: none
    hosts: Mapping[str, str]  # host pattern -> loopback address or address:port; without a port, that of `serve`
    user_agent: str
    collection_mode: str  # consented, licensed or targeted
    legal_basis: str
    licence: str  # SPDX id of the pictures
    requests_per_second: float  # per host
    connections_per_host: int
    retries: int
    timeout_seconds: float
    max_bytes: int
    min_side: int  # pixels
    max_pages: int
    max_depth: int  # clicks from a seed page
    takedown: str  # text file with a URL, sha256 or photo id per line that is never kept again; empty: none
    near_duplicate_bits: int  # differing bits of the perceptual hash up to which two pictures are one
    photos_per_shard: int


@dataclass(frozen=True)
class FacesSettings:
    """Detection, alignment, embedding and grading of faces."""

    detector_size: int  # pixels, a multiple of 32
    detector_threshold: float  # score from which a face gets a row at all
    landmarks: str  # recogniser (the pack's 68 points) or face_alignment
    landmark_weights: str  # directory with face-alignment's weight files; empty with landmarks: recogniser
    min_score: float  # of the detector, below which a row is rejected
    min_face: int  # pixels, shorter side of the box
    min_sharpness: float  # spread of the Laplacian over spread of the grey level: most photos have 0.15 to 0.7
    max_yaw: float  # degrees


@dataclass(frozen=True)
class IdentitiesSettings:
    """Clustering of embeddings into identities; nothing here is fitted on labels."""

    neighbours: int  # of each face, by cosine, that are candidates for its person
    min_faces: int  # fewer make no identity
    min_cohesion: float  # mean cosine over the pairs of an identity's faces


@dataclass(frozen=True)
class ShapesSettings:
    """Fitting of the 3D head to landmarks."""

    landmark_noise: (
        float  # expected error of a landmark, share of the outer eye distance: what the priors weigh against
    )
    contour_weight: float  # of the jaw line's 17 points, whose place along the skin nobody marks; inner points weigh 1
    shape_weight: float  # of the normal prior on shape coefficients
    expression_weight: float  # of the normal prior on expression coefficients
    iterations: int
    max_residual: float  # share of the outer eye distance
    identities_per_shard: int


@dataclass(frozen=True)
class SamplesSettings:
    """Captions, splits and training shards."""

    validation_share: float  # of the people
    test_share: float  # of the people
    references: int  # photos per person that generators are given; the rest is held out to score against
    photos_per_shard: int
    benchmark: str  # what is asked for, pipeline/benchmark/prompts/<name>.yaml
    cases: tuple[int, ...]  # casts of one person, of two, of three, ...
    seeds: int  # images per cast and prompt
    seed: int  # of the split


@dataclass(frozen=True)
class TrainSettings:
    """The budget that every method gets, and how it is spent."""

    images: int  # training images seen, summed over a method's stages
    batch: int  # images per step over all ranks
    ranks: int  # processes of one thread each
    learning_rate: float
    min_snr_gamma: float  # limit of the timesteps' signal-to-noise weights
    face_weight: float  # how much more a position within a face counts in the loss
    close_ups: float  # share of the steps on photos of one person that show close-ups, at a quarter of the cost
    half: bool  # calculate in bfloat16 where that is safe and the device is fast at it; weights stay float32
    checkpoint_seconds: float
    preview_images: int
    seed: int


@dataclass(frozen=True)
class GenerateSettings:
    """Sampling of benchmark cases."""

    protocols: tuple[str, ...]  # free, layout
    references: int  # photos of each person that a method is given, best first
    steps: int  # of DDIM
    guidance: float
    eta: float  # share of DDPM's noise that is added back after every step; 0 is deterministic DDIM
    half: bool  # the UNet calculates in bfloat16 where the device is fast at it
    cases_per_shard: int


@dataclass(frozen=True)
class EvaluateSettings:
    """Metrics and the faces they score."""

    detector_size: int
    detector_threshold: float


@dataclass(frozen=True)
class ReportSettings:
    """Statistics and pages."""

    title: str
    draws: int  # bootstrap draws
    confidence: float
    gallery_cases: int
    seed: int


@dataclass(frozen=True)
class Settings:
    """Everything a run depends on; one section per stage."""

    profile: str
    models: Models
    methods: tuple[str, ...]  # trained: <method> or <method>-<variant>
    fewer_references: tuple[str, ...]  # <method>-<n>_references: drawn by a trained method from n photos of a person
    bounds: tuple[str, ...]  # what is generated beside the methods: pipeline/benchmark/bounds.py
    metrics: tuple[str, ...]
    world: WorldSettings
    crawl: CrawlSettings
    faces: FacesSettings
    identities: IdentitiesSettings
    shapes: ShapesSettings
    samples: SamplesSettings
    train: TrainSettings
    generate: GenerateSettings
    evaluate: EvaluateSettings
    report: ReportSettings

    @property
    def drawn(self) -> tuple[str, ...]:
        """All that draws the cases beside the bounds."""
        return (*self.methods, *self.fewer_references)

    def parts(self) -> dict[str, str]:
        """The pretrained parts: the setting that names one -> its directory or file."""
        models = {f"models.{name}": value for name, value in dataclasses.asdict(self.models).items()}
        named = {**models, "faces.landmark_weights": self.faces.landmark_weights}
        return {name: path for name, path in named.items() if isinstance(path, str) and path}


def load(params: Path = PARAMS, profiles: Path = PROFILES) -> Settings:
    """Read params.yaml and lay the profile that it names over it.

    Every stage begins with this, so it is also where parts that the run may not use are refused.

    Raises:
        SettingsError: a file is missing or not YAML, a key is unknown or missing, or a value has the wrong type.
        LicenceError: a part's licence is not known to allow commercial use, and models.allow_non_commercial is false.
    """
    base = _mapping(params)
    name = str(base.get("profile", ""))
    overrides = _mapping(profiles / f"{name}.yaml")
    _check_lists(base, overrides, name, params)
    settings = build(Settings, merge(base, overrides, str(profiles / f"{name}.yaml")), str(params))
    if not settings.models.allow_non_commercial:
        licences.check(settings.parts())
    return settings


def parse_reference_count(name: str) -> tuple[str, int | None]:
    """The method of <method>-<n>_references, and n; None for a name that says nothing of references."""
    found = re.fullmatch(r"(.+)-([1-9]\d*)_references", name)
    return (found[1], int(found[2])) if found else (name, None)


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
            raise SettingsError(f"{where}: unknown setting {path}{key}{did_you_mean(key, base)}")
        inner, kind = base[key], kinds.get(key)
        nested = dataclasses.is_dataclass(kind) and isinstance(inner, Mapping) and isinstance(value, Mapping)
        merged[key] = merge(inner, value, where, f"{path}{key}.", typing.cast(type, kind)) if nested else value
    return merged


def build(cls: type[Section], values: Any, where: str, path: str = "") -> Section:
    """Build a settings dataclass from plain YAML values, checking names and types.

    Raises:
        SettingsError: naming the file, the dotted setting and what was expected.
    """
    if not isinstance(values, Mapping):
        raise SettingsError(f"{where}: {path.rstrip('.') or 'the file'} must be a section, found {values!r}")
    fields = typing.get_type_hints(cls)
    for key in values:
        if key not in fields:
            raise SettingsError(f"{where}: unknown setting {path}{key}{did_you_mean(key, fields)}")
    if absent := [name for name in fields if name not in values]:
        raise SettingsError(f"{where}: missing setting {path}{absent[0]}: add it")
    return cls(**{name: _value(kind, values[name], where, f"{path}{name}") for name, kind in fields.items()})


def _value(kind: Any, value: Any, where: str, path: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return build(typing.cast(type, kind), value, where, f"{path}.")
    origin = typing.get_origin(kind)
    if origin is tuple and isinstance(value, list):
        return tuple(_value(typing.get_args(kind)[0], item, where, path) for item in value)
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping) and isinstance(value, Mapping):
        return dict(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(kind, type) and type(value) is kind:
        return value
    raise SettingsError(f"{where}: {path} must be {_name(kind)}, found {value!r}")


def _name(kind: Any) -> str:
    return {"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false"}.get(
        getattr(kind, "__name__", ""), "a list" if typing.get_origin(kind) is tuple else str(kind)
    )


def _mapping(path: Path) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(path.read_text()) or {}
    except FileNotFoundError as error:
        raise SettingsError(f"{path} does not exist: run from the project's root, or mend `profile:`") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is not YAML: {error}") from error
    if not isinstance(loaded, dict):
        raise SettingsError(f"{path} must hold sections, found {loaded!r}")
    return loaded


def use(profile: str, params: Path = PARAMS, profiles: Path = PROFILES) -> None:
    """Make `profile` the one that params.yaml names, with its lists of what is trained and drawn.

    The rest of the file, comments included, stays as it is.

    Raises:
        SettingsError: there is no such profile; the message names the closest one.
    """
    known = [path.stem for path in profiles.glob("*.yaml")]
    if profile not in known:
        raise SettingsError(f"no {profile}.yaml in {profiles}/{did_you_mean(profile, known)}")
    lists = {name: value for name, value in _mapping(profiles / f"{profile}.yaml").items() if name in LISTS}
    text = params.read_text()
    for name, value in {"profile": profile, **{name: f"[{', '.join(value)}]" for name, value in lists.items()}}.items():
        text = re.sub(rf"^{name}:.*$(\n *- .*$)*", f"{name}: {value}", text, count=1, flags=re.MULTILINE)
    params.write_text(text)


def _check_lists(base: Mapping[str, Any], overrides: Mapping[str, Any], profile: str, params: Path) -> None:
    for name in LISTS:
        if name in overrides and overrides[name] != base.get(name):
            raise SettingsError(
                f"{params}: {name} is {base.get(name)}, profile {profile} has {overrides[name]}; DVC reads only "
                f"{params.name}: run `python -m pipeline.settings use {profile}`"
            )


def main() -> None:
    """`python -m pipeline.settings use real` chooses a profile; without arguments the settings in force are printed."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("use", nargs="*", metavar="use PROFILE", help="choose a profile from profiles/")
    words = parser.parse_args().use
    if len(words) == 2 and words[0] == "use":
        use(words[1])
    elif words:
        parser.error(f"expected `use PROFILE`, found {' '.join(words)}")
    print(yaml.safe_dump(dataclasses.asdict(load()), sort_keys=False), end="")


if __name__ == "__main__":
    run(main)
