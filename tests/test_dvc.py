"""What DVC makes of dvc.yaml and params.yaml; stubs stand for the stages."""

import difflib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from pipeline import settings
from tests import dvc_project
from tests.conftest import ROOT
from tests.dvc_project import PACK, changed, commit, run

ALL = {
    "world", "crawl", "faces", "identities", "shapes", "samples", "train", "generate", "generate-bounds", "evaluate",
    "report",
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after one `dvc repro`, whose settings name files of every kind."""
    made = dvc_project.make(tmp_path_factory.mktemp("dvc"))
    for name in ("takedown.txt", "urls.txt", "pictures/1.jpg", "fan/weights"):
        (made / name).parent.mkdir(exist_ok=True)
        (made / name).write_text("one\n")
    values = yaml.safe_load((made / "params.yaml").read_text())
    values["crawl"] |= {"takedown": "takedown.txt", "url_lists": "urls.txt", "watch": "pictures"}
    terms = {"collection_mode": "consented", "licence": "CC0-1.0", "legal_basis": "ours"}
    values["crawl"]["sources"] = [{"folder": "pictures", **terms}]
    values["faces"] |= {"landmark_weights": "fan"}
    (made / "params.yaml").write_text(yaml.safe_dump(values))
    before = (made / "params.yaml").read_bytes()
    run(made, "dvc", "repro")
    assert (made / "params.yaml").read_bytes() == before
    commit(made)
    return made


def test_a_second_repro_does_nothing(finished: Path) -> None:
    assert changed(finished) == set()
    assert "Running stage" not in run(finished, "dvc", "repro")


@pytest.fixture
def restored(finished: Path) -> Iterator[Path]:
    """The project, whose files are as they were after the test."""
    yield finished
    run(finished, "git", "checkout", "--quiet", ".")


def edit(project: Path, old: str, new: str) -> None:
    text = (project / "params.yaml").read_text()
    assert old in text
    (project / "params.yaml").write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("file", "stages"),
    [
        ("takedown.txt", {"crawl"}),
        ("urls.txt", {"crawl"}),
        ("pictures/1.jpg", {"crawl"}),
        ("fan/weights", {"faces", "evaluate"}),
        ("pipeline/benchmark/prompts/v1.yaml", {"samples"}),
        ("pipeline/pack/models/recogniser_a/something", {"faces", "train", "generate", "evaluate", "report"}),
        ("pipeline/pack/models/backbone/something", {"train", "generate", "generate-bounds", "report"}),
        ("pipeline/pack/models/head.npz", {"shapes", "samples", "train", "generate", "evaluate"}),
    ],
)
def test_a_stage_is_run_again_when_a_file_changes_that_it_reads(restored: Path, file: str, stages: set[str]) -> None:
    with (restored / file).open("a") as stream:
        stream.write("another line\n")
    assert stages <= changed(restored) < ALL


def test_a_stage_is_run_again_when_another_model_is_named(restored: Path) -> None:
    dvc_project.put(restored / "other")
    edit(restored, "recogniser_a: pipeline/pack/models/recogniser_a", "recogniser_a: other")
    assert {"faces", "train", "evaluate"} <= changed(restored)
    assert "crawl" not in changed(restored)


def test_one_more_judge_from_outside_trains_and_draws_nothing_again(restored: Path) -> None:
    edit(restored, "outside: []", "outside: [judge]")
    assert changed(restored) == {"evaluate", "report"}


def test_the_served_folder_is_what_the_crawl_depends_on(restored: Path) -> None:
    dvc_project.put(restored / "photos")
    edit(restored, "serve: data/world", "serve: photos")
    assert "crawl" in changed(restored)


def test_an_experiment_changes_the_run_and_one_line_of_params(tmp_path: Path) -> None:
    """`-S` wins over the profile, and the file keeps its form."""
    project = dvc_project.make(tmp_path, "heart")
    before = (project / "params.yaml").read_text()
    run(project, "dvc", "repro")
    commit(project)
    run(project, "dvc", "exp", "run", "--name", "short", "-S", "train.images=1000", "-S", "methods=[uniportrait]")
    after = (project / "params.yaml").read_text()
    lines = [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "+-"]
    assert lines == ["- - hifi_portrait", "- - group_portrait", "-   images: 40000", "+   images: 1000"]
    assert json.loads((project / "data/weights/uniportrait/settings.json").read_text())["images"] == 1000
    assert changed(project) == set()
    shown = run(project, "dvc", "exp", "show", "--csv")
    assert "short" in shown
    assert "1000" in shown
    assert run(project, "dvc", "metrics", "show", "--json").count("1000") == 1
    run(project, "dvc", "plots", "show")
    assert (project / "dvc_plots/index.html").exists()
    assert "dvc_plots" not in run(project, "git", "status", "--short")


def test_the_pack_is_a_dvc_project_of_its_own(tmp_path: Path) -> None:
    """Its stages take hours and are nobody's business but `make pack`'s."""
    project = dvc_project.make(tmp_path)
    assert not [name for name in changed(project) if "pack" in name]
    assert {"draw", "backbone"} <= changed(project / PACK / "dvc")


def test_nothing_that_a_stage_reads_lies_in_another_dvc_project() -> None:
    """DVC overlooks what lies below another project's folder, or does not, by the order in which it looks at folders.

    A folder that is overlooked counts as an empty one: a stage would run again for nothing, or not run when it must.
    """
    reads = [
        dep for stage in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].values() for dep in stage["deps"]
    ]
    reads += settings.load(ROOT / "params.yaml", ROOT / "profiles").parts().values()
    others = [path.parent.relative_to(ROOT) for path in (ROOT / "pipeline").rglob(".dvc")]
    assert others == [Path(PACK) / "dvc"]
    assert not [read for read in reads for other in others if Path(read).is_relative_to(other)]
