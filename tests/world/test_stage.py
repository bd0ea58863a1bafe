"""The world stage: it draws what is missing, and removes what nothing asks for any more."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline import actors, runner, settings, shards
from stages import world
from tests.conftest import ROOT


@pytest.fixture
def drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs the stage in a folder of its own, without Ray; returns how many shards it drew."""

    def in_process(make: Callable[[], Any], tasks: Sequence[Any], label: str) -> Iterator[Any]:
        counts.append(len(tasks))
        return map(make(), tasks) if tasks else iter(())

    def run(**changes: Any) -> int:
        small = {"people": 2, "portraits_per_person": 2, "groups": 1, "photos_per_shard": 2} | changes
        shutil.copytree(ROOT / "profiles", "profiles", dirs_exist_ok=True)
        Path("profiles/test.yaml").write_text(yaml.safe_dump({"world": small}))
        settings.use("test")
        runner.run(world.__doc__, world.stage)
        return counts[-1]

    counts: list[int] = []
    monkeypatch.chdir(tmp_path)
    Path("pipeline").symlink_to(ROOT / "pipeline")  # settings name files of it, from the project's root
    monkeypatch.setattr("sys.argv", ["world"])
    monkeypatch.setattr(actors, "map_shards", in_process)
    return run


def names() -> set[str]:
    return {str(path) for path in Path("data/world").rglob("*") if path.is_file()}


def test_only_missing_shards_are_drawn_and_stale_ones_go(drawn: Callable[..., int]) -> None:
    assert drawn() == 4
    before = names()
    assert drawn() == 0
    next(path for path in shards.paths("data/world", "truth") if shards.read(path).num_rows).unlink()
    assert drawn() == 1
    assert names() == before
    assert drawn(people=0) == 1
    assert len(names()) == 3  # an empty site, an empty truth, the metrics
    assert '"photos": 0' in Path("data/world/_metrics.json").read_text()
