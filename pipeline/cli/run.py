"""Run what is not up to date: the whole flow, or some stages and what they need.

    likeness run                       everything
    likeness run samples               up to the training samples
    likeness run train@uniportrait     one method's training and what it needs

This is `dvc repro` in the project, with DVC's own words. A stopped run goes on where it was.
"""

import argparse
import sys

from pipeline import settings
from pipeline.cli import project


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Stages, and the two options of `dvc repro` that are used most."""
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=f"{', '.join(project.stages())}; all by default")
    parser.add_argument("--force", action="store_true", help="also what is up to date")
    parser.add_argument("--dry", action="store_true", help="only say what would run")


def call(asked: argparse.Namespace) -> None:
    """Run DVC; settings that cannot be are said before it begins."""
    for name in asked.stages:
        project.check_stage(name)
    settings.load()
    options = [f"--{name}" for name in ("force", "dry") if getattr(asked, name)]
    if code := project.dvc("repro", *options, *asked.stages):
        sys.exit(code)
    if not asked.stages and not asked.dry:
        print(f"The report: {project.REPORT}")
