import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from pipeline.crawl import pages, server
from pipeline.errors import MissingInput
from tests.conftest import ROOT
from tests.crawl.conftest import JPEG, Web, jpeg


def get(port: int, path: str, host: str = "a.test") -> bytes:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Host": host})
    with urllib.request.urlopen(request) as response:
        return response.read()


def test_rows_answer_by_host_and_path(web: Web) -> None:
    web.add("http://a.test/x?q=1", b"one", JPEG)
    web.add("http://b.test/x?q=1", b"two", JPEG)
    web.add("http://a.test/deep/*", b"open", JPEG)
    web.add("http://a.test/busy", b"three", JPEG, refusals=1)
    site = server.open_source(web.write())
    assert (site.find("a.test", "/x?q=1").body, site.find("b.test", "/x?q=1").body) == (b"one", b"two")
    assert site.find("a.test", "/x").status == 404
    assert site.find("a.test", "/deep/er/still").body == b"open"
    assert site.find("b.test", "/deep/er").status == 404
    assert [site.find("a.test", "/busy").status for _ in range(3)] == [429, 200, 200]


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    folder = tmp_path / "plain"
    (folder / "Ann B").mkdir(parents=True)
    (folder / "Ann B" / "1.jpg").write_bytes(jpeg(1))
    (folder / "Ann B" / "1.txt").write_text("Ann <smiles>\n")
    (folder / "Ann B" / ".hidden.jpg").write_bytes(b"x")
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    return folder


def test_a_plain_folder_gets_pages(plain: Path) -> None:
    folder = server.open_source(plain)
    assert b'<a href="Ann%20B/">' in folder.find("any", "/").body
    assert b'<img src="1.jpg" alt="Ann &lt;smiles&gt;">' in folder.find("any", "/Ann%20B/").body
    assert folder.find("any", "/Ann%20B/1.jpg").body == jpeg(1)


@pytest.mark.parametrize("path", ["/../secret.jpg", "/Ann%20B/../../secret.jpg", "/%2e%2e/secret.jpg", "/nobody/"])
def test_nothing_leads_out_of_a_plain_folder(plain: Path, path: str) -> None:
    assert server.open_source(plain).find("any", path).status == 404


def test_hidden_files_are_not_served(plain: Path) -> None:
    assert server.open_source(plain).find("any", "/Ann%20B/.hidden.jpg").status == 404


@pytest.mark.parametrize("encoding", ["utf-8-sig", "latin-1", "utf-16"])
def test_a_caption_may_have_any_encoding(plain: Path, encoding: str) -> None:
    (plain / "Ann B" / "1.txt").write_bytes("José\n".encode(encoding))
    assert 'alt="José"'.encode() in server.open_source(plain).find("any", "/Ann%20B/").body


def test_what_cannot_be_read_is_no_caption_and_no_error(plain: Path) -> None:
    (plain / "Ann B" / "1.txt").write_bytes(b"\x89PNG\0\0\1\xff\0\0\0")
    (plain / "Ann B" / "gone.jpg").symlink_to(plain / "nowhere.jpg")
    (plain / "Ann B" / "gone.txt").symlink_to(plain / "nowhere.txt")
    folder = server.open_source(plain)
    assert b'<img src="1.jpg" alt="">' in folder.find("any", "/Ann%20B/").body
    assert b'<img src="gone.jpg" alt="">' in folder.find("any", "/Ann%20B/").body
    assert folder.find("any", "/Ann%20B/gone.jpg").status == 404


ODD = [
    b"a b",
    b"100%",
    b"a#b",
    b"a?b",
    "人像".encode(),
    b"12:30",
    b"a&b",
    b'q"',
    b"a+b",
    b"a\\b",
    b"%41",
    b"a[1]",
    b"caf\xe9",
    b"a\nb",
]


def test_pictures_of_any_name_are_linked_and_found(tmp_path: Path) -> None:
    for number, name in enumerate(ODD):
        (tmp_path / os.fsdecode(name + b".jpg")).write_bytes(jpeg(number))
    with server.served(str(tmp_path)) as port:
        page = pages.parse(get(port, "/"), "utf-8", "http://a.test/", "LikenessBot")
        bodies = {get(port, picture.url.removeprefix("http://a.test")) for picture in page.pictures}
        server.contents(tmp_path)
    assert bodies == {jpeg(number) for number in range(len(ODD))}


def test_a_folder_is_served_from_its_own_process_and_every_request_logged(plain: Path, tmp_path: Path) -> None:
    log = tmp_path / "requests.log"
    with server.served(str(plain), log) as port:
        assert get(port, "/Ann%20B/1.jpg", "lfw.test") == jpeg(1)
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(port, "/none")
    assert log.read_text() == "lfw.test /Ann%20B/1.jpg\na.test /none\n"
    with pytest.raises(urllib.error.URLError):
        get(port, "/")


def test_nothing_is_served_without_a_folder() -> None:
    with server.served("") as port:
        assert port == 0


def test_a_missing_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"crawl.serve: .* is not a folder"), server.served(str(tmp_path / "none")):
        pass


def test_the_server_ends_with_the_process_that_started_it(plain: Path) -> None:
    code = "import os, sys; from pipeline.crawl.server import served\nwith served(sys.argv[1]) as port: os._exit(9)"
    with subprocess.Popen([sys.executable, "-c", code, str(plain)], cwd=ROOT, stderr=subprocess.PIPE) as process:
        process.communicate(timeout=30)  # the server inherited stderr: it closes when the server has ended too


def test_contents_change_with_the_files(plain: Path) -> None:
    before = server.contents(plain)
    assert server.contents(plain) == before
    (plain / "2.jpg").write_bytes(jpeg(2))
    assert server.contents(plain) != before
