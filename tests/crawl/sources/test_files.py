"""Folders, tars and Parquet on this machine."""

import io
import json
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.crawl.sources import files, folder, parquet, tar
from pipeline.errors import MissingInput, SettingsError
from tests.crawl.conftest import jpeg
from tests.crawl.sources.conftest import source
from tests.crawl.sources.conftest import tar as make_tar

MOST = 1_000_000  # bytes


def test_a_folder_gives_pictures_and_what_stands_beside_them(pictures: Path) -> None:
    (pictures / "Ann & Bo").mkdir()
    for number, name in enumerate(["Ann & Bo/1.JPG", "2 #a.jpg", "3.webp", "4.png", ".hidden.jpg", "notes.md"]):
        (pictures / name).write_bytes(jpeg(number))
    (pictures / "Ann & Bo/1.txt").write_bytes("Анна в саду".encode("cp1251"))
    (pictures / "2 #a.caption").write_bytes("\ufeffa\n girl".encode())
    (pictures / "3.json").write_text(json.dumps({"caption": "third", "other": 1}))
    (pictures / "4.txt").write_bytes(b"")
    found = list(folder.read(source(folder=str(pictures), people="folder"), MOST))
    assert [(item.address, item.caption, item.label) for item in found] == [
        ("folder://pictures-of-ours/2%20%23a.jpg", "a girl", ""),
        ("folder://pictures-of-ours/3.webp", "third", ""),
        ("folder://pictures-of-ours/4.png", "", ""),
        ("folder://pictures-of-ours/Ann%20&%20Bo/1.JPG", "Анна в саду", "Ann & Bo"),
    ]
    assert found[3].data == jpeg(0)


def test_an_address_does_not_depend_on_where_the_folder_lies(tmp_path: Path) -> None:
    for place in ("one/ours", "two/ours"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "1.jpg").write_bytes(b"x")
    found = [next(folder.read(source(folder=str(tmp_path / place)), MOST)) for place in ("one/ours", "two/ours")]
    assert found[0] == found[1]


def test_what_is_too_large_is_not_read(pictures: Path) -> None:
    (pictures / "1.jpg").write_bytes(bytes(100))
    (found,) = folder.read(source(folder=str(pictures)), 99)
    assert (found.reject, found.data) == ("too_large", b"")


def test_an_empty_or_absent_folder_is_one_sentence(pictures: Path) -> None:
    with pytest.raises(MissingInput, match=r"no file that ends in .jpg or"):
        list(folder.read(source(folder=str(pictures)), MOST))
    with pytest.raises(MissingInput, match="is no folder"):
        list(folder.read(source(folder=str(pictures / "none")), MOST))


def sample(number: int, **fields: object) -> dict[str, bytes]:
    """As img2dataset writes it."""
    stem = f"0000{number}"
    said = {"caption": f"photo {number}", "url": "http://a.test/"} | fields
    return {
        f"{stem}.jpg": jpeg(number),
        f"{stem}.txt": f"photo {number}".encode(),
        f"{stem}.json": json.dumps(said).encode(),
    }


def test_a_tar_gives_its_samples(tmp_path: Path) -> None:
    second = sample(2, who=7, terms="CC-BY-4.0")
    del second["00002.txt"]
    path = make_tar(tmp_path / "00000.tar", {**sample(1), **second, "deep/3.seg.png": b"x", "readme.md": b""})
    asked = source(tar=str(path), people_column="who", licence_column="terms", name="dump")
    found = list(tar.read(asked, MOST))
    assert [(item.address, item.caption, item.licence, item.label) for item in found] == [
        ("tar://dump/00000.tar/00001.jpg", "photo 1", "", ""),
        ("tar://dump/00000.tar/00002.jpg", "photo 2", "CC-BY-4.0", "7"),
        ("tar://dump/00000.tar/deep/3.seg.png", "", "", ""),
    ]
    assert found[0].data == jpeg(1)


