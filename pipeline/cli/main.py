"""`likeness COMMAND`: understands the words, goes to the project and calls the command's file."""

import argparse
import importlib
import sys
import tomllib
from collections.abc import Sequence
from types import ModuleType
from typing import NoReturn

from pipeline import errors
from pipeline.cli import project

COMMANDS = {
    "demo": "run everything on the small drawn world, and say where the report is",
    "use": "choose a profile",
    "run": "run what is not up to date, or one stage and what it needs",
    "settings": "print the settings in force",
    "draw": "draw a picture of people by their photos, with a trained method",
    "evaluate": "score images, also those that were made elsewhere",
    "convert": "bring published weights, or a 3D head, into the project's layout",
    "report": "make the report, and say where it is",
    "doctor": "say what is installed and what is missing",
}


class Parser(argparse.ArgumentParser):
    """An argument parser that says which option may have been meant."""

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        """Parse, after a look for misspelt options: argparse would first miss those that are required."""
        for word in sys.argv[1:] if args is None else args:
            option = word.partition("=")[0]
            if option.startswith("--") and option != "--" and option not in self._option_string_actions:
                self.error(f"unknown option {option}{errors.did_you_mean(option, self._option_string_actions)}")
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """End as every command ends on what a user can mend."""
        sys.stderr.write(f"error: {message}\n{self.format_usage()}")
        sys.exit(errors.EXIT_CODE)


def version() -> str:
    """The version of this checkout."""
    return str(tomllib.loads((project.ROOT / "pyproject.toml").read_text())["project"]["version"])


def overview() -> Parser:
    """The parser that knows no command: for `likeness --help`."""
    listed = "\n".join(f"  {name:<10} {what}" for name, what in COMMANDS.items())
    parser = Parser(
        prog="likeness",
        usage="likeness COMMAND ...",
        description=f"Identity-preserving portrait generation, made reproducible.\n\ncommands:\n{listed}",
        epilog="`likeness COMMAND --help` says what a command takes.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"likeness {version()}")
    return parser


def parser_of(name: str, command: ModuleType) -> Parser:
    """The parser of one command: its file's docstring and arguments."""
    parser = Parser(
        prog=f"likeness {name}",
        description=command.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.add_arguments(parser)
    return parser


def call(words: Sequence[str]) -> None:
    """Understand and do."""
    project.begin()
    if not words or words[0].startswith("-"):
        overview().parse_args(words or ["--help"])
        return
    name, *rest = words
    if name not in COMMANDS:
        raise errors.SettingsError(f"no command {name}{errors.did_you_mean(name, COMMANDS)}")
    command = importlib.import_module(f"pipeline.cli.{name}")
    asked = parser_of(name, command).parse_args(rest)
    project.enter()
    command.call(asked)


def main() -> None:
    """The entry point."""
    errors.run(lambda: call(sys.argv[1:]))
