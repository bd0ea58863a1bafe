"""What was run: settings, weights with licences, code and data fingerprints, stage figures, training, the data set."""

import json
import math
import subprocess
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors import safe_open

from pipeline import licences, shards
from pipeline.code import project_fingerprint
from pipeline.encoders.judges import dlib_files
from pipeline.report import charts, tables
from pipeline.settings import Settings

STAGES = ("world", "crawl", "faces", "identities", "shapes", "samples")


@dataclass(frozen=True)
class Fact:
    """One name and its value."""

    name: str
    value: str


@dataclass(frozen=True)
class Group:
    """Facts under a heading."""

    title: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class Weights:
    """One pretrained part, or weights that this run did not train."""

    role: str
    path: str
    released: str  # the published files that they were converted from, with fingerprints; mostly empty
    licence: str
    megabytes: str
    fingerprint: str


@dataclass(frozen=True)
class Training:
    """How one method was trained."""

    method: str
    facts: tuple[Fact, ...]
    chart: str


@dataclass(frozen=True)
class Chart:
    """A chart and what it shows."""

    title: str
    svg: str


@dataclass(frozen=True)
class DataCard:
    """The data set that the run made."""

    facts: tuple[Fact, ...]
    sources: tuple[Fact, ...]  # licence, collection mode and legal basis with photo counts
    charts: tuple[Chart, ...]


def settings_groups(settings: Settings) -> list[Group]:
    """Every setting in force, a group per section."""
    values = asdict(settings)
    plain = {name: value for name, value in values.items() if not isinstance(value, dict)}
    sections = {name: value for name, value in values.items() if isinstance(value, dict)}
    return [Group(title, tuple(flat(section))) for title, section in {"run": plain, **sections}.items()]