@pytest.mark.parametrize("damage", ["cut", "header", "gzip"])
def test_a_broken_tar_ends_that_tar_only(tmp_path: Path, damage: str) -> None:
    members = {f"{number}.jpg": jpeg(number) for number in range(4)}
    data = make_tar(tmp_path / "a.tar", members).read_bytes()
    blocks = [0]
    for body in members.values():
        blocks.append(blocks[-1] + 512 + -(-len(body) // 512) * 512)
    if damage == "cut":
        data = data[: blocks[2] + 700]
    elif damage == "header":
        data = data[: blocks[2]] + b"\xff" * 512 + data[blocks[2] + 512 :]
    else:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:gz") as file:
            for name in members:
                info = tarfile.TarInfo(name)
                info.size = len(members[name])
                file.addfile(info, io.BytesIO(members[name]))
        data = buffer.getvalue()[: len(buffer.getvalue()) // 2]
    (tmp_path / "a.tar").write_bytes(data)
    make_tar(tmp_path / "b.tar", {"5.jpg": jpeg(5)})
    *before, broken, after = tar.read(source(tar=str(tmp_path / "*.tar"), name="t"), MOST)
    assert [item.data for item in before] == [jpeg(number) for number in range(len(before))]
    assert len(before) == 2 or damage == "gzip"
    assert (broken.address, broken.reject) == ("tar://t/a.tar", "broken_tar")
    assert (after.address, after.data) == ("tar://t/b.tar/5.jpg", jpeg(5))


def test_a_member_that_is_too_large_is_a_row(tmp_path: Path) -> None:
    path = make_tar(tmp_path / "a.tar", {"1.jpg": bytes(2000), "1.txt": b"long", "2.jpg": b"short"})
    first, second = tar.read(source(tar=str(path)), 1000)
    assert (first.reject, first.caption, second.data) == ("too_large", "long", b"short")


def test_parquet_gives_its_pictures(tmp_path: Path) -> None:
    rows = [
        {"image": {"bytes": jpeg(1), "path": "1.jpg"}, "caption": "one", "who": "Ann"},
        {"image": {"bytes": None, "path": "2.jpg"}, "caption": "two", "who": "Bo"},
        {"image": None, "caption": None, "who": None},
        {"image": {"bytes": bytes(10**5), "path": None}, "caption": "four", "who": "Bo"},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "train.parquet")
    found = list(parquet.read(source(parquet=str(tmp_path), people_column="who", name="hf"), len(jpeg(1))))
    assert [item.address for item in found] == [f"parquet://hf/train.parquet/{row}" for row in range(4)]
    assert [item.reject for item in found] == ["", "bad_image", "bad_image", "too_large"]
    assert (found[0].data, found[0].caption, found[0].label) == (jpeg(1), "one", "Ann")


def test_plain_bytes_are_pictures_and_a_wrong_column_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"jpg": [jpeg(1)], "text": ["one"]}), tmp_path / "a.parquet")
    asked = source(parquet=str(tmp_path / "a.parquet"), image_column="jpg", caption_column="text")
    (found,) = parquet.read(asked, MOST)
    assert (found.data, found.caption) == (jpeg(1), "one")
    with pytest.raises(SettingsError, match=r"a.parquet has no column 'image' but 'jpg', 'text': set image_column"):
        list(parquet.read(source(parquet=str(tmp_path)), MOST))


def test_a_broken_parquet_is_a_row(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1" + bytes(100))
    (found,) = parquet.read(source(parquet=str(tmp_path), name="p"), MOST)
    assert (found.address, found.reject) == ("parquet://p/a.parquet", "broken_parquet")


def test_patterns_name_files_below_what_they_fix(tmp_path: Path) -> None:
    for name in ("x/1/a.tar", "x/2/b.tar", "x/2/c.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = [name for name, _ in files.matching(f"{tmp_path}/x/**/*.tar", (".tar",), "tar")]
    assert found == ["1/a.tar", "2/b.tar"]
