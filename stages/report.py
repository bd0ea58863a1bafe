"""report: tables, intervals, galleries: one static page in reports/latest, from everything that the run made.

python -m stages.report            writes reports/latest
python -m stages.report --publish  and keeps a copy as reports/published/<profile>-<benchmark hash>
"""

import argparse
import shutil
from pathlib import Path

from pipeline import settings
from pipeline.benchmark import cases
from pipeline.errors import run
from pipeline.evaluate.tasks import check_scored
from pipeline.report import build, read

DATA, LATEST, PUBLISHED = Path("data"), Path("reports/latest"), Path("reports/published")


def main() -> None:
    """Refuse scores that do not belong together, then make the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--publish", action="store_true", help="keep a copy that git tracks")
    publish = parser.parse_args().publish
    params = settings.load()
    check_scored(params, read.scored(DATA / "scores"), DATA)
    build.build(DATA, LATEST, params)
    print(f"the report: {LATEST / 'index.html'}")
    if publish:
        keep(params.profile)


def keep(profile: str) -> None:
    """Copy the latest report to where git tracks it."""
    kept = PUBLISHED / f"{profile}-{cases.load_cases(DATA / 'samples' / cases.CASES_FILE).hash[:8]}"
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(LATEST, kept)
    print(f"kept: {kept}")


if __name__ == "__main__":
    run(main)
