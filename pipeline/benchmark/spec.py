"""What a benchmark asks for, whoever the people are: a YAML file of prompts, which a user may write, too.

    name: mine                # stands in the report
    seed: 7                   # of casts, layouts and pictures
    canvas: {1: [1, 1], 2: [1.5, 1]}   # people -> width and height, in sides of the backbone
    prompts:                  # people -> prompts, or people -> category -> prompts
      1:
        context: [a photo of a person on a ferry, a photo of a person at a market]
        action: [a photo of a person playing the cello]
      2: [a photo of two people in a kitchen]

Who is drawn is decided by the cast, so prompts say `a person` or `two people`, and nothing of how somebody looks who is
not known. Prompts of categories are asked for in turn, so that few casts ask for some of each. No prompt may be the
caption of a training photo: the samples stage leaves out photos with such captions.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import yaml

from pipeline.benchmark.cases import Names
from pipeline.benchmark.resolution import Resolution
from pipeline.errors import SettingsError, did_you_mean
from pipeline.files import read_text

KEYS = ("name", "seed", "canvas", "prompts")
MOST_SIDES = 8  # of a canvas: what is larger was meant in pixels
MOST_PEOPLE = 6
PLACEHOLDER = re.compile(r"[{}<>\[\]*]|\bimg\b")


@dataclass(frozen=True)
class BenchmarkSpec:
    """A prompt file: what is asked for."""

    name: str
    seed: int
    canvas: Mapping[int, tuple[float, float]]  # people -> width, height in sides of the backbone
    prompts: Mapping[int, Names]  # people -> prompts, in the order in which casts are given them
    categories: Mapping[str, str]  # prompt -> category, of those that have one

    def all_prompts(self) -> Names:
        """Every prompt, whatever the number of people."""
        return tuple(prompt for prompts in self.prompts.values() for prompt in prompts)

    def size(self, people: int, resolution: Resolution) -> tuple[int, int]:
        """Width and height, in pixels, of a picture of so many people."""
        width, height = self.canvas[people]
        return resolution.rounded(width * resolution.side, height * resolution.side)


def read_spec(path: Path | str) -> BenchmarkSpec:
    """Read a prompt file.

    Raises:
        MissingInput: there is no such file.
        SettingsError: it is not of the form above; the message names the file, the place and what was expected.
    """
    try:
        values = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    _check_keys(values, str(path))
    name, seed = values["name"], values["seed"]
    if not isinstance(name, str) or not name.strip():
        raise SettingsError(f"{path}: name must be text that is not empty, found {name!r}")
    if type(seed) is not int or not 0 <= seed < 2**32:
        raise SettingsError(f"{path}: seed must be a whole number from 0 to 4294967295, found {seed!r}")
    grouped = {count: _groups(found, f"{path}: prompts.{count}") for count, found in _counted(values, "prompts", path)}
    canvas = {count: _canvas(found, f"{path}: canvas.{count}") for count, found in _counted(values, "canvas", path)}
    if set(canvas) != set(grouped):
        raise SettingsError(
            f"{path}: canvas and prompts must be given for the same numbers of people, found {sorted(canvas)} and "
            f"{sorted(grouped)}"
        )
    prompts = {count: _in_turn(groups) for count, groups in grouped.items()}
    _check_prompts(prompts, str(path))
    groups = (pair for found in grouped.values() for pair in found.items())
    categories = {prompt: category for category, texts in groups for prompt in texts if category}
    return BenchmarkSpec(name, seed, canvas, prompts, categories)


def _check_keys(values: Any, where: str) -> None:
    if not isinstance(values, dict):
        raise SettingsError(f"{where} must be a mapping with {', '.join(KEYS)}, found {type(values).__name__}")
    for key in values:
        if key not in KEYS:
            raise SettingsError(f"{where}: unknown key {key}{did_you_mean(str(key), KEYS)}")
    if missing := [key for key in KEYS if key not in values]:
        raise SettingsError(f"{where}: missing {', '.join(missing)}")


def _counted(values: Mapping[str, Any], key: str, where: Path | str) -> Iterator[tuple[int, Any]]:
    """The entries of a mapping of numbers of people."""
    found = values[key]
    if not isinstance(found, dict) or not found:
        raise SettingsError(f"{where}: {key} must be a mapping of numbers of people, found {found!r}")
    for count in found:
        if type(count) is not int or not 1 <= count <= MOST_PEOPLE:
            raise SettingsError(f"{where}: {key} must be by number of people, 1 to {MOST_PEOPLE}, found {count!r}")
    yield from sorted(found.items())


def _canvas(found: Any, where: str) -> tuple[float, float]:
    if isinstance(found, list) and len(found) == 2 and all(_is_side(value) for value in found):
        return float(found[0]), float(found[1])
    raise SettingsError(
        f"{where} must be [width, height] in sides of the backbone, each above 0 and up to {MOST_SIDES}, found "
        f"{found!r}; [1, 1] is the size that it was trained at"
    )


def _is_side(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= MOST_SIDES


def _groups(found: Any, where: str) -> dict[str, Names]:
    """Category -> prompts; a plain list is one category without a name."""
    groups = found if isinstance(found, dict) else {"": found}
    for category, texts in groups.items():
        here = f"{where}.{category}" if category else where
        if not isinstance(category, str):
            raise SettingsError(f"{where}: a category must be text, found {category!r}")
        if not isinstance(texts, list) or not texts:
            raise SettingsError(f"{here} must be a list of prompts, found {texts!r}")
        for number, text in enumerate(texts, start=1):
            if not isinstance(text, str) or not re.search(r"\w", text):
                raise SettingsError(
                    f"{here}: prompt {number} must be text, found {text!r}; texts with `: ` need quotes"
                )
    return {category: tuple(" ".join(text.split()) for text in texts) for category, texts in groups.items()}


def _in_turn(groups: Mapping[str, Names]) -> Names:
    """One prompt of each category, then the next of each."""
    return tuple(prompt for prompt in chain(*zip_longest(*groups.values())) if prompt is not None)


def _check_prompts(prompts: Mapping[int, Names], where: str) -> None:
    seen: dict[str, str] = {}
    for count, prompt in ((count, prompt) for count, texts in prompts.items() for prompt in texts):
        here, key = f"{where}: prompts.{count}: {prompt!r}", " ".join(re.findall(r"\w+", prompt.casefold()))
        if key in seen:
            raise SettingsError(f"{here} is there twice, as {seen[key]!r}: captions are compared by their words alone")
        if found := PLACEHOLDER.search(prompt):
            raise SettingsError(f"{here} has a placeholder ({found[0]!r}): nothing is put in its place")
        seen[key] = prompt
