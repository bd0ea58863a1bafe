"""Prompt files: what ours ask for, on which canvases, and what is said of a file that asks for nothing."""

import re
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import yaml

from pipeline.benchmark import fairness
from pipeline.benchmark.build import LayoutSource, build_cases
from pipeline.benchmark.resolution import Resolution
from pipeline.benchmark.spec import read_spec
from pipeline.errors import MissingInput, SettingsError
from pipeline.head.camera import project
from pipeline.head.model import Head, load_head
from pipeline.samples import captions
from pipeline.settings.load import PROMPTS
from tests import tiny_models
from tests.benchmark.fairness_data import layout_source, person

NUMBERS = {1: {"person", "someone"}, 2: {"two"}, 3: {"three"}, 4: {"four"}}
GENDERED = {"man", "woman", "men", "women", "boy", "girl", "lady", "guy", "he", "she", "his", "her", "him"}
LOOKS = {"blond", "brunette", "bald", "bearded", "beard", "young", "old", "elderly", "asian", "african", "european"}
SD15, SDXL, PACK = Resolution(512, 64), Resolution(1024, 32), Resolution(128, 32)
GOOD = {
    "name": "mine",
    "seed": 7,
    "canvas": {1: [1, 1], 2: [1.5, 1]},
    "prompts": {1: {"where": ["a person at sea", "a person at home"], "what": ["a person asleep"]}, 2: ["two people"]},
}


