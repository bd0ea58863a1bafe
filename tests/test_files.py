from pathlib import Path

import pytest

from pipeline.errors import MissingInput, ShardError
from pipeline.files import read_json, read_text


def test_what_is_wrong_with_a_file_is_said_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes("naïf".encode("latin-1"))
    for path, error, said in (
        (tmp_path / "nowhere", MissingInput, "no .*nowhere: check its path"),
        (tmp_path, MissingInput, "is a folder, a file was expected"),
        (tmp_path / "latin", ShardError, "latin is not text in UTF-8"),
    ):
        for read in (read_text, read_json):
            with pytest.raises(error, match=said):
                read(path)


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
