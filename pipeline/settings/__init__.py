"""The settings of a run: params.yaml, which is written from profiles/, as typed values with ranges.

fields       what a setting may be
sections     the settings themselves, a dataclass per section
sources      the settings of a source of photographs
build        plain values to a dataclass, with errors of one sentence
profiles     params.yaml is written from a profile
load         params.yaml is read
schema       what editors know of it
"""

from pipeline.settings.build import build
from pipeline.settings.load import check_method, describe, load, parse_reference_count
from pipeline.settings.profiles import PARAMS, PROFILES, merge, own, use
from pipeline.settings.sections import (
    CrawlSettings,
    EvaluateSettings,
    FacesSettings,
    GenerateSettings,
    IdentitiesSettings,
    Models,
    ReportSettings,
    SamplesSettings,
    Settings,
    ShapesSettings,
    TrainSettings,
    WorldSettings,
)
from pipeline.settings.sources import SourceSettings

__all__ = [
    "PARAMS",
    "PROFILES",
    "CrawlSettings",
    "EvaluateSettings",
    "FacesSettings",
    "GenerateSettings",
    "IdentitiesSettings",
    "Models",
    "ReportSettings",
    "SamplesSettings",
    "Settings",
    "ShapesSettings",
    "SourceSettings",
    "TrainSettings",
    "WorldSettings",
    "build",
    "check_method",
    "describe",
    "load",
    "merge",
    "own",
    "parse_reference_count",
    "use",
]
