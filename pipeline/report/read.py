"""Reads data/scores and the metrics' cards into what the leaderboard is made from."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline import plugins, shards
from pipeline.errors import MissingInput
from pipeline.evaluate import outside
from pipeline.metric import Card
from pipeline.report import board
from pipeline.settings import Settings

REAL = "real"  # the folder that holds what the scoring models see in test photos
FEWEST_PHOTOGRAPHS = 10  # below this many, a distance between sets means nothing


def scored(folder: Path) -> list[str]:
    """The names below data/scores.

    Raises:
        MissingInput: there are none.
    """
    names = sorted(path.name for path in folder.glob("*") if path.name != REAL and shards.finished(path, "scores"))
    if not names:
        raise MissingInput(f"no scores in {folder}: run the evaluate stage first")
    return names


def methods(settings: Settings) -> list[str]:
    """What is ranked: the run's full forms in its order."""
    return [name for name in settings.drawn if name not in ablations(settings)]


def elsewhere(names: Sequence[str], settings: Settings) -> list[str]:
    """What the run did not train: folders of images, published weights."""
    return [name for name in names if name not in (*settings.drawn, *settings.bounds)]


def ablations(settings: Settings) -> dict[str, str]:
    """<method>-<variant> and <method>-<n>_references -> <method>, in the run's order."""
    return {name: name.partition("-")[0] for name in settings.drawn if "-" in name}


def cards(metrics: Sequence[str]) -> list[Card]:
    """The cards of the run's metrics, in its order."""
    return [card for name in metrics for card in plugins.load("metrics", name).CARDS]


def table(folder: Path, names: Sequence[str], kind: str) -> pd.DataFrame:
    """All rows of a kind (scores, found, features) with the folder's name as `method` where they have none."""
    # by case: draws of resampling must not follow from the names of shards
    pieces = [
        shards.read_all(folder / name, kind).to_pandas().sort_values(["protocol", "case_id"], kind="stable")
        for name in names
    ]
    return pd.concat(
        [piece if "method" in piece else piece.assign(method=name) for name, piece in zip(names, pieces, strict=True)],
        ignore_index=True,
    )


def inputs(folder: Path, settings: Settings) -> board.Inputs:
    """Everything that the leaderboard is made from.

    Raises:
        MissingInput: nothing was scored.
    """
    names = scored(folder)
    return board.Inputs(
        scores=board.named(_scores(folder, names, settings), settings.methods),
        features=table(folder, names, "features"),
        photographs=photographs(folder / REAL),
        cards=[*cards(settings.metrics), *map(outside.card, outside.titles(settings.models.outside))],
        distances=distances(settings.metrics),
        methods=methods(settings),
        draws=settings.report.draws,
        confidence=settings.report.confidence,
        seed=settings.report.seed,
        ablations=ablations(settings),
        elsewhere=elsewhere(names, settings),
    )


def _scores(folder: Path, names: Sequence[str], settings: Settings) -> pd.DataFrame:
    """All rows of the metrics and, where there are any, of the judges from outside."""
    found = table(folder, names, "scores")
    judged = [name for name in names if shards.finished(folder / name, outside.KIND)] if settings.models.outside else []
    return pd.concat([found, table(folder, judged, outside.KIND)], ignore_index=True) if judged else found


def distances(metrics: Sequence[str]) -> dict[str, board.Distance]:
    """The set distances among the metrics, by card name."""
    modules = [plugins.load("metrics", name) for name in metrics]
    return {
        card.name: module.distance
        for module in modules
        if hasattr(module, "distance")
        for card in module.CARDS
        if not card.share_of
    }


def photographs(folder: Path) -> dict[int, board.Photographs]:
    """The real test photographs by number of people, where there are enough."""
    rows = shards.read_all(folder, "features").to_pandas().sort_values("case_id", kind="stable")
    return {
        int(people): board.Photographs(np.stack(list(own["embedding"])), [list(cast) for cast in own["identity_ids"]])
        for people, own in rows.groupby("people")
        if len(own) >= FEWEST_PHOTOGRAPHS
    }
