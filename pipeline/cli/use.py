"""Choose the profile that the next runs take: params.yaml is written from a file of profiles/."""

import argparse

from pipeline import settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its name."""
    parser.add_argument("profile", metavar="PROFILE", help="like world, heart, published or real")


def call(asked: argparse.Namespace) -> None:
    """Choose it, say which own settings that changes, and look whether its settings can be."""
    for changed in settings.use(asked.profile):
        print(changed)
    print(f"the profile in force: {settings.load().profile}")
