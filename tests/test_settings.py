import dataclasses
import json
import math
import shutil
import subprocess
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from dvc.utils.hydra import apply_overrides

from pipeline import settings
from pipeline.benchmark.bounds import BOUNDS
from pipeline.benchmark.cases import PROTOCOLS
from pipeline.errors import SettingsError
from pipeline.method import find
from pipeline.plugins import names
from pipeline.settings import fields, profiles, schema
from pipeline.settings.load import _variants
from pipeline.settings.sections import Settings
from tests.conftest import ROOT

PROFILES = sorted(path.stem for path in (ROOT / "profiles").glob("*.yaml"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    return tmp_path


def load_from(project: Path) -> Settings:
    return settings.load(project / "params.yaml", project / "profiles")


def use(project: Path, profile: str) -> list[str]:
    return settings.use(profile, project / "params.yaml", project / "profiles")


def edit(project: Path, change: dict, name: str = "params.yaml") -> None:
    path = project / name
    values = yaml.safe_load(path.read_text()) or {}
    for key, value in change.items():
        values[key] = {**values[key], **value} if isinstance(value, dict) and key in values else value
    path.write_text(yaml.safe_dump(values))


def refused(project: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        load_from(project)
    return str(caught.value)


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_loads(project: Path, profile: str) -> None:
    use(project, profile)
    assert load_from(project).profile == profile


def test_params_is_written_from_its_profile(project: Path) -> None:
    """What lies in the repository is what `likeness use world` writes."""
    use(project, "world")
    assert (project / "params.yaml").read_text() == (ROOT / "params.yaml").read_text()


def test_a_profile_is_laid_over_the_base(project: Path) -> None:
    edit(project, {"world": {"people": 7}}, "profiles/heart.yaml")
    use(project, "heart")
    loaded = load_from(project)
    assert loaded.world.people == 7
    assert loaded.world.seed == yaml.safe_load((ROOT / "profiles/world.yaml").read_text())["world"]["seed"]


def test_a_profile_replaces_hosts_as_a_whole(project: Path) -> None:
    edit(project, {"crawl": {"hosts": {"photos.test": "127.0.0.1"}}}, "profiles/heart.yaml")
    use(project, "heart")
    assert load_from(project).crawl.hosts == {"photos.test": "127.0.0.1"}


def test_what_stands_in_params_wins_over_the_profile(project: Path) -> None:
    use(project, "heart")
    edit(project, {"train": {"images": 1000}, "methods": ["instantid"]})
    assert load_from(project).train.images == 1000
    assert load_from(project).methods == ("instantid",)
    assert settings.describe(project / "params.yaml", project / "profiles").startswith(
        "# methods: ['instantid'], in profile heart ['uniportrait', 'hifi_portrait', 'group_portrait']\n"
        "# train.images: 1000, in profile heart 40000\n"
    )
    assert use(project, "world") == ["methods: ['instantid'] is now ['uniportrait']", "train.images: 1000 is now 20000"]


def test_a_profile_that_was_changed_or_only_named_is_refused(project: Path) -> None:
    edit(project, {"profile": "heart"})
    assert "run `likeness use heart`" in refused(project)
    use(project, "heart")
    edit(project, {"train": {"images": 7}}, "profiles/heart.yaml")
    assert "was not written from" in refused(project)


@pytest.mark.parametrize("change", ["train.images=1000", "methods=[a]", "crawl.url_lists=x", "samples.cases=[1,2,3,4]"])
def test_dvc_changes_a_setting_and_nothing_else_of_the_file(project: Path, change: str) -> None:
    path = project / "params.yaml"
    before = path.read_text()
    key, _, value = change.rpartition(".")[2].partition("=")
    apply_overrides(path, [change])
    old, new = before.splitlines(), path.read_text().splitlines()
    start = next(number for number, line in enumerate(old) if line.strip().startswith(f"{key}:"))
    assert new[:start] == old[:start]
    kept = next(number for number in range(start + 1, len(old)) if not old[number].strip().startswith("- "))
    assert new[-(len(old) - kept) :] == old[kept:]
    assert value.strip("[]").split(",")[0] in "".join(new[start : start + 2])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"world": {"poeple": 3}}, "unknown setting world.poeple; did you mean people?"),
        ({"traain": {}}, "unknown setting traain; did you mean train?"),
        ({"world": {"people": "many"}}, "world.people must be a whole number from 0 to 1,000,000, found 'many'"),
        ({"world": {"people": True}}, "world.people must be a whole number from 0 to 1,000,000, found True"),
        ({"faces": {"detector_size": 250}}, "from 32 to 4,096, a multiple of 32, found 250"),
        ({"crawl": {"user_agent": " "}}, "crawl.user_agent must be text that is not empty, found ' '"),
        ({"crawl": {"takedown": ""}}, "crawl.takedown must be text that is not empty, found ''"),
        ({"crawl": {"collection_mode": "found"}}, "must be one of consented, licensed, targeted, found 'found'"),
        ({"samples": {"cases": [3, -1]}}, "samples.cases must be a whole number from 0 to 1,000,000, found -1"),
        ({"samples": {"test_share": 0.96}}, "must be at most 1 together, found 0.05 and 0.96"),
        ({"train": {"ranks": 3}}, "train.batch must be a multiple of train.ranks 3, found 16"),
        ({"train": {"images": 8}}, "train.images must be at least train.batch 16, found 8"),
        ({"bounds": "no_id"}, "bounds must be a list"),
        ({"bounds": ["no_idd"]}, "found 'no_idd'; did you mean no_id?"),
        ({"generate": {"protocols": ["fre"]}}, "found 'fre'; did you mean free?"),
        ({"methods": ["uniportrit"]}, "methods: no method uniportrit; did you mean uniportrait?"),
        ({"methods": ["uniportrait-no_rout_loss"]}, "has no variant no_rout_loss; did you mean no_route_loss?"),
        ({"fewer_references": ["instantid"]}, "must name <method>-<n>_references, n from 1, found instantid"),
        ({"metrics": ["posse"]}, "metrics: no metric posse; did you mean pose?"),
        (
            {"samples": {"benchmark": "v2"}},
            "samples.benchmark: no prompt file v2; there are pipeline/benchmark/prompts/",
        ),
        ({"profile": "wrld"}, "no profile wrld in"),
    ],
)
def test_a_wrong_setting_is_named(project: Path, change: dict, words: str) -> None:
    edit(project, change)
    said = refused(project)
    assert words in said
    assert str(project / "params.yaml") in said
    assert "\n" not in said