def flat(values: Mapping[str, Any], path: str = "") -> Iterator[Fact]:
    """Nested values as facts with names like `outcomes · kept`."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{path}{name} · ")
        else:
            yield Fact(f"{path}{name}", text(value))


def stage_groups(data: Path) -> list[Group]:
    """The figures that each data stage wrote about itself."""
    return [
        Group(stage, tuple(flat(json.loads(path.read_text()))))
        for stage in STAGES
        if (path := data / stage / shards.METRICS).is_file()
    ]


def weights(settings: Settings, folder: Path, elsewhere: Sequence[str]) -> list[Weights]:
    """The pretrained parts, and what this run did not train, with their licences, as they state them.

    `folder` holds weights by name; images that were made elsewhere have none.
    """
    parts = {name.rpartition(".")[2]: Path(path) for name, path in settings.parts().items()}
    others = {name: folder / name for name in elsewhere if (folder / name / licences.CARD).is_file()}
    return [_weights(name, path) for name, path in {**parts, **others}.items()]


def _weights(role: str, path: Path) -> Weights:
    files = _files(path)
    size = sum(each.stat().st_size for each in files) / 1e6
    licence, card = licences.of(path), path / licences.CARD
    released = json.loads(card.read_text()).get("released", {}) if card.is_file() else {}
    made_of = ", ".join(f"{name} {fingerprint}" for name, fingerprint in released.items())
    return Weights(role, str(path), made_of, licence, f"{size:.1f}", shards.file_fingerprint(files))


def _files(path: Path) -> list[Path]:
    if licences.is_dlib(path):
        return dlib_files(str(path))
    return [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]


def run_facts(settings: Settings, data: Path, benchmark: str, cases: int) -> list[Fact]:
    """What names this run: profile, benchmark, code and data."""
    ablations = [name for name in settings.drawn if "-" in name]
    shard_names = [str(path.relative_to(data)) for path in sorted(data.rglob("*.parquet"))]
    return [
        Fact("profile", settings.profile),
        Fact("benchmark", f"{benchmark}, {cases} cases"),
        Fact("methods", ", ".join(tables.label(name) for name in settings.methods if "-" not in name)),
        *([Fact("ablations", text(len(ablations)))] if ablations else []),
        Fact("training images seen per method", text(settings.train.images)),
        Fact("seeds", f"samples {settings.samples.seed}, train {settings.train.seed}, report {settings.report.seed}"),
        Fact("intervals", f"{settings.report.confidence:.0%}, {settings.report.draws:,} draws of people"),
        Fact("code", f"{project_fingerprint()} (commit {commit()})"),
        Fact("data", f"{shards.fingerprint(shard_names)} ({len(shard_names)} shards)"),
    ]


def commit() -> str:
    """The checkout's commit, `unknown` outside a git checkout."""
    command = ["git", "rev-parse", "--short=12", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def training(settings: Settings, folder: Path) -> list[Training]:
    """Loss curves and costs of the run's methods."""
    return [
        Training(method, _training_facts(folder / method), _loss_chart(folder / method))
        for method in settings.methods
        if (folder / method).is_dir()
    ]


def _training_facts(folder: Path) -> tuple[Fact, ...]:
    path = folder / shards.METRICS
    measured = json.loads(path.read_text()) if path.is_file() else {}
    return tuple(flat(measured | _parameters(folder / "adapter.safetensors")))


def _parameters(weights: Path) -> dict[str, int]:
    """How many numbers all phases of a training have left, but for the features of no reference."""
    if not weights.is_file():
        return {}
    with safe_open(weights, framework="np") as stored:
        names = [name for name in stored.keys() if not name.startswith("null_")]  # noqa: SIM118
        return {"trainable_parameters": sum(math.prod(stored.get_slice(name).get_shape()) for name in names)}


def curve(folder: Path) -> pd.DataFrame:
    """curve.csv of a trained method: images seen and loss terms; empty where there is none."""
    path = folder / "curve.csv"
    return pd.read_csv(path) if path.is_file() else pd.DataFrame(columns=["images"])


def _loss_chart(folder: Path) -> str:
    table = curve(folder)
    terms = [name for name in table.columns if name != "images"]
    series = {name: list(table[["images", name]].dropna().itertuples(index=False, name=None)) for name in terms}
    return charts.curves(series, f"Loss terms of {folder.name}", "training images seen")


def data_card(data: Path) -> DataCard:
    """People, photographs and where they came from."""
    people = shards.read_all(data / "identities", "people").to_pandas()
    faces = shards.read_all(data / "faces", "faces", ["yaw", "reject", "index"]).to_pandas()
    photos = shards.read_all(data / "crawl", "photos", ["licence", "collection_mode", "legal_basis"]).to_pandas()
    kept = faces[faces["reject"].isna() & (faces["index"] >= 0)]
    most = max(int(people["faces"].max()), 2) if len(people) else 2
    step = max(1, -(-most // 24))
    facts = (
        Fact("photographs", text(len(photos))),
        Fact("faces kept", text(len(kept))),
        Fact("people", text(len(people))),
        Fact("faces per person", f"{people['faces'].mean():.1f}" if len(people) else "–"),
        Fact("cohesion of a person (mean cosine)", f"{people['cohesion'].mean():.3f}" if len(people) else "–"),
        Fact("margin to the nearest other", f"{people['margin'].mean():.3f}" if len(people) else "–"),
    )
    sources = Counter(photos.itertuples(index=False, name=None))
    return DataCard(
        facts,
        tuple(Fact(", ".join(source), f"{count:,} photographs") for source, count in sorted(sources.items())),
        (
            _histogram(people["faces"], list(range(0, most + step + 1, step)), "Faces per person", "faces"),
            _histogram(kept["yaw"], list(range(-90, 91, 10)), "Yaw of the faces kept", "degrees"),
        ),
    )


def score_groups(folder: Path) -> list[Group]:
    """What the recognisers' scales were fitted on, and the scales."""
    path = folder / shards.METRICS
    if not path.is_file():
        return []
    values = json.loads(path.read_text())
    scales = values.pop("calibration", {})
    named = {f"Recogniser {name.upper()}": scale for name, scale in scales.items()}
    groups = {"Fitted on real faces of test people": values, **named}
    return [Group(title, tuple(flat(each))) for title, each in groups.items()]


def _histogram(values: Sequence[float], edges: Sequence[float], title: str, unit: str) -> Chart:
    return Chart(title, charts.histogram(values, edges, title, unit))


def text(value: Any) -> str:
    """A setting or figure for reading: 10.0 is 10, thousands are set apart."""
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    if isinstance(value, list | tuple):
        return ", ".join(str(each) for each in value)
    return str(value)
