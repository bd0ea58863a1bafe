"""Print the settings in force as YAML: params.yaml with the profile over it."""

import argparse
import dataclasses

import yaml

from pipeline import settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None."""


def call(asked: argparse.Namespace) -> None:
    """Print them."""
    print(yaml.safe_dump(dataclasses.asdict(settings.load()), sort_keys=False), end="")