def numbers(section: type = Settings, path: str = "") -> Iterator[tuple[str, fields.Allowed, type]]:
    """Dotted name, range and type of every number of the settings."""
    for name, kind in typing.get_type_hints(section, include_extras=True).items():
        if dataclasses.is_dataclass(kind):
            yield from numbers(typing.cast(type, kind), f"{name}.")
        elif (plain := typing.get_args(kind)[0]) in (int, float):
            (allowed,) = [each for each in typing.get_args(kind)[1].metadata if isinstance(each, fields.Allowed)]
            yield f"{path}{name}", allowed, plain


def test_every_number_has_a_range() -> None:
    values = yaml.safe_load((ROOT / "params.yaml").read_text())
    written = {
        f"{section}.{name}"
        for section, content in values.items()
        if isinstance(content, dict)
        for name, value in content.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    assert written == {name for name, _, _ in numbers()}


@pytest.mark.parametrize(("name", "allowed", "kind"), [pytest.param(*each, id=each[0]) for each in numbers()])
def test_a_number_out_of_its_range_is_refused(name: str, allowed: fields.Allowed, kind: type) -> None:
    section, _, key = name.partition(".")
    cls = typing.get_type_hints(Settings)[section]
    values = yaml.safe_load((ROOT / "params.yaml").read_text())[section]
    step = 1 if kind is int else max(abs(allowed.high) * 1e-6, 1e-9)
    wrong = [allowed.low - step, allowed.high + step, math.nan, math.inf, -math.inf, "many", True, None, [1]]
    wrong += [allowed.low + 1] if allowed.multiple else []
    wrong += [float(values[key]) + 0.5] if kind is int else []
    for value in wrong:
        with pytest.raises(SettingsError) as caught:
            settings.build(cls, {**values, key: value}, "params.yaml", f"{section}.")
        word = "a whole number" if kind is int else "a number"
        assert str(caught.value) == f"params.yaml: {name} must be {word} {allowed}, found {value!r}"
    for value in (allowed.low, allowed.high):
        assert getattr(settings.build(cls, {**values, key: value}, "params.yaml", f"{section}."), key) == value


def test_nothing_is_named_by_a_file_that_dvc_can_track(project: Path) -> None:
    loaded = load_from(project)
    assert (loaded.crawl.takedown, loaded.crawl.url_lists, loaded.faces.landmark_weights) == ("", "", "")
    assert (ROOT / fields.NONE).is_file()


def test_an_unknown_key_in_a_profile_names_the_profile(project: Path) -> None:
    edit(project, {"crawl": {"user_agnet": "x"}}, "profiles/heart.yaml")
    with pytest.raises(SettingsError, match=r"heart\.yaml: unknown setting crawl\.user_agnet; did you mean user_agent"):
        use(project, "heart")


def test_a_missing_setting_is_named(project: Path) -> None:
    path = project / "params.yaml"
    values = yaml.safe_load(path.read_text())
    del values["crawl"]["retries"]
    path.write_text(yaml.safe_dump(values))
    assert "missing setting crawl.retries" in refused(project)


def test_a_file_that_is_not_yaml_is_said_so(project: Path) -> None:
    (project / "params.yaml").write_text("a: [")
    said = refused(project)
    assert "is not YAML" in said
    assert "\n" not in said


def test_an_unknown_profile_is_named_and_nothing_is_written(project: Path) -> None:
    before = (project / "params.yaml").read_bytes()
    with pytest.raises(SettingsError, match="did you mean heart"):
        use(project, "hart")
    assert (project / "params.yaml").read_bytes() == before


def test_the_words_of_choices_are_those_of_the_code() -> None:
    kinds = typing.get_type_hints(Settings)
    assert typing.get_args(typing.get_args(kinds["bounds"])[0]) == tuple(BOUNDS)
    assert typing.get_args(typing.get_args(typing.get_type_hints(kinds["generate"])["protocols"])[0]) == PROTOCOLS


def test_variants_are_read_without_importing_a_method() -> None:
    for method in names("methods"):
        for variant in _variants(method):
            assert find(f"{method}-{variant}")
    assert "no_route_loss" in _variants("uniportrait")


def test_the_editors_schemas_are_up_to_date() -> None:
    """If not: python -m pipeline.settings schema."""
    for name, text in schema.texts().items():
        assert (schema.FOLDER / name).read_text() == text


@pytest.mark.parametrize("file", ["params.yaml", *(f"profiles/{name}.yaml" for name in PROFILES)])
def test_a_file_names_its_schema_and_fits_it(file: str) -> None:
    first, _, rest = (ROOT / file).read_text().partition("\n")
    marker, _, path = first.partition("$schema=")
    assert marker == "# yaml-language-server: "
    jsonschema.validate(yaml.safe_load(rest), json.loads((ROOT / file).parent.joinpath(path).read_text()))
    values: dict[str, Any] = {**yaml.safe_load(rest), "nonsense": 1}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(values, json.loads((ROOT / file).parent.joinpath(path).read_text()))


def test_settings_are_read_without_torch() -> None:
    code = "import sys, pipeline.settings as s; s.load(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0


def test_a_digest_counts_values_alone() -> None:
    assert profiles.digest({"a": 1, "b": 2}) == profiles.digest({"b": 2, "a": 1}) != profiles.digest({"a": 1, "b": 3})
