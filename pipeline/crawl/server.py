"""Serves a folder over loopback while it is crawled: a drawn site, or any folder of pictures.

A folder with shards in `site` (records.SITE) is a drawn site: its rows say what each host answers, its misbehaviour
included. Any other folder answers for every host: pictures as they are, and for each folder without an index.html a
page that shows its pictures and links to its folders; `<picture>.txt` beside a picture is its caption.

    python -m pipeline.crawl.server FOLDER [--port 8000] [--log FILE]

prints its port and runs until its standard input closes, so that it never outlives the crawl that started it.
"""

import argparse
import asyncio
import mimetypes
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, unquote_to_bytes

from aiohttp import web

from pipeline import records, shards
from pipeline.crawl.urls import IMAGE_ENDINGS
from pipeline.errors import LikenessError, MissingInput
from pipeline.files import read_text

HTML = "Content-Type: text/html; charset=utf-8"


@dataclass(frozen=True)
class Answer:
    """What one URL answers."""

    status: int
    headers: tuple[str, ...]  # "Name: value"
    body: bytes
    refusals: int = 0  # so many requests are answered 429 first


NOT_FOUND = Answer(404, (HTML,), b"<!doctype html><title>Not found</title><p>There is nothing here.</p>")
REFUSED = Answer(429, ("Retry-After: 1",), b"")


class Source(Protocol):
    """Something that can be served."""

    def find(self, host: str, path: str) -> Answer:
        """The answer to GET `path` (with its query) on `host`."""


class DrawnSite:
    """The rows of a folder's shards in `site`."""

    def __init__(self, folder: Path) -> None:
        self._answers: dict[tuple[str, str], Answer] = {}
        for path in shards.paths(folder, "site"):
            for row in shards.read(path, schema=records.SITE).to_pylist():
                answer = Answer(row["status"], tuple(row["headers"]), row["body"], row["refusals"])
                self._answers[row["host"], row["path"]] = answer
        self._open_ended = [key for key in self._answers if key[1].endswith("*")]
        self._asked: Counter[tuple[str, str]] = Counter()

    def find(self, host: str, path: str) -> Answer:
        """The row for this URL; refusals come first, as often as the row says."""
        key = (host, path)
        answer = self._answers.get(key) or self._open_end(host, path)
        self._asked[key] += 1
        return REFUSED if self._asked[key] <= answer.refusals else answer

    def _open_end(self, host: str, path: str) -> Answer:
        key = next((key for key in self._open_ended if key[0] == host and path.startswith(key[1][:-1])), None)
        return self._answers[key] if key else NOT_FOUND


class PlainFolder:
    """Any folder. Only files that were found in it at the start are served, so no path can lead out of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = {f"/{path.relative_to(folder).as_posix()}" for path in _files(folder)}
        self._pages = self._index()

    def find(self, host: str, path: str) -> Answer:
        """A file, or a folder's page; the host does not matter."""
        name = os.fsdecode(unquote_to_bytes(path.partition("?")[0]))
        if name in self._files:
            return self._file(name)
        if f"{name}index.html" in self._files:
            return self._file(f"{name}index.html")
        return Answer(200, (HTML,), self._page(name)) if name in self._pages else NOT_FOUND

    def _file(self, name: str) -> Answer:
        """A file as it is; one that cannot be read is not there."""
        # A page says its encoding itself.
        media = mimetypes.guess_type(name)[0] or "application/octet-stream"
        try:
            return Answer(200, (f"Content-Type: {media}",), (self._folder / name[1:]).read_bytes())
        except OSError:
            return NOT_FOUND

    def _index(self) -> dict[str, set[str]]:
        """Folder, with a final slash -> what lies directly in it: pictures, and folders with a final slash."""
        pages: dict[str, set[str]] = {"/": set()}
        for name in self._files:
            if name.lower().endswith(IMAGE_ENDINGS):
                folder, _, leaf = name.rpartition("/")
                pages.setdefault(f"{folder}/", set()).add(leaf)
                while folder:
                    folder, _, leaf = folder.rpartition("/")
                    pages.setdefault(f"{folder}/", set()).add(f"{leaf}/")
        return pages

    def _page(self, name: str) -> bytes:
        items = [self._item(name, leaf) for leaf in sorted(self._pages[name])]
        title = escape(name)
        return f"<!doctype html><title>{title}</title><h1>{title}</h1>\n{''.join(items)}".encode("utf-8", "replace")

    def _item(self, name: str, leaf: str) -> str:
        link = escape(quote(os.fsencode(leaf)))
        if leaf.endswith("/"):
            return f'<p><a href="{link}">{escape(leaf)}</a></p>\n'
        notes = f"{(name + leaf).rpartition('.')[0]}.txt"
        caption = self._caption(notes) if notes in self._files else ""
        return f'<figure><img src="{link}" alt="{escape(caption)}"></figure>\n'

    def _caption(self, name: str) -> str:
        """The words of a file in any encoding; none where it cannot be read or holds no text."""
        try:
            return read_text(self._folder / name[1:]).strip()
        except LikenessError:
            return ""


