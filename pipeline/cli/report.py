"""Make the report from what the run made, and say where it is: reports/latest/index.html.

`likeness run` makes it too, after whatever else is not up to date.
"""

import argparse

from pipeline.cli import project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Whether it is kept."""
    parser.add_argument("--publish", action="store_true", help="keep a copy in reports/published, which git tracks")


def call(asked: argparse.Namespace) -> None:
    """Hand over to the stage."""
    project.run_stage("report", ["--publish"] if asked.publish else [])
