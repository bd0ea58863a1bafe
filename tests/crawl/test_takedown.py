from pathlib import Path

import pytest

from pipeline.crawl import takedown
from pipeline.crawl.ledger import Visit
from pipeline.errors import MissingInput, SettingsError

SHA = "ab" * 32


def test_urls_hashes_and_comments(tmp_path: Path) -> None:
    path = tmp_path / "takedown.txt"
    path.write_text(f"# asked for on paper\nHTTP://a.test:80/x.jpg\n\n{SHA}  # by hash\n{'cd' * 8}\n")
    listed = takedown.read(str(path))
    assert listed.names(Visit("http://a.test/x.jpg", "image"))
    assert listed.names(Visit("http://b.test/", "image", final_url="http://a.test/x.jpg"))
    assert listed.names(Visit("http://b.test/", "image", sha256=SHA))
    assert listed.names(Visit("http://b.test/", "image", sha256="cd" * 32))
    assert not listed.names(Visit("http://b.test/", "image", sha256="ef" * 32))


def test_nothing_is_listed_without_a_file() -> None:
    assert not takedown.read("").names(Visit("http://a.test/", "image"))


def test_bad_lists_are_errors(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"crawl.takedown"):
        takedown.read(str(tmp_path / "none"))
    path = tmp_path / "takedown.txt"
    path.write_text("http://a.test/\nabc\n")
    with pytest.raises(SettingsError, match="line 2: 'abc'"):
        takedown.read(str(path))