def _files(folder: Path) -> Iterator[Path]:
    for where, _, names in os.walk(folder):
        yield from (Path(where) / name for name in names if not name.startswith("."))


def is_drawn(folder: Path) -> bool:
    """Whether a folder holds a drawn site.

    Raises:
        MissingInput: there is no such folder.
    """
    if not folder.is_dir():
        raise MissingInput(f"crawl.serve: {folder} is not a folder: run the stage that makes it, or mend the setting")
    return bool(shards.finished(folder, "site"))


def open_source(folder: Path) -> Source:
    """The source that a folder holds.

    Raises:
        MissingInput: there is no such folder.
    """
    return DrawnSite(folder) if is_drawn(folder) else PlainFolder(folder)


def contents(folder: Path) -> str:
    """A fingerprint of what a folder serves, from names and sizes alone: shards are named by what made them."""
    found = shards.finished(folder, "site") if is_drawn(folder) else _files(folder)
    return shards.fingerprint(sorted((str(path.relative_to(folder)), path.stat().st_size) for path in found))


def application(source: Source, log: Path | None = None) -> web.Application:
    """A web application that answers GET from a source, with a line `host path` per request in `log`."""
    stream = log.open("a", buffering=1) if log else None

    async def answer(request: web.Request) -> web.Response:
        host, path = request.host.partition(":")[0], request.raw_path
        if stream:
            stream.write(f"{host} {path}\n")
        found = source.find(host, path)
        headers = [(name, value) for name, _, value in (line.partition(": ") for line in found.headers)]
        return web.Response(status=found.status, headers=headers, body=found.body)

    async def close(_: web.Application) -> None:
        if stream:
            stream.close()

    app = web.Application()
    app.on_cleanup.append(close)
    app.router.add_get(r"/{path:[\s\S]*}", answer)  # a name may hold a line end
    return app


async def _serve(source: Source, port: int, log: Path | None) -> None:
    runner = web.AppRunner(application(source, log), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


@contextmanager
def served(folder: str, log: Path | None = None) -> Iterator[int]:
    """Serve a folder from a process of its own, for as long as the context lasts; yields the port.

    An empty `folder` serves nothing and yields 0.

    Raises:
        MissingInput: there is no such folder, or it cannot be served.
    """
    if not folder:
        yield 0
        return
    is_drawn(Path(folder))
    command = [sys.executable, "-m", "pipeline.crawl.server", folder, *(["--log", str(log)] if log else [])]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        line = process.stdout.readline()
        if not line.strip().isdigit():
            raise MissingInput(f"crawl.serve: {folder} cannot be served: see the messages above")
        try:
            yield int(line)
        finally:
            process.stdin.close()


def main() -> None:
    """Serve a folder until standard input closes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--log", type=Path, help="file that gets a line `host path` per request")
    arguments = parser.parse_args()
    asyncio.run(_serve(open_source(arguments.folder), arguments.port, arguments.log))


if __name__ == "__main__":
    from pipeline.errors import run

    run(main)
