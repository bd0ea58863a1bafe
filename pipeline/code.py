"""Which code makes a shard, and a fingerprint of it: what a worker's module imports, read from the source.

A shard is named by the code that it follows from, so that no list of files must be kept by hand. That code is the
worker's module and all modules of the project that it imports, directly or not, at the top or inside a function, and
the plug-ins that the settings name. Comments, docstrings and layout do not count: words may be mended without making
anything again. Modules in GROUND do not count either.

`python -m pipeline.code STAGE` prints, from the same imports, the code among the `deps` of a stage in dvc.yaml.
"""

import argparse
import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

ROOT = Path(__file__).parent.parent
OURS = ("pipeline", "stages")
# What decides no content of a shard: words and exits (errors), who may use what (licences), how work is dealt out
# (actors, plugins, process, runner), how text is read (files) and rows are stored (shards), and what counts by its
# values: settings and the schemas of records are parts of the fingerprints of what follows from them.
PLAIN = (
    "actors", "code", "errors", "files", "licences", "plugins", "process", "records", "runner", "settings", "shards",
)  # fmt: skip
GROUND = frozenset(f"pipeline.{name}" for name in PLAIN)


def code_fingerprint(*modules: str) -> str:
    """16 hex digits for the code of modules, like 'pipeline.faces.worker', and of all that they import.

    Another minor version of Python may parse the same code to another tree, and then counts as other code.

    Raises:
        ModuleNotFoundError: there is no such module.
    """
    digest = hashlib.sha256()
    for name in closure(*modules):
        digest.update(f"{name}\n{_meaning(name)}\n".encode())
    return digest.hexdigest()[:16]


def project_fingerprint() -> str:
    """16 hex digits for all code of the project, GROUND and all."""
    names = [name for folder in OURS for name in _inside(folder)]
    text = "\n".join(f"{name}\n{_meaning(name)}" for name in sorted(names))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def schema_parts(*schemas: "pa.Schema") -> list[list[str]]:
    """What of schemas a fingerprint takes: names and types of columns, not their descriptions."""
    return [[f"{field.name}: {field.type}" for field in schema] for schema in schemas]


def plugin(folder: str, name: str) -> str:
    """The module of a plug-in: 'pipeline.methods.uniportrait' for a variant of it, too."""
    return f"pipeline.{folder}.{name.partition('-')[0]}"


@cache
def closure(*modules: str) -> tuple[str, ...]:
    """The modules and all modules of the project that they import, directly or not, sorted; without GROUND."""
    found: set[str] = set()
    waiting = [parent for module in modules for parent in _with_packages(module)]
    while waiting:
        name = waiting.pop()
        if name not in found and GROUND.isdisjoint(_with_packages(name)):
            found.add(name)
            waiting += imports(name)
    return tuple(sorted(found))


@cache
def imports(module: str) -> frozenset[str]:
    """The modules of the project that one imports itself, with the packages that contain them; not for types alone."""
    tree = _tree(module)
    found = {name for node in _running(tree) for name in _imported(node, module)}
    return frozenset(parent for name in found for parent in _with_packages(name)) - {module}


def plugin_folders(modules: Iterable[str]) -> set[str]:
    """The folders from which these modules load plug-ins by name: the first word of plugins.load and plugins.having."""
    return {
        f"pipeline.{node.args[0].value!s}"
        for module in modules
        for node in ast.walk(_tree(module))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("plugins.load", "plugins.having")
        and isinstance(node.args[0], ast.Constant)
    }


def dependencies(stage: str) -> list[str]:
    """The code among the `deps` of a stage in dvc.yaml: its script, and each room (a folder or file of pipeline/) of
    which it imports anything; plug-in folders, too, where it loads plug-ins by name.

    Rooms and not files: the list stays readable, and a stage that is run in vain finds its shards finished.
    """
    plugins: set[str] = set()
    while True:
        modules = closure(f"stages.{stage}", *(name for folder in sorted(plugins) for name in _inside(folder)))
        if (more := plugin_folders(modules)) <= plugins:
            return sorted({room for name in modules if (room := _room(name))})
        plugins |= more


def path_of(module: str) -> Path:
    """The file of a module, relative to the project's root.

    Raises:
        ModuleNotFoundError: there is no such module.
    """
    base = Path(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if (ROOT / path).is_file():
            return path
    raise ModuleNotFoundError(f"no module {module} in {ROOT}")


def _imported(node: ast.AST, module: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if alias.name.split(".")[0] in OURS)
    elif isinstance(node, ast.ImportFrom):
        if node.level:
            raise ValueError(f"{module} imports by a relative name: write it out")
        if node.module and node.module.split(".")[0] in OURS:
            yield node.module
            yield from (name for alias in node.names if _is_module(name := f"{node.module}.{alias.name}"))


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those below `if TYPE_CHECKING:`."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            yield from (each for other in child.orelse for each in (other, *_running(other)))
        else:
            yield child
            yield from _running(child)


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse((ROOT / path_of(module)).read_text())


@cache
def _meaning(module: str) -> str:
    """A module's code as text without docstrings, comments and layout."""
    return ast.dump(_WithoutWords().visit(ast.parse((ROOT / path_of(module)).read_text())))


class _WithoutWords(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        """Drop a text that stands alone: it does nothing."""
        return None if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str) else node


def _is_module(name: str) -> bool:
    base = ROOT.joinpath(*name.split("."))
    return base.with_suffix(".py").is_file() or (base / "__init__.py").is_file()


def _with_packages(name: str) -> Iterator[str]:
    """A module and the packages around it, whose __init__ runs when it is imported."""
    parts = name.split(".")
    return (".".join(parts[:count]) for count in range(1, len(parts) + 1))


def _inside(package: str) -> list[str]:
    files = sorted((ROOT / path_of(package)).parent.rglob("*.py"))
    names = (".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files)
    return [name.removesuffix(".__init__") for name in names]


def _room(module: str) -> str:
    """Where a module's room lies; empty for a package that holds no code of its own."""
    path = path_of(module)
    if len(path.parts) == 2:  # a script, or a room that is one file
        return path.as_posix() if _tree(module).body and path.stem != "__init__" else ""
    return "/".join(path.parts[:2])


def main() -> None:
    """Print the code that the stages named on the command line run, as a list for dvc.yaml."""
    known = sorted(path.stem for path in (ROOT / "stages").glob("[a-z]*.py"))
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("stages", nargs="+", choices=known, metavar="STAGE", help=", ".join(known))
    for stage in parser.parse_args().stages:
        print(f"{stage}:\n" + "\n".join(f"      - {path}" for path in dependencies(stage)))


if __name__ == "__main__":
    main()
