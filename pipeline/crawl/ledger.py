"""The crawl's memory: what every URL answered, so that a killed or repeated crawl fetches nothing twice.

Two append-only files outside the outs: `bodies.bin`, the received bytes one after the other, and `visits.jsonl`, a
line per visit that says where its body lies. A body is written before its line and a line in one piece, so that
whatever a kill leaves behind is a torn last line, which is cut off, or bytes that no line names.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pipeline.errors import ShardError, StorageError, storage_error

VISITS, BODIES = "visits.jsonl", "bodies.bin"


@dataclass(frozen=True)
class Visit:
    """What became of one URL: fetched when `reject` is empty."""

    url: str
    kind: str  # page or image
    reject: str = ""
    detail: str = ""
    permanent: bool = True  # whether the reject is worth no other try
    final_url: str = ""
    status: int = 0
    sha256: str = ""  # of the bytes received
    offset: int = -1  # where the body lies; -1 when it is not kept
    length: int = 0  # bytes
    width: int = 0  # pixels, of an image that decodes
    height: int = 0
    phash: int = 0
    charset: str = ""  # of a page, as its content type has it


class Ledger:
    """The visits of a folder, read into memory; use as a context manager, one process at a time.

    Raises:
        StorageError: another crawl has the folder open, or it cannot be written.
        ShardError: a line that is not the last one is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with ExitStack() as opened:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                lock = opened.enter_context((folder / "lock").open("w"))
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._bodies, self._lines = (_append_to(opened, folder / name) for name in (BODIES, VISITS))
            except BlockingIOError as error:
                raise StorageError(f"another crawl is at work in {folder}: wait for it, or end it") from error
            except OSError as error:
                raise storage_error(error) or error from error
            self._visits = {(visit.url, visit.kind): visit for visit in self._read()}
            self._opened = opened.pop_all()

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def __iter__(self) -> Iterator[Visit]:
        return iter(self._visits.values())

    def find(self, url: str, kind: str) -> Visit | None:
        """The visit of a URL, if it was fetched or refused for good."""
        return self._visits.get((url, kind))

    def record(self, visit: Visit, body: bytes = b"") -> Visit:
        """Remember a visit and its body, if it has one; returned with the place of the body."""
        if body:
            offset = os.lseek(self._bodies, 0, os.SEEK_END)
            self._write(self._bodies, body, BODIES)
            visit = replace(visit, offset=offset, length=len(body))
        self._write(self._lines, _line(visit), VISITS)
        self._visits[visit.url, visit.kind] = visit
        return visit

    def body(self, visit: Visit) -> bytes:
        """The bytes that a visit received.

        Raises:
            ShardError: they are not there any more, or are not those bytes.
        """
        data = os.pread(self._bodies, visit.length, visit.offset) if visit.offset >= 0 else b""
        if hashlib.sha256(data).hexdigest() != visit.sha256:
            raise ShardError(f"{self._folder / BODIES} does not hold {visit.url}: delete {self._folder} and crawl anew")
        return data

    def start(self, visit: Visit, length: int = 256) -> bytes:
        """The first bytes that a visit received; none where they are not kept."""
        return os.pread(self._bodies, min(length, visit.length), visit.offset) if visit.offset >= 0 else b""

    def purge(self, banned: Callable[[Visit], bool]) -> int:
        """Overwrite the bodies of visits with zeros; their lines stay, so that they are recognised. Returns how many.

        A kill in between leaves a body erased and its line as it was: the next purge does both again.
        """
        erased = [visit for visit in self._visits.values() if visit.offset >= 0 and banned(visit)]
        with (self._folder / BODIES).open("r+b") as bodies:
            for visit in erased:
                bodies.seek(visit.offset)
                bodies.write(bytes(visit.length))
        for visit in erased:
            self.record(replace(visit, offset=-1))
        return len(erased)

    def _read(self) -> Iterator[Visit]:
        path = self._folder / VISITS
        data = path.read_bytes()
        whole = data.rfind(b"\n") + 1
        os.ftruncate(self._lines, whole)
        for number, line in enumerate(data[:whole].splitlines(), 1):
            try:
                yield Visit(**json.loads(line))
            except (ValueError, TypeError) as error:
                raise ShardError(f"{path}, line {number}, is no visit: delete {self._folder} and crawl anew") from error

    def _write(self, file: int, data: bytes, name: str) -> None:
        try:
            while data:
                data = data[os.write(file, data) :]
        except OSError as error:
            error.filename = str(self._folder / name)
            raise storage_error(error) or error from error


def _line(visit: Visit) -> bytes:
    return json.dumps(asdict(visit), separators=(",", ":")).encode() + b"\n"


def _append_to(opened: ExitStack, path: Path) -> int:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    opened.callback(os.close, file)
    return file
