"""What training shows while it runs: loss terms, throughput and previews by DVCLive, and the loss curve as CSV.

`live/` is for looking; `curve.csv` follows from the run alone, and a run that was killed writes the same one.
"""

import csv
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from dvclive import Live

from pipeline import shards
from pipeline.images import Pixels

EVERY = 20  # steps per line
CURVE = "curve.csv"


class TrainingLogger:
    """Means of the loss terms over EVERY steps, written by the first rank only; one logger per phase."""

    def __init__(self, folder: Path, writes: bool, images: int) -> None:
        """Go on where `images` were seen; lines of a killed run beyond that are dropped."""
        options: dict[str, Any] = {"dvcyaml": None, "save_dvc_exp": False, "monitor_system": False}
        self._live = Live(str(folder / "live"), resume=images > 0, **options) if writes else None
        self._path = folder / CURVE
        self._lines = [line for line in _read(self._path) if int(line["images"]) <= images]
        self._sums: dict[str, float] = {}
        self._count, self._images = 0, images
        self._mark = time.monotonic(), images
        if self._live:
            self._live.step = len(self._lines)

    def __enter__(self) -> "TrainingLogger":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._count and not error:
            self._write()
        if self._live:
            self._live.end()

    def add(self, terms: Mapping[str, float], images: int) -> None:
        """Take in one step; `images` were seen since training began."""
        for name, value in terms.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._count, self._images = self._count + 1, images
        if self._count == EVERY:
            self._write()

    def last(self) -> dict[str, float]:
        """The loss terms of the last line; nothing before the first one."""
        line = self._lines[-1] if self._lines else {}
        return {name: float(value) for name, value in line.items() if name != "images" and value}

    def show(self, image: Pixels) -> None:
        """Keep a preview."""
        if self._live:
            self._live.log_image("preview.png", image)

    def _write(self) -> None:
        means = {name: value / self._count for name, value in self._sums.items()}
        self._lines.append({"images": self._images, **{name: f"{value:.6g}" for name, value in means.items()}})
        self._sums, self._count = {}, 0
        if self._live:
            _write(self._path, self._lines)
            self._show_line(self._live, means)

    def _show_line(self, live: Live, means: Mapping[str, float]) -> None:
        for name, value in means.items():
            live.log_metric(f"loss/{name}", value)
        live.log_metric("images", self._images, plot=False)
        now = time.monotonic()
        live.log_metric("images_per_second", (self._images - self._mark[1]) / (now - self._mark[0]))
        self._mark = now, self._images
        live.next_step()


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def _write(path: Path, lines: list[dict[str, Any]]) -> None:
    names = list(dict.fromkeys(name for line in lines for name in line))
    with shards.replacing(path) as temporary, temporary.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)
