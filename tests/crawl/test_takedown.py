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


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
def test_a_list_counts_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "takedown.txt"
    path.write_bytes(f"http://a.test/p.jpg  # José asked\r\n  {SHA.upper()} \r\n".encode(encoding))
    listed = takedown.read(str(path))
    assert listed.lists("http://a.test/p.jpg")
    assert listed.names(Visit("http://b.test/", "image", sha256=SHA))


def test_other_spellings_of_a_line_count(tmp_path: Path) -> None:
    path = tmp_path / "takedown.txt"
    grouped = " ".join([SHA[:32].upper(), SHA[32:]])
    path.write_text(
        f"https://www.A.test/%70 1.jpg\nb.test/x#y\n//c.test/z\n{grouped}\nsha256:{'cd' * 32}\n{'ef' * 32}  1.jpg\n"
    )
    listed = takedown.read(str(path))
    for url in ("http://a.test/p%201.jpg", "http://b.test/x", "https://c.test/z"):
        assert listed.lists(url)
    assert set(listed.hashes) == {SHA, "cd" * 32, "ef" * 32}


def test_lines_that_match_nothing_are_counted_and_named(tmp_path: Path) -> None:
    path = tmp_path / "takedown.txt"
    path.write_text(f"http://a.test/1.jpg\nhttp://a.test/typo.jpg\n{SHA}\n0123456789ABCDEF\n# nothing\n")
    listed = takedown.read(str(path))
    visits = [Visit("http://a.test/1.jpg", "image"), Visit("http://a.test/2.jpg", "image", sha256=SHA)]
    unmatched = listed.unmatched(visits)
    assert unmatched == ["http://a.test/typo.jpg", "0123456789ABCDEF"]
    assert "2 lines of list.txt match nothing that was seen: http://a.test/typo.jpg, 012" in takedown.warning(
        "list.txt", unmatched
    )
    assert takedown.warning("list.txt", []) == ""
