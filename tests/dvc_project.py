"""A checkout in which DVC runs dvc.yaml as it is, with a stub for every stage's command: seconds instead of minutes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from pipeline import settings
from tests.conftest import ROOT

PACK = "pipeline/pack"
# Writes the settings that it finds, and what the report's metrics and plots are read from.
STUB = """
import json, pathlib, sys
import yaml
params = yaml.safe_load(open("params.yaml"))
out = pathlib.Path(sys.argv[1])
(out / "plots").mkdir(parents=True, exist_ok=True)
(out / "settings.json").write_text(json.dumps(params.get(sys.argv[2])))
(out / "metrics.json").write_text(json.dumps({"images": params["train"]["images"]}))
(out / "plots/similarity.csv").write_text("method,sim_heldout\\na,0.5\\n")
(out / "plots/training.csv").write_text("images,method,loss\\n1,a,0.5\\n")
"""


def run(project: Path, *words: str) -> str:
    """What a command prints; a failure is an error."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "DVC_NO_ANALYTICS": "1",
        **{
            f"GIT_{who}_{what}": "tests@likeness.invalid"
            for who in ("AUTHOR", "COMMITTER")
            for what in ("NAME", "EMAIL")
        },
    }
    done = subprocess.run(words, cwd=project, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{words}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


def make(folder: Path, profile: str = "world") -> Path:
    """A git repository with dvc.yaml, settings of `profile`, the pack's project, a stub of each file that is read."""
    shutil.copytree(ROOT / "profiles", folder / "profiles")
    for name in (".dvcignore", ".gitignore"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / ".dvc", folder / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp"))
    settings.use(profile, folder / "params.yaml", folder / "profiles")
    (folder / "stub.py").write_text(STUB)
    pipeline = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    for name, stage in pipeline["stages"].items():
        (out,) = (next(iter(out)) if isinstance(out, dict) else out for out in stage["outs"])
        stage["cmd"] = f"{sys.executable} stub.py {out} {name.partition('-')[0]}"
        for dep in stage["deps"]:
            if not dep.startswith(("data/", "profiles/", "${")):
                put(folder / dep)
    chosen = settings.load(ROOT / "params.yaml", ROOT / "profiles")
    for part in (*chosen.parts().values(), chosen.samples.benchmark):
        put(folder / part)
    for name in ("params.yaml", "dvc/dvc.yaml", "dvc/.dvc/config"):
        (folder / PACK / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / PACK / name, folder / PACK / name)
    (folder / "dvc.yaml").write_text(yaml.safe_dump(pipeline, sort_keys=False))
    run(folder, "git", "init", "--quiet")
    commit(folder)
    return folder


def put(path: Path) -> None:
    """A file, or a folder with one."""
    if path.exists():
        return
    file = path if path.suffix else path / "something"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("here\n")


def commit(folder: Path) -> None:
    """Everything that git does not ignore."""
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message", "state")


def changed(folder: Path) -> set[str]:
    """The stages that `dvc status` says something of, without the method of a matrix."""
    said: dict[str, Any] = json.loads(run(folder, "dvc", "status", "--json"))
    return {name.partition("@")[0] for name in said}
