from pathlib import Path

import pytest

from pipeline.errors import MissingInput, ShardError
from pipeline.files import decode, lines, read_json, read_text


def test_what_is_wrong_with_a_file_is_said_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes("naïf".encode("latin-1"))
    for path, error, said in (
        (tmp_path / "nowhere", MissingInput, "no .*nowhere: check its path"),
        (tmp_path, MissingInput, "is a folder, a file was expected"),
        (tmp_path / "latin", ShardError, "latin is not text in UTF-8"),
    ):
        with pytest.raises(error, match=said):
            read_json(path)
        if error is MissingInput:
            with pytest.raises(error, match=said):
                read_text(path)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("José in the garden, naïve\n", "utf-8"),
        ("José in the garden, naïve\n", "utf-8-sig"),
        ("José in the garden, naïve\n", "latin-1"),
        ("“Zoë” – a café", "cp1252"),
        ("José\tin 上海\n", "utf-16"),
        ("José\tin the garden\n", "utf-16-le"),
        ("José\tin the garden\n", "utf-16-be"),
        ("José\tin 上海\n", "utf-32"),
        ("http://a.test/1.jpg\tженщина в красном", "windows-1251"),
        ("http://a.test/1.jpg\t穿红色衣服的女人", "gb18030"),
        ("穿紅色衣服的女人", "big5"),
        ("赤い服を着た女性", "shift_jis"),
        ("", "utf-8"),
    ],
)
def test_text_is_read_whatever_its_encoding(text: str, encoding: str, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes(text.encode(encoding))
    assert read_text(tmp_path / "list.txt") == text


def test_bytes_of_no_encoding_become_text_or_are_refused(tmp_path: Path) -> None:
    assert decode(b"a\xff\xfe\xfd\x81\x8d b").startswith("a")
    (tmp_path / "picture.txt").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\1")
    with pytest.raises(ShardError, match=r"picture.txt is not text"):
        read_text(tmp_path / "picture.txt")


def test_only_line_ends_end_a_line() -> None:
    assert lines("a\u2028b\x85c\r\nd\re\n") == ["a\u2028b\x85c", "d", "e", ""]


def test_json_must_be_an_object(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    for text, said in (
        ('{"a": ', "card.json is not JSON"),
        ("", "is not JSON"),
        ("[1]", "must hold an object, found list"),
    ):
        path.write_text(text)
        with pytest.raises(ShardError, match=said):
            read_json(path)
    path.write_text('{"a": 1}')
    assert read_json(path) == {"a": 1}
