"""Crawls of sources in one process, and files of each kind."""

import io
import tarfile
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pipeline import runner, settings, shards
from pipeline.crawl import summary, tasks, walk
from pipeline.crawl.web import permission
from pipeline.crawl.worker import CrawlWorker
from pipeline.settings import SourceSettings
from pipeline.settings import sources as entries
from tests.crawl.conftest import make_settings

TERMS = {"collection_mode": "consented", "licence": "CC0-1.0", "legal_basis": "they asked for it"}


def source(**changes: Any) -> SourceSettings:
    return settings.build(SourceSettings, TERMS | changes, "test", "crawl.sources[0].")


def tar(path: Path, members: dict[str, bytes]) -> Path:
    """A tar of these files, in this order."""
    with tarfile.open(path, "w") as file:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return path


class Crawl:
    """data/crawl of sources, below `folder`; a second one in the same folder goes on where the first ended."""

    def __init__(self, folder: Path, *sources: dict[str, Any], **changes: Any) -> None:
        chosen = {"seeds": [], "serve": "profiles/none", "hosts": {"*.test": "127.0.0.1"}} | changes
        self.settings = make_settings(sources=[TERMS | each for each in sources], **chosen)
        entries.check(self.settings.sources, "test")
        permission.check_basis(self.settings)
        out = folder / "crawl"
        with walk.crawled(self.settings, folder / "work") as (found, ledger):
            urls, photos = tasks.rows(found, ledger, self.settings)
            todo = tasks.tasks(urls, photos, self.settings, tasks.label_rows(urls, found))
            make = partial(CrawlWorker, lambda url: ledger.body(found.visits[url]), out)
            runner.make_here([runner.Wanted(out, (kind,), each) for kind, each in todo.items()], make)
        self.metrics = summary.summarise(urls, photos)
        self.rows = {row["url"]: row for row in shards.read_all(out, "urls").to_pylist()}
        self.photos = {row["url"]: row for row in photos}
        self.stored = {row["url"]: row["image"]["bytes"] for row in self._read(out, "photos")}
        self.labels = {(row["photo_id"], row["label"]) for row in self._read(out, "labels")}
        self.files = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*.parquet")}

    @staticmethod
    def _read(out: Path, kind: str) -> list[dict[str, Any]]:
        return shards.read_all(out, kind).to_pylist() if (out / kind).exists() else []

    def outcome(self, url: str) -> tuple[str, str | None]:
        return self.rows[url]["outcome"], self.rows[url]["reject"]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """An empty folder for pictures."""
    folder = tmp_path / "Pictures of Ours"
    folder.mkdir()
    return folder
