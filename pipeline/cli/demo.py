"""Run the whole flow on the small drawn world: from web pages to a report.

Takes about as long as README.md says, and goes on where it was if it is stopped. A second demo has nothing to do.
"""

import argparse
import sys

from pipeline import settings
from pipeline.cli import project
from pipeline.errors import SettingsError

PROFILE = "world"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None: another profile or a single stage is what `use` and `run` are for."""


def call(asked: argparse.Namespace) -> None:
    """Run it.

    Raises:
        SettingsError: another profile is in force.
    """
    if (found := settings.load().profile) != PROFILE:
        raise SettingsError(
            f"the demo is the profile {PROFILE}, and {found} is in force: `likeness use {PROFILE}` first, or "
            f"`likeness run` for {found}"
        )
    if code := project.dvc("repro"):
        sys.exit(code)
    print(f"The report: {project.REPORT}")
