import hashlib
import os
from pathlib import Path

import pytest

from pipeline.crawl.ledger import BODIES, VISITS, Ledger, Visit
from pipeline.errors import ShardError, StorageError


def visit(number: int, body: bytes = b"", **rest: str) -> Visit:
    sha256 = hashlib.sha256(body).hexdigest() if body else ""
    return Visit(f"http://a.test/{number}", "image", sha256=sha256, **rest)


def test_visits_and_bodies_come_back(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.record(visit(1, b"one"), b"one")
        ledger.record(visit(2, reject="not_found"))
        ledger.record(visit(3, b"three"), b"three")
    with Ledger(tmp_path) as again:
        assert [item.url[-1] for item in again] == ["1", "2", "3"]
        found = again.find("http://a.test/3", "image")
        assert found
        assert again.body(found) == b"three"
        assert again.find("http://a.test/3", "page") is None


@pytest.mark.parametrize("torn", [1, 20, 100])
def test_a_torn_last_line_is_cut_off(tmp_path: Path, torn: int) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.record(visit(1, b"one"), b"one")
        ledger.record(visit(2, b"two"), b"two")
    lines = tmp_path / VISITS
    os.truncate(lines, lines.stat().st_size - torn)
    with Ledger(tmp_path) as again:
        assert [item.url[-1] for item in again] == ["1"]
        again.record(visit(3, b"three"), b"three")
    with Ledger(tmp_path) as last:
        assert [last.body(item) for item in last] == [b"one", b"three"]


def test_a_damaged_line_within_is_an_error(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.record(visit(1))
    with (tmp_path / VISITS).open("ab") as lines:
        lines.write(b"{}\n")
    with pytest.raises(ShardError, match=r"visits.jsonl, line 2"):
        Ledger(tmp_path)


def test_damaged_bodies_are_noticed(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        kept = ledger.record(visit(1, b"one"), b"one")
        (tmp_path / BODIES).write_bytes(b"two")
        with pytest.raises(ShardError, match="crawl anew"):
            ledger.body(kept)


def test_purge_erases_bytes_and_remembers_the_visit(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.record(visit(1, b"secret"), b"secret")
        other = ledger.record(visit(2, b"other"), b"other")
        assert ledger.purge(lambda item: item.url.endswith("1")) == 1
        assert ledger.purge(lambda item: item.url.endswith("1")) == 0
        assert ledger.body(other) == b"other"
    assert b"secret" not in (tmp_path / BODIES).read_bytes()
    with Ledger(tmp_path) as again:
        found = again.find("http://a.test/1", "image")
        assert found
        assert found.offset == -1
        assert found.sha256


def test_one_crawl_at_a_time(tmp_path: Path) -> None:
    with Ledger(tmp_path), pytest.raises(StorageError, match="another crawl"):
        Ledger(tmp_path)


def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with Ledger(tmp_path) as ledger:
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(StorageError, match=r"no space left while writing .*bodies.bin"):
            ledger.record(visit(1, b"one"), b"one")
