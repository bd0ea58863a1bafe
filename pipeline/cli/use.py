"""Choose the profile that the next runs take: a file of profiles/, laid over params.yaml."""

import argparse

from pipeline import settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its name."""
    parser.add_argument("profile", metavar="PROFILE", help="like world, heart, published or real")


def call(asked: argparse.Namespace) -> None:
    """Choose it, and look whether its settings can be."""
    settings.use(asked.profile)
    print(f"the profile in force: {settings.load().profile}")
