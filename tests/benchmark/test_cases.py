"""Cases are the same for the same people, fair to all of them, and take their layouts from others."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline import settings
from pipeline.benchmark import cases, fairness
from pipeline.benchmark.build import LayoutSource, build_cases, draw_casts
from pipeline.benchmark.cases import Benchmark, Person
from pipeline.benchmark.resolution import Resolution
from pipeline.benchmark.spec import read_spec
from pipeline.errors import MissingInput, SettingsError, ShardError
from pipeline.head.camera import project
from pipeline.head.model import Head, load_head
from pipeline.world import words
from tests.benchmark.fairness_data import layout_source, person

WANTED = read_spec("pipeline/benchmark/prompts/v1.yaml")
PACK = Resolution(128, 32)
PEOPLE = [person(f"p{number:02d}") for number in range(15)]
HEAD_FILE = Path("pipeline/pack/models/head.npz")


@pytest.fixture(scope="module")
def head() -> Head:
    return load_head(HEAD_FILE)


def build(head: Head, people: list[Person] = PEOPLE, casts: dict[int, int] | None = None, seeds: int = 1) -> Benchmark:
    names = sorted(member.identity_id for member in people)
    tests = [layout_source(n, name) for n, name in enumerate(names)]
    tests += [layout_source(50 + n, *names[n : n + 2]) for n in range(0, 9, 2)]
    trains = [layout_source(100 + n, f"t{n}") for n in range(5)]
    wanted = {1: 30, 2: 20, 3: 10} if casts is None else casts
    return build_cases(WANTED, people, _neutral(tests, head), _neutral(trains, head), head, wanted, seeds, PACK)


def _neutral(sources: list[LayoutSource], head: Head) -> list[LayoutSource]:
    weights = np.zeros(len(head.expression))
    return [replace(found, poses=tuple(replace(pose, expression=weights) for pose in found.poses)) for found in sources]


def test_the_case_list_is_a_pure_function_and_survives_the_disk(head: Head, tmp_path: Path) -> None:
    first = build(head)
    assert first == build(head, people=PEOPLE[::-1])
    cases.save_cases(first, tmp_path / cases.CASES_FILE)
    assert cases.load_cases(tmp_path / cases.CASES_FILE) == first


def test_a_changed_list_is_noticed(head: Head, tmp_path: Path) -> None:
    path = tmp_path / cases.CASES_FILE
    cases.save_cases(build(head), path)
    path.write_text(path.read_text().replace("in a garden", "in a wood"))
    with pytest.raises(ShardError, match="run the samples stage again"):
        cases.load_cases(path)
    with pytest.raises(MissingInput, match="run the samples stage first"):
        cases.load_cases(tmp_path / "other.json")


def test_nobody_twice_and_everybody_about_equally(head: Head) -> None:
    found = build(head)
    for count, appearances in ((1, 30), (2, 40), (3, 30)):
        casts = [case.people for case in found.cases if len(case.people) == count]
        assert all(len({member.identity_id for member in cast}) == count for cast in casts)
        seen = Counter(member.identity_id for cast in casts for member in cast)
        assert sum(seen.values()) == appearances
        assert max(seen.values()) - min(seen.values()) <= 1


def test_fewer_casts_are_the_beginning_of_more() -> None:
    assert list(draw_casts(PEOPLE, 3, 20, 1))[:7] == list(draw_casts(PEOPLE, 3, 7, 1))


def test_the_contract_holds(head: Head) -> None:
    for case in build(head).cases:
        fairness.check_references(case)
        assert len(case.layout) == len(case.prior) == len(case.people)
        assert all(name.startswith("photo1") for name in case.prior_photos if len(name) == 8)


def test_layouts_come_from_photos_of_as_many_faces_or_side_by_side(head: Head) -> None:
    found = build(head)
    assert all(len(case.layout_photos) == {1: 1, 2: 1, 3: 3}[len(case.people)] for case in found.cases)
    three = next(case for case in found.cases if len(case.people) == 3)
    centres = [pose.camera.tx for pose in three.layout]
    # Pixel 64 of 128 goes to a column of two thirds of that; pixels are counted from the middle of the first.
    np.testing.assert_allclose(centres, [64.5 * 2 / 3 - 0.5 + 256 / 3 * column for column in range(3)], atol=2e-3)


def test_a_layout_has_the_shape_of_the_mean(head: Head) -> None:
    case = build(head).cases[0]
    pose = cases.layout_of(case, "layout")[0]
    expected, _ = project(head.mean[head.landmarks68], pose.camera)
    np.testing.assert_allclose(pose.landmarks, expected, atol=0.01)
    assert cases.layout_of(case, "free") == case.prior != case.layout


def test_seeds_repeat_a_cast_with_other_layouts(head: Head) -> None:
    found = build(head, casts={1: 4}, seeds=3).cases
    assert len({case.case_id for case in found}) == len({case.seed for case in found}) == 12
    assert len({(case.people, case.prompt) for case in found}) == 4


def test_too_few_people_give_no_case(head: Head) -> None:
    assert {len(case.people) for case in build(head, people=PEOPLE[:2]).cases} <= {1, 2}
    assert not build(head, people=PEOPLE[:1], casts={1: 5}).cases


def test_numbers_of_people_without_prompts(head: Head) -> None:
    with pytest.raises(SettingsError, match="asks for"):
        build(head, casts={7: 1})


def test_prompts_speak_the_words_of_the_world_and_are_all_different() -> None:
    tables = (words.HAIR_STYLES, words.GLASSES, words.EXPRESSIONS, words.CLOTHES, words.BACKGROUNDS, words.LIGHTS)
    phrases = [text for table in tables for texts in table.values() for text in texts]
    phrases += [*words.SUBJECTS, *words.GROUPS, "with wearing and left right two three"]
    colours = {*words.HAIR_COLOURS, *words.CLOTH_COLOURS, *words.WALL_COLOURS, *words.FRAME_COLOURS}
    known = {word.strip(",{}") for phrase in phrases for word in phrase.split()} | colours
    asked = WANTED.all_prompts()
    assert not {word.strip(",") for prompt in asked for word in prompt.split()} - known
    assert len(set(asked)) == len(asked) >= 24


def test_the_settings_ask_for_what_the_benchmark_has() -> None:
    chosen = settings.load().samples
    assert read_spec(chosen.benchmark).prompts.keys() >= set(range(1, len(chosen.cases) + 1))
