"""The rules of the house: which way imports run, how large its parts are, and that nothing is left undocumented."""

import ast
import graphlib
import re
import statistics
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
import yaml

from pipeline import code, plugins
from tests.conftest import ROOT

STAGES = ["world", "crawl", "faces", "identities", "shapes", "samples", "train", "generate", "evaluate", "report"]
# From the top. A room imports rooms of lower floors alone; the rooms of the ground may import each other.
FLOORS = [
    {"stages", "cli"},
    {"runner"},
    {"generate", "pack"},
    {"training", "inference", "methods"},
    {"report", "weights", "sampler"},
    {"evaluate", "samples", "method"},
    {"metrics", "benchmark", "shapes", "world", "backbone"},
    {"metric"},
    {"crawl", "faces", "identities", "head"},
    {"encoders"},
    {
        "actors", "code", "errors", "files", "images", "licences", "plugins", "precision", "process", "records",
        "settings", "shards",
    },
]  # fmt: skip
FLOOR = {room: number for number, rooms in enumerate(reversed(FLOORS)) for room in rooms}
# A stage talks to another through data/ alone. What finds faces is for everybody, and so is the head.
STAGE_ROOMS = {"crawl", "faces", "identities", "shapes", "samples"}
PLUGIN_ROOMS = ("methods", "metrics")
MAY_IMPORT_BY_NAME = {"pipeline/plugins.py", "pipeline/cli/main.py"}  # no shard follows from a command
MAY_IMPORT_RAY = {"pipeline/actors.py", "pipeline/training/launch.py"}
LONGEST_FILE, MOST_FILES = 350, 15
LINES_OF_A_FUNCTION = {50: 8, 90: 18}  # percentile -> most lines


def files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


FILES = files("pipeline", "stages")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def room(module: str) -> str:
    """The room of a module: 'faces' of pipeline.faces.find; all scripts are in 'stages'."""
    first, *rest = module.split(".")
    return rest[0] if first == "pipeline" and rest else first


def imports_of(path: Path) -> set[str]:
    """The modules of the project that a file imports, for types alone, too."""
    nodes = ast.walk(ast.parse(path.read_text()))
    found = set(chain.from_iterable(code._imported(node, module_of(path)) for node in nodes))
    return found - {"pipeline", "stages"}


def functions() -> Iterator[int]:
    """The lengths of all functions, in lines."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield (node.end_lineno or 0) - node.lineno + 1


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_imports_run_downwards(path: Path) -> None:
    here = room(module_of(path))
    if here == "pipeline":  # its __init__
        return
    for other in {room(module) for module in imports_of(path)} - {here}:
        assert FLOOR[other] < FLOOR[here] or FLOOR[other] == FLOOR[here] == 0, f"{here} imports {other}, not below it"
        assert not {here, other} <= STAGE_ROOMS, f"the stage {here} imports the stage {other}"


def test_no_module_imports_itself_in_a_circle() -> None:
    """Late imports count; a package that holds a module counts only where it is named."""
    modules = [module_of(path) for path in FILES]
    graph = {name: {other for other in code.imports(name) if not name.startswith(f"{other}.")} for name in modules}
    graphlib.TopologicalSorter(graph).prepare()  # a CycleError names the circle


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_only_the_pack_and_the_world_stage_import_the_world(path: Path) -> None:
    here = module_of(path)
    allowed = room(here) in ("world", "pack") or here == "stages.world"
    assert allowed or "world" not in {room(module) for module in imports_of(path)}


@pytest.mark.parametrize("folder", PLUGIN_ROOMS)
def test_plug_ins_never_import_each_other(folder: str) -> None:
    for path in files(f"pipeline/{folder}"):
        inside = [module.split(".")[2:3] for module in imports_of(path) if room(module) == folder]
        own = module_of(path).split(".")[2:3]
        assert all(part == own for part in inside), f"{name_of(path)} imports another of {folder}/"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_only_two_modules_import_ray(path: Path) -> None:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    named = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    named |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    assert name_of(path) in MAY_IMPORT_RAY or "ray" not in {name.split(".")[0] for name in named}


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_only_plugins_imports_by_a_name_that_is_computed(path: Path) -> None:
    """Fingerprints of code follow the imports that stand in the source."""
    assert name_of(path) in MAY_IMPORT_BY_NAME or not re.search(r"import_module|__import__", path.read_text())


def test_files_and_folders_stay_small() -> None:
    assert [name_of(path) for path in FILES if len(path.read_text().splitlines()) > LONGEST_FILE] == []
    for folder in {path.parent for path in FILES} - {ROOT / "pipeline" / name for name in PLUGIN_ROOMS}:
        held = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(held) <= MOST_FILES, f"{name_of(folder)} has {len(held)} files"


def test_functions_stay_short() -> None:
    lengths = statistics.quantiles(functions(), n=100, method="inclusive")
    for percentile, most in LINES_OF_A_FUNCTION.items():
        assert lengths[percentile - 1] <= most


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_has_one_name_used_four_times(stage: str) -> None:
    entry = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][stage]
    assert (ROOT / "stages" / f"{stage}.py").is_file()
    assert f"stages.{stage}" in entry["cmd"]
    assert stage in yaml.safe_load((ROOT / "params.yaml").read_text())
    assert any(str(out).startswith(("{'data/", "reports/latest")) for out in entry["outs"])


@pytest.mark.parametrize("room", ["crawl", "faces", "identities", "shapes", "samples", "generate", "world/gallery"])
def test_a_stage_folder_has_its_tasks_its_worker_and_its_summary(room: str) -> None:
    for name in ("tasks", "worker", "summary"):
        assert (ROOT / "pipeline" / room / f"{name}.py").is_file()


def is_code(dep: str) -> bool:
    """Whether a dep of dvc.yaml is Python code: a file, or a folder that has any directly in it."""
    path = ROOT / dep
    return dep.startswith(("pipeline/", "stages/")) and (path.suffix == ".py" or any(path.glob("*.py")))


@pytest.mark.parametrize("name", yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"])
def test_dvc_watches_the_code_that_a_stage_imports(name: str) -> None:
    entry = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"][name]
    script = re.search(r"-m stages\.(\w+)", entry["cmd"])
    assert script
    found = sorted(dep for dep in entry["deps"] if is_code(dep))
    assert found == code.dependencies(script[1]), f"dvc.yaml: see python -m pipeline.code {script[1]}"


@pytest.mark.parametrize("name", [*STAGES, *plugins.names("methods"), *plugins.names("metrics")])
def test_a_page_names_every_stage_method_and_metric(name: str) -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    assert any(f"`{name}`" in page.read_text() for page in pages)


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_every_module_says_what_it_is(path: Path) -> None:
    assert path.stat().st_size == 0 or ast.get_docstring(ast.parse(path.read_text()))
