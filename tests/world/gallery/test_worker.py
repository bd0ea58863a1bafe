"""A small drawn site, and what the crawl's own server and parsers make of it."""

import hashlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline import images, records, shards
from pipeline.crawl import pages, server, urls
from pipeline.settings import WorldSettings
from pipeline.world.gallery import oddities, plan
from pipeline.world.gallery import worker as site
from pipeline.world.gallery.exhibit import copies
from pipeline.world.gallery.summary import summarise
from pipeline.world.gallery.tasks import tasks
from tests.crawl.test_walk import Run

HOSTS = ("gallery", "faces", "studio", "friends", "mirror", "busy", "shy", "maze", "closed")
WORLD = WorldSettings(people=3, portraits_per_person=8, groups=2, circle=3, seed=20, photos_per_shard=20)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """26 photographs in two shards, and the front."""
    folder = tmp_path_factory.mktemp("world")
    worker = site.Photographer(WORLD, folder)
    assert [worker(task) for task in tasks(WORLD)] == [20, 6, 0]
    return folder


@pytest.fixture(scope="module")
def truth(drawn: Path) -> list[dict]:
    return shards.read_all(drawn, "truth").to_pylist()


def walk(folder: Path) -> tuple[set[str], dict[str, str]]:
    """All pages and pictures that lie within four clicks of the gallery, pictures with their captions."""
    source = server.open_source(folder)
    seen: set[str] = set()
    pictures: dict[str, str] = {}
    level = {"http://gallery.world.test/"}
    for _ in range(4):
        seen |= level
        found = set()
        for url in level:
            host, _, path = url.removeprefix("http://").partition("/")
            answer = source.find(host, f"/{path}")
            if answer.status == 200:
                page = pages.parse(answer.body, "utf-8", url, "LikenessBot")
                found |= set(page.links)
                pictures |= {picture.url: picture.caption for picture in page.pictures}
        level = found - seen
    return seen, pictures


def test_truth_names_the_bytes_that_the_site_serves(drawn: Path, truth: list[dict]) -> None:
    source = server.open_source(drawn)
    assert len(truth) == 26
    for row in truth:
        host, _, path = row["url"].removeprefix("http://").partition("/")
        answers = [source.find(host, f"/{path}") for _ in range(2)]  # a busy host refuses at first
        data = answers[-1].body
        assert hashlib.sha256(data).hexdigest() == row["sha256"]
        assert images.decode(data).shape == (row["height"], row["width"], 3)


def test_truth_has_every_face_within_the_photograph(truth: list[dict]) -> None:
    for row in truth:
        centres = []
        for face in row["faces"]:
            x1, y1, x2, y2 = face["box"]
            assert -20 < x1 < x2 < row["width"] + 20
            assert -20 < y1 < y2 < row["height"] + 20
            assert len(face["landmarks"]) == 136
            centres.append(x1 + x2)
        assert centres == sorted(centres)
    people = {(face["person"], tuple(face["shape"])) for row in truth for face in row["faces"]}
    assert len(people) == 3


def test_everything_is_reached_by_links_with_its_caption(drawn: Path, truth: list[dict]) -> None:
    _, pictures = walk(drawn)
    moved = [url for url in pictures if "/go/" in url]
    assert len(moved) == 1
    unlinked = {row["url"] for row in truth} - set(pictures)
    source = server.open_source(drawn)
    host, _, path = moved[0].removeprefix("http://").partition("/")
    assert source.find(host, f"/{path}").headers == (f"Location: {unlinked.pop()}",)
    assert not unlinked
    assert all(pictures[row["url"]] == row["caption"] for row in truth if row["url"] in pictures)


def test_the_site_has_what_the_web_has(drawn: Path) -> None:
    seen, pictures = walk(drawn)
    assert "http://maze.world.test/calendar/next/next/" in seen
    assert {urls.canonical(link) for link in oddities.LINKED} <= set(pictures)
    source = server.open_source(drawn)
    assert b"Disallow: /private/" in source.find("shy.world.test", "/robots.txt").body
    assert source.find("closed.world.test", "/robots.txt").status == 503
    assert source.find("gallery.world.test", "/odd/missing.jpg").status == 404
    assert source.find("gallery.world.test", "/lost.html").status == 404


def test_the_bomb_is_not_decoded() -> None:
    with pytest.raises(images.BadImage):
        images.decode(oddities.bomb())
    assert len(oddities.bomb()) < 20_000


def test_copies_are_equal_nearly_equal_or_broken() -> None:
    every = {name: first for name, (_, first) in plan.EVERY.items()}
    shots = {name: plan.Shot(first, (0,), 7) for name, first in every.items()}
    photo = site.scene.portrait(site.person(20, 0), 7)
    data = images.encode_jpeg(photo.image)
    made = {name: dict(copies(shot, photo, data)).get(name) for name, shot in shots.items()}
    assert made["copied"] == data
    assert images.decode(made["recoded"]).shape == (128, 128, 3)
    assert images.decode(made["resized"]).shape == (109, 109, 3)
    assert images.decode(made["tiny"]).shape == (51, 51, 3)
    assert made["markup"].startswith(b"<!doctype html>")
    for name in ("truncated", "garbled"):
        with pytest.raises(images.BadImage):
            images.decode(made[name])


def test_drawing_again_gives_the_same_bytes_and_only_what_is_missing(drawn: Path, tmp_path: Path) -> None:
    todo = tasks(WORLD)
    assert shards.missing(drawn, "truth", todo) == []
    site.Photographer(WORLD, tmp_path)(todo[1])
    made = list(tmp_path.rglob("*.parquet"))
    assert len(made) == 2
    for path in made:
        assert path.read_bytes() == (drawn / path.relative_to(tmp_path)).read_bytes()


def test_a_polite_crawl_keeps_what_is_offered_and_asks_for_nothing_forbidden(
    drawn: Path, truth: list[dict], tmp_path: Path
) -> None:
    web = SimpleNamespace(write=lambda: drawn)
    run = Run(web, tmp_path, seeds=["http://gallery.world.test/"], scope=["*.world.test"])
    kept = {row["sha256"][:16] for row in truth if row["offered"] == "kept"}
    assert {photo["photo_id"] for photo in run.photos.values()} == kept
    for row in truth:
        if row["offered"] != "kept":
            assert run.outcome(row["url"]) == ("never", row["offered"])
    assert not [url for url in run.asked if "/private/" in url or "/admin/" in url]
    assert {url.split("/")[2] for url in run.asked} <= {f"{host}.world.test" for host in HOSTS}


def test_metrics_count_what_was_drawn(drawn: Path) -> None:
    found = summarise(drawn)
    assert (found["photos"], found["groups"], found["people"], found["faces"]) == (26, 2, 3, 24 + 5)
    assert found["offered"] == {"kept": 24, "opt_out": 1, "robots": 1}


def test_a_world_without_people_is_an_empty_site(tmp_path: Path) -> None:
    nobody = replace(WORLD, people=0)
    (front,) = tasks(nobody)
    assert site.Photographer(nobody, tmp_path)(front) == 0
    assert summarise(tmp_path) == {"photos": 0, "groups": 0, "people": 0, "faces": 0, "offered": {}}
    assert shards.read_all(tmp_path, "site").num_rows == 0
    assert server.open_source(tmp_path).find("gallery.world.test", "/").status == 404


def test_the_truth_fits_its_schema(drawn: Path) -> None:
    assert shards.read_all(drawn, "truth").schema.equals(records.TRUTH)
