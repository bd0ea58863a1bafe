"""Score images by every metric, one row per case and face, into data/scores/NAME.

likeness evaluate                           everything in data/images that was drawn for the present cases
likeness evaluate uniportrait               one method
likeness evaluate --images DIR --name NAME  images made elsewhere, files named <case_id>.png; missing files are
                                            failures. They are kept in data/images/NAME.
"""

import argparse

from pipeline.cli import project

PROTOCOLS = ("free", "layout")  # as pipeline/benchmark/cases.py has them; a test compares


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What is scored, and what it is called."""
    parser.add_argument("methods", nargs="*", metavar="METHOD", help="folders of data/images; all of them by default")
    parser.add_argument("--images", type=project.path, metavar="DIR", help="a folder of images made elsewhere")
    parser.add_argument("--name", help="what tables call them: letters, digits, _ and -")
    parser.add_argument("--protocol", choices=PROTOCOLS, help="what they were made under; by default free")


def call(asked: argparse.Namespace) -> None:
    """Hand over to the stage, which checks what goes with what."""
    given = {"--images": asked.images, "--name": asked.name, "--protocol": asked.protocol}
    options = [word for option, value in given.items() if value is not None for word in (option, str(value))]
    project.run_stage("evaluate", [*asked.methods, *options])
