"""report: tables, intervals, galleries: one static page in reports/latest, from everything that the run made.

python -m stages.report            writes reports/latest
python -m stages.report --publish  and keeps a copy as reports/published/<profile>-<benchmark hash>
"""

import argparse
import shutil
from pathlib import Path

from pipeline import benchmark, settings
from pipeline.errors import run
from pipeline.evaluate.plan import check_scored
from pipeline.head.model import load_head
from pipeline.report import ablations, audit, board, export, page, read
from pipeline.report.pictures import Album

DATA, LATEST, PUBLISHED = Path("data"), Path("reports/latest"), Path("reports/published")
HALF_MADE = Path(".work/report")


def main() -> None:
    """Work out every number, then write the tables and last the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--publish", action="store_true", help="keep a copy that git tracks")
    publish = parser.parse_args().publish
    params = settings.load()
    cases = benchmark.load(DATA / "samples" / benchmark.FILE)
    check_scored(params, read.scored(DATA / "scores"), DATA)
    inputs = read.inputs(DATA / "scores", params)
    cells = board.cells(inputs)
    figures = audit.audit(DATA, load_head(params.models.head))
    shutil.rmtree(HALF_MADE, ignore_errors=True)
    HALF_MADE.mkdir(parents=True)
    changed = ablations.changes(inputs.ablations, DATA / "weights", params.generate.references)
    export.write(HALF_MADE, cells, inputs, changed, figures, params, DATA / "weights")
    sources = page.Sources(DATA, params, cases, inputs, cells, changed, figures)
    page.write(page.gather(sources, Album(HALF_MADE)), HALF_MADE)
    shutil.rmtree(LATEST, ignore_errors=True)  # only now: what fails leaves the last report as it is
    LATEST.parent.mkdir(parents=True, exist_ok=True)
    HALF_MADE.rename(LATEST)
    print(f"the report: {LATEST / 'index.html'}")
    if publish:
        kept = PUBLISHED / f"{params.profile}-{cases.hash[:8]}"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(LATEST, kept)
        print(f"kept: {kept}")


if __name__ == "__main__":
    run(main)
