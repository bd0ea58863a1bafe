"""What every stage does: answer --help at once, read the settings, make the missing shards, say what was made.

A stage script names its tasks, its worker and its summary, and imports them inside its function: what torch, Ray or
pyarrow take to load is spent after the command line is understood.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import errors

if TYPE_CHECKING:
    from pipeline.settings import Settings
    from pipeline.shards import Task

DATA = Path("data")

Stage = Callable[["Settings", argparse.Namespace], None]


@dataclass(frozen=True)
class Wanted:
    """Shards that a folder is to hold: one of each kind for every task. The last kind is written last."""

    folder: Path
    kinds: tuple[str, ...]
    tasks: "Sequence[Task]"

    def missing(self) -> "list[Task]":
        """The tasks of which a shard is not there."""
        from pipeline import shards

        absent = {task.key for kind in self.kinds for task in shards.missing(self.folder, kind, self.tasks)}
        return [task for task in self.tasks if task.key in absent]

    def remove_stale(self) -> None:
        """Delete the shards of these kinds that no task asks for."""
        from pipeline import shards

        for kind in self.kinds:
            shards.remove_stale(self.folder, kind, self.tasks)


def run(doc: str | None, stage: Stage, arguments: Callable[[argparse.ArgumentParser], None] | None = None) -> None:
    """Run a stage as a command: `doc` is its help, `arguments` adds what it is asked beside the settings."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    if arguments:
        arguments(parser)
    asked = parser.parse_args()

    def body() -> None:
        from pipeline import settings

        stage(settings.load(), asked)

    errors.run(body)


def make(label: str, wanted: Sequence[Wanted], make_worker: "Callable[[], Callable[[Task], Any]]") -> None:
    """Remove stale shards, then make the missing ones on all cores; `label` stands beside the progress bar."""
    from pipeline import actors

    for each in wanted:
        each.remove_stale()
    list(actors.map_shards(make_worker, [task for each in wanted for task in each.missing()], label))


def make_here(wanted: Sequence[Wanted], make_worker: "Callable[[], Callable[[Task], Any]]") -> None:
    """Make the missing shards in this process; stale ones, from which a worker may read, are removed afterwards."""
    todo = [task for each in wanted for task in each.missing()]
    worker = make_worker() if todo else None
    for task in todo:
        worker and worker(task)
    for each in wanted:
        each.remove_stale()


def finish(folder: Path, metrics: Mapping[str, Any], made: str, kept: str = "", nothing: str = "") -> None:
    """Write <folder>/_metrics.json and print what was made.

    Args:
        made: one line, with metrics by their names in braces.
        kept: the metric without which the stage made nothing; empty where nothing is a result, too.
        nothing: the sentence that ends such a stage, with metrics in braces.

    Raises:
        MissingInput: nothing was kept.
    """
    from pipeline import shards

    shards.write_metrics(folder, metrics)
    if kept and not metrics[kept]:
        raise errors.MissingInput(nothing.format(folder=folder, **metrics))
    print(made.format(folder=folder, **metrics))