@pytest.mark.parametrize("file", sorted(PROMPTS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_set_counts_its_people_and_says_nothing_of_who_they_are(file: Path) -> None:
    spec = read_spec(file)
    assert spec.name == file.stem
    for count, prompts in spec.prompts.items():
        for prompt in prompts:
            words = set(re.findall(r"\w+", prompt.casefold()))
            assert words & NUMBERS[count], prompt
            assert not words & GENDERED, prompt
            assert captions.clean(prompt, count) == prompt  # a caption that is the same is found after cleaning
            assert not re.search(r"(?<!^)\b[A-Z]", prompt), f"a name in {prompt!r}?"
    assert len({captions.normal(prompt) for prompt in spec.all_prompts()}) == len(spec.all_prompts())


def test_portraits_are_forty_of_one_person_in_four_categories_and_twenty_one_of_two() -> None:
    spec = read_spec(PROMPTS / "portraits-v1.yaml")
    assert {count: len(prompts) for count, prompts in spec.prompts.items()} == {1: 40, 2: 21, 3: 14, 4: 14}
    kinds = [spec.categories[prompt] for prompt in spec.prompts[1]]
    assert Counter(kinds) == {"context": 10, "style": 10, "accessory": 10, "action": 10}
    assert {spec.categories[prompt] for prompt in spec.all_prompts()} == set(kinds)
    assert kinds[:8] == ["context", "style", "accessory", "action"] * 2  # few casts ask for some of each
    described = {word for prompt in spec.all_prompts() for word in re.findall(r"\w+", prompt) if word in LOOKS}
    assert described == {"old"}  # a car's


@pytest.mark.parametrize(
    ("count", "resolution", "expected"),
    [
        (1, PACK, (128, 128)),
        (2, PACK, (192, 128)),
        (1, SD15, (512, 512)),
        (2, SD15, (768, 512)),
        (4, SD15, (1024, 512)),
        (2, SDXL, (1536, 1024)),
        (3, Resolution(100, 64), (192, 128)),  # 200 x 100 to the nearest multiples
    ],
)
def test_canvases_follow_the_backbone(count: int, resolution: Resolution, expected: tuple[int, int]) -> None:
    assert read_spec(PROMPTS / "portraits-v1.yaml").size(count, resolution) == expected


def test_the_drawn_worlds_canvases_are_what_they_were() -> None:
    spec = read_spec(PROMPTS / "v1.yaml")
    assert {count: spec.size(count, PACK) for count in spec.canvas} == {1: (128, 128), 2: (256, 128), 3: (256, 128)}


@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize("head", [tiny_models.head(), load_head("pipeline/pack/models/head.npz")], ids=["tiny", "pack"])
def test_four_people_are_placed_as_a_group_or_as_single_photos_whatever_the_head(head: Head, grouped: bool) -> None:
    people = [person(f"p{number:02d}") for number in range(9)]
    sources = [layout_source(number, someone.identity_id, size=(600, 800)) for number, someone in enumerate(people)]
    if grouped:
        sources.append(layout_source(50, "s0", "s1", "s2", "s3", size=(1200, 800)))
    trains = [layout_source(100 + number, f"t{number}") for number in range(3)]
    spec, fitted = read_spec(PROMPTS / "portraits-v1.yaml"), partial(with_expressions, head=head)
    found = build_cases(spec, people, [*map(fitted, sources)], [*map(fitted, trains)], head, {4: 6}, 1, SD15).cases
    assert len(found) == 6
    for case in found:
        fairness.check_references(case)
        assert (case.width, case.height) == (1024, 512)
        assert len(case.layout_photos) == (1 if grouped else 4)
        assert len({someone.identity_id for someone in case.people}) == len(case.layout) == len(case.prior) == 4
        centres = [pose.camera.tx for pose in case.layout]
        assert centres == sorted(centres)
        assert centres[0] > 0
        assert centres[-1] < 1024
        expected, _ = project(head.mean[head.landmarks68], case.layout[0].camera)
        np.testing.assert_allclose(case.layout[0].landmarks, expected, atol=0.02)


def test_a_file_of_ones_own_is_read(tmp_path: Path) -> None:
    spec = read_spec(written(tmp_path, GOOD))
    assert spec.prompts == {1: ("a person at sea", "a person asleep", "a person at home"), 2: ("two people",)}
    assert spec.categories == {"a person at sea": "where", "a person at home": "where", "a person asleep": "what"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nam": 1}, "unknown key nam; did you mean name"),
        ({"name": ""}, "name must be text that is not empty"),
        ({"seed": True}, "seed must be a whole number from 0"),
        ({"seed": -1}, "seed must be a whole number from 0"),
        ({"canvas": [1, 1]}, "canvas must be a mapping of numbers of people"),
        ({"canvas": {1: [1, 1]}}, r"same numbers of people, found \[1\] and \[1, 2\]"),
        ({"canvas": {1: [512, 512], 2: [1, 1]}}, r"canvas.1 must be \[width, height\] in sides of the backbone"),
        ({"canvas": {1: [1, 0], 2: [1, 1]}}, "each above 0 and up to 8"),
        ({"canvas": {1: [1, float("nan")], 2: [1, 1]}}, "each above 0 and up to 8"),
        ({"canvas": {1: 1, 2: [1, 1]}}, "canvas.1 must be"),
        ({"prompts": {}}, "prompts must be a mapping of numbers of people"),
        ({"prompts": {"one": ["a person"]}}, "by number of people, 1 to 6, found 'one'"),
        ({"prompts": {7: ["seven people"]}}, "by number of people, 1 to 6, found 7"),
        ({"prompts": {1: [], 2: ["two people"]}}, "prompts.1 must be a list of prompts"),
        ({"prompts": {1: {"where": "a person"}, 2: ["two people"]}}, "prompts.1.where must be a list of prompts"),
        ({"prompts": {1: {3: ["a person"]}, 2: ["two people"]}}, "a category must be text, found 3"),
        ({"prompts": {1: [{"a person": "at sea"}], 2: ["two people"]}}, "prompt 1 must be text, found .* need quotes"),
        ({"prompts": {1: ["..."], 2: ["two people"]}}, "prompt 1 must be text, found '...'"),
        ({"prompts": {1: ["a person", "A person."], 2: ["two people"]}}, "'A person.' is there twice, as 'a person'"),
        ({"prompts": {1: ["a {} at sea"], 2: ["two people"]}}, r"has a placeholder \('{'\)"),
        ({"prompts": {1: ["a person img at sea"], 2: ["two people"]}}, r"has a placeholder \('img'\)"),
    ],
)
def test_a_malformed_file_is_said_where(tmp_path: Path, change: dict, message: str) -> None:
    path = written(tmp_path, GOOD | change)
    with pytest.raises(SettingsError, match=f"(?s){re.escape(str(path))}.*{message}"):
        read_spec(path)


def test_a_file_that_is_no_prompt_file(tmp_path: Path) -> None:
    with pytest.raises(MissingInput, match=r"nowhere\.yaml"):
        read_spec(tmp_path / "nowhere.yaml")
    for text, message in (("a: [", "is not YAML"), ("- a\n", "must be a mapping with name, seed"), ("", "NoneType")):
        (tmp_path / "bad.yaml").write_text(text)
        with pytest.raises(SettingsError, match=message):
            read_spec(tmp_path / "bad.yaml")
    for key in GOOD:
        path = written(tmp_path, {name: value for name, value in GOOD.items() if name != key})
        with pytest.raises(SettingsError, match=f"missing {key}"):
            read_spec(path)


def written(folder: Path, values: dict) -> Path:
    path = folder / "mine.yaml"
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return path


def with_expressions(source: LayoutSource, head: Head) -> LayoutSource:
    """The photo as one whose faces this head was fitted to."""
    zero = np.zeros(len(head.expression))
    return replace(source, poses=tuple(replace(pose, expression=zero) for pose in source.poses))
