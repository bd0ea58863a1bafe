"""The crawl stage as a command: killed, resumed, refused."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline import settings, shards
from pipeline.crawl.web import permission
from pipeline.errors import SettingsError
from tests.conftest import ROOT
from tests.crawl.conftest import Web, jpeg, make_settings

PICTURES = 90


def project(folder: Path, site: Path, **changes: Any) -> Path:
    """A folder with a params.yaml whose crawl goes to `site`."""
    crawl = {"seeds": ["http://a.test/"], "scope": ["*.test"], "hosts": {"*.test": "127.0.0.1"}}
    crawl |= {"serve": str(site), "retries": 1, "photos_per_shard": 20} | changes
    shutil.copytree(ROOT / "profiles", folder / "profiles")
    (folder / "profiles" / "test.yaml").write_text(yaml.safe_dump({"crawl": crawl}))
    settings.use("test", folder / "params.yaml", folder / "profiles")
    (folder / "pipeline").symlink_to(ROOT / "pipeline")  # settings name files of it, from the project's root
    return folder


def start(folder: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "stages.crawl"]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def finish(folder: Path) -> tuple[int, str]:
    """Exit code and the last line of stderr."""
    with start(folder) as process:
        _, errors = process.communicate(timeout=60)
    return process.returncode, errors.strip().splitlines()[-1]


def shards_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "data" / "crawl").rglob("*.*")}


def log_of(folder: Path) -> list[str]:
    return next((folder / ".work" / "crawl").glob("*/requests.log")).read_text().splitlines()


def visits_of(folder: Path) -> int:
    found = list((folder / ".work" / "crawl").glob("*/visits.jsonl"))
    return len(found[0].read_bytes().splitlines()) if found else 0


@pytest.fixture
def site(web: Web) -> Path:
    web.add("http://a.test/robots.txt", "User-agent: *\nDisallow: /secret/\n", "Content-Type: text/plain")
    names = [f"http://{'abc'[number % 3]}.test/{number}.jpg" for number in range(PICTURES)]
    web.page("http://a.test/", *names[:50], "/secret/0.jpg", links=("two.html",))
    web.page("http://a.test/two.html", *names[40:], "http://c.test/busy.jpg")
    for number, name in enumerate(names):
        web.add(name, jpeg(number // 2 * 2, quality=92 - number % 2 * 15))  # every other one is a near-duplicate
    web.add("http://c.test/busy.jpg", jpeg(1000), refusals=1)
    return web.write()


def test_a_killed_crawl_goes_on_and_makes_the_same_bytes(site: Path, tmp_path: Path) -> None:
    whole = project(tmp_path / "whole", site)
    assert finish(whole)[0] == 0
    killed = project(tmp_path / "killed", site, requests_per_second=25)
    for progress in (15, 45):
        with start(killed) as process:
            while visits_of(killed) < progress:
                assert process.poll() is None, process.communicate()[1]
                time.sleep(0.02)
            process.send_signal(signal.SIGKILL)
    assert not (killed / "data").exists()
    assert finish(killed)[0] == 0
    assert shards_of(killed) == shards_of(whole)
    asked = Counter(line for line in log_of(killed) if not line.endswith(("robots.txt", "busy.jpg")))
    again = sum(count - 1 for count in asked.values())
    assert again <= 2 * 3 * 8  # at each kill, what was in flight on three hosts
    assert not [line for line in asked if "/secret/" in line]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"seeds": []}, "must name what is collected"),
        ({"scope": []}, "must name what is collected"),
    ],
)
def test_a_crawl_that_nobody_answers_for_is_refused(changes: Any, sentence: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(sentence)):
        permission.check_basis(make_settings(**changes))


def test_an_empty_crawl_is_one_sentence_and_its_rows_say_why(site: Path, tmp_path: Path) -> None:
    folder = project(tmp_path / "project", site, min_side=500)
    code, last = finish(folder)
    assert code == 2
    assert last.startswith("error: the crawl kept no photo of 94 URLs ({'robots': 1, 'too_small': 91})")
    assert shards.read_all(folder / "data" / "crawl", "urls").num_rows == 94
