"""report: tables, intervals, galleries: one static page in reports/latest, from everything that the run made.

python -m stages.report            writes reports/latest
python -m stages.report --publish  and keeps a copy as reports/published/<profile>-<benchmark hash>
"""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import runner

if TYPE_CHECKING:
    from pipeline.settings import Settings

DATA, LATEST, PUBLISHED = runner.DATA, Path("reports/latest"), Path("reports/published")


def arguments(parser: ArgumentParser) -> None:
    """What is asked beside the settings."""
    parser.add_argument("--publish", action="store_true", help="keep a copy that git tracks")


def stage(settings: "Settings", asked: Namespace) -> None:
    """Refuse scores that do not belong together, then make the report."""
    from pipeline.evaluate.tasks import check_scored
    from pipeline.report import build, read

    check_scored(settings, read.scored(DATA / "scores"), DATA)
    build.build(DATA, LATEST, settings)
    print(f"the report: {LATEST / 'index.html'}")
    if asked.publish:
        print(f"kept: {build.keep(LATEST, PUBLISHED, settings.profile, DATA / 'samples')}")


if __name__ == "__main__":
    runner.run(__doc__, stage, arguments)
