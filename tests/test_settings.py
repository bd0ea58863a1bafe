import shutil
from pathlib import Path

import pytest
import yaml

from pipeline import settings
from pipeline.errors import SettingsError
from tests.conftest import ROOT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    return tmp_path


def load(project: Path) -> settings.Settings:
    return settings.load(project / "params.yaml", project / "profiles")


def edit(project: Path, change: dict, name: str = "params.yaml") -> None:
    path = project / name
    values = yaml.safe_load(path.read_text()) or {}
    for key, value in change.items():
        values[key] = {**values[key], **value} if isinstance(value, dict) and key in values else value
    path.write_text(yaml.safe_dump(values))


@pytest.mark.parametrize("profile", sorted(path.stem for path in (ROOT / "profiles").glob("*.yaml")))
def test_every_profile_loads(project: Path, profile: str) -> None:
    settings.use(profile, project / "params.yaml", project / "profiles")
    assert load(project).profile == profile


def test_a_profile_is_laid_over_params(project: Path) -> None:
    edit(project, {"world": {"people": 7}}, "profiles/world.yaml")
    loaded = load(project)
    assert loaded.world.people == 7
    assert loaded.world.seed == yaml.safe_load((ROOT / "params.yaml").read_text())["world"]["seed"]


def test_a_profile_replaces_hosts_as_a_whole(project: Path) -> None:
    edit(project, {"crawl": {"hosts": {"photos.test": "127.0.0.1"}}}, "profiles/world.yaml")
    assert load(project).crawl.hosts == {"photos.test": "127.0.0.1"}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"world": {"poeple": 3}}, "unknown setting world.poeple; did you mean people?"),
        ({"traain": {}}, "unknown setting traain; did you mean train?"),
        ({"world": {"people": "many"}}, "world.people must be a whole number, found 'many'"),
        ({"world": {"people": True}}, "world.people must be a whole number, found True"),
        ({"bounds": "no_id"}, "bounds must be a list"),
        ({"profile": "lunar"}, "lunar.yaml does not exist"),
    ],
)
def test_a_wrong_setting_is_named(project: Path, change: dict, words: str) -> None:
    edit(project, change)
    with pytest.raises(SettingsError, match=words.replace("?", r"\?")):
        load(project)


def test_an_unknown_key_in_a_profile_names_the_profile(project: Path) -> None:
    edit(project, {"crawl": {"user_agnet": "x"}}, "profiles/world.yaml")
    with pytest.raises(SettingsError, match=r"world\.yaml: unknown setting crawl\.user_agnet; did you mean user_agent"):
        load(project)


def test_a_missing_setting_is_named(project: Path) -> None:
    path = project / "params.yaml"
    values = yaml.safe_load(path.read_text())
    del values["crawl"]["retries"]
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(SettingsError, match=r"missing setting crawl\.retries"):
        load(project)


def test_a_file_that_is_not_yaml_is_said_so(project: Path) -> None:
    (project / "params.yaml").write_text("a: [")
    with pytest.raises(SettingsError, match="is not YAML"):
        load(project)


def test_a_profile_is_chosen_in_place(project: Path) -> None:
    (project / "profiles" / "small.yaml").write_text("world: {people: 5}\n")
    before = (project / "params.yaml").read_text()
    settings.use("small", project / "params.yaml", project / "profiles")
    assert load(project).world.people == 5
    assert (project / "params.yaml").read_text() == before.replace("profile: world", "profile: small")
    with pytest.raises(SettingsError, match="did you mean small"):
        settings.use("smal", project / "params.yaml", project / "profiles")


def test_a_profile_brings_its_lists_and_another_one_its_own(project: Path) -> None:
    params, profiles = project / "params.yaml", project / "profiles"
    before = params.read_text()
    (profiles / "slim.yaml").write_text("methods: [uniportrait]\nfewer_references: []\n")
    (profiles / "wide.yaml").write_text("methods: [uniportrait, other]\nfewer_references: [uniportrait-1_references]\n")
    settings.use("wide", params, profiles)
    assert load(project).drawn == ("uniportrait", "other", "uniportrait-1_references")
    settings.use("slim", params, profiles)
    assert params.read_text() == before.replace("profile: world", "profile: slim")


def test_lists_that_dvc_would_not_see_are_refused(project: Path) -> None:
    (project / "profiles" / "world.yaml").write_text("methods: [other]\n")
    with pytest.raises(SettingsError, match="settings use world"):
        load(project)
