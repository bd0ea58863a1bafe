"""Print the settings in force as YAML, and those that differ from their profile."""

import argparse

from pipeline import settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None."""


def call(asked: argparse.Namespace) -> None:
    """Print them."""
    print(settings.describe(), end="")
