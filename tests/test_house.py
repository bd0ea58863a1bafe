"""The rules of the house: which way imports run, and that nothing is left undocumented."""

import ast
from pathlib import Path

import pytest
import yaml

from pipeline import plugins
from pipeline.evaluate import tasks
from pipeline.generate import tasks as worker
from tests.conftest import ROOT

STAGES = ["world", "crawl", "faces", "identities", "shapes", "samples", "train", "generate", "evaluate", "report"]
GROUND = {"errors", "images", "licences", "plugins", "records", "settings", "shards"}
STAGE_FOLDERS = {"crawl", "faces", "identities", "shapes", "samples"}


def imports_of(path: Path) -> set[str]:
    """The parts below `pipeline` that a file imports, like 'faces' or 'backbone.load'."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "pipeline":
            inner = node.module.split(".")[1:]
            found |= {".".join(inner)} if inner else {alias.name for alias in node.names}
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[2] for alias in node.names if alias.name.startswith("pipeline.")}
    return found


def room(module: str) -> str:
    return module.split(".")[0]


def files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(ROOT / "pipeline").parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", files("pipeline"), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_run_one_way(path: Path) -> None:
    here, others = room_of(path), {room(module) for module in imports_of(path)} - {room_of(path)}
    if here in GROUND:
        assert others <= GROUND
    if here in STAGE_FOLDERS:
        assert not others & (STAGE_FOLDERS | {"methods", "metrics", "report"}), "a stage folder imports another"
    if here in ("evaluate", "inference", "report"):
        assert not others & (STAGE_FOLDERS - {"faces"}), "only the finder of faces is for everybody"
    if here in ("backbone", "head", "encoders"):
        assert not others & (STAGE_FOLDERS | {"methods", "metrics", "report", "bounds"})
    if here not in ("world", "pack"):
        assert "world" not in others, "nothing outside world/ imports world/"


@pytest.mark.parametrize("path", files("stages"), ids=lambda path: path.stem)
def test_only_the_world_stage_imports_the_world(path: Path) -> None:
    assert path.stem == "world" or "world" not in {room(module) for module in imports_of(path)}


@pytest.mark.parametrize("name", plugins.names("methods"))
def test_methods_never_import_each_other(name: str) -> None:
    assert "methods" not in {room(module) for module in imports_of(ROOT / f"pipeline/methods/{name}.py")}


@pytest.mark.parametrize("path", files("pipeline", "stages"), ids=lambda path: str(path.relative_to(ROOT)))
def test_only_two_modules_import_ray(path: Path) -> None:
    uses = any(
        (isinstance(node, ast.Import) and any(alias.name.split(".")[0] == "ray" for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ray")
        for node in ast.walk(ast.parse(path.read_text()))
    )
    assert not uses or path.relative_to(ROOT).as_posix() in ("pipeline/actors.py", "pipeline/training/launch.py")


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_has_one_name_used_four_times(stage: str) -> None:
    entry = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][stage]
    assert (ROOT / "stages" / f"{stage}.py").is_file()
    assert f"stages.{stage}" in entry["cmd"]
    assert stage in yaml.safe_load((ROOT / "params.yaml").read_text())
    assert any(str(out).startswith(("{'data/", "{'reports/latest")) for out in entry["outs"])


def test_images_are_named_by_all_code_that_draws_them() -> None:
    """The head's code counts for methods alone, in `tasks`; what only reads and writes draws nothing."""
    drawing = [*files("pipeline/generate"), ROOT / "pipeline/benchmark/bounds.py"]
    used = {room(module) for path in drawing for module in imports_of(path)}
    assert used - {"errors", "head", "records", "settings", "shards"} <= {room_of(ROOT / each) for each in worker.CODE}


@pytest.mark.parametrize(
    ("stage", "code"),
    [
        ("generate", worker.CODE),
        ("generate-fewer", worker.CODE),
        ("generate-bounds", worker.CODE),
        ("evaluate", tasks.CODE + tasks.POSE_CODE),
    ],
)
def test_dvc_watches_the_code_that_shards_are_named_by(stage: str, code: tuple[str, ...]) -> None:
    deps = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][stage]["deps"]
    assert {each if (ROOT / each).is_dir() else f"{each}.py" for each in code} <= set(deps)


@pytest.mark.parametrize("name", [*STAGES, *plugins.names("methods"), *plugins.names("metrics")])
def test_the_documents_name_every_stage_method_and_metric(name: str) -> None:
    assert any(f"`{name}`" in path.read_text() for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


@pytest.mark.parametrize("path", files("pipeline", "stages"), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is(path: Path) -> None:
    assert path.stat().st_size == 0 or ast.get_docstring(ast.parse(path.read_text()))
