"""Makes the report's folder: every table and page of a run, or what was there before."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from pipeline.benchmark import cases
from pipeline.report import export, page
from pipeline.report.pictures import Album
from pipeline.report.sources import load_results
from pipeline.settings import Settings


def build(data: Path, out: Path, settings: Settings) -> None:
    """Work out every number, then write the tables and last the pages into the folder `out`.

    Raises:
        MissingInput: there are no cases, or nothing was scored. A report that was in `out` stays as it is.
    """
    sources = load_results(data, settings)
    with _replacing(out) as folder:
        export.write(folder, sources)
        page.write(page.gather(sources, Album(folder)), folder)


def keep(latest: Path, published: Path, profile: str, samples: Path) -> Path:
    """Copy the latest report to where git tracks it: <profile>-<benchmark hash>, whose path is returned."""
    kept = published / f"{profile}-{cases.load_cases(samples / cases.CASES_FILE).hash[:8]}"
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(latest, kept)
    return kept


@contextlib.contextmanager
def _replacing(out: Path) -> Iterator[Path]:
    """An empty folder beside `out`, which takes its place when the block ends without an error."""
    half = out.with_name(f".{out.name}.writing")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    yield half
    shutil.rmtree(out, ignore_errors=True)
    half.rename(out)
