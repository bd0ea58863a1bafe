"""Say what is installed and what is missing, and whether a run can start: exit code 0 if it can, 2 if not.

Lines begin with `ok`, with `note` (a run can start, but look at it) or with `NO` (it cannot).
"""

import argparse
import os
import re
import shutil
import socket
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from pipeline import settings
from pipeline.cli import environment, fit, project
from pipeline.cli.fit import NO, NOTE, OK, Finding
from pipeline.errors import EXIT_CODE, LikenessError

GB = 10**9
# What the demo needs: its data, models and Ray's session; two workers of about 1.5 GB and the command itself.
DISK, MEMORY = 3 * GB, 6 * GB
RAY_SECONDS = 3.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None."""


def call(asked: argparse.Namespace) -> None:
    """Look at everything, say it, and end accordingly."""
    findings = list(examine())
    for state, about, words in findings:
        print(f"{state:<5} {about:<13} {words}")
    if any(state == NO for state, _, _ in findings):
        print("a run cannot start: mend what says NO", file=sys.stderr)
        sys.exit(EXIT_CODE)


def examine() -> Iterator[Finding]:
    """All findings, from the ground up."""
    yield OK, "Python", f"{sys.version.split()[0]}, {sys.executable}"
    yield of_environment()
    yield from of_packages()
    yield from of_settings()
    yield of_disk()
    yield of_memory()
    yield of_accelerators()
    yield of_ray()


def of_environment() -> Finding:
    """`.venv`, as `make setup` leaves it; an environment of a user's own is no fault."""
    if Path(sys.prefix) != project.ROOT / ".venv":
        return NOTE, "environment", f"{sys.prefix}, not the .venv of {project.ROOT}"
    fault = environment.fault(project.ROOT)
    return (NO, "environment", f"{fault}: run `make setup`") if fault else (OK, "environment", sys.prefix)


def of_packages() -> Iterator[Finding]:
    """Whether what pyproject.toml asks for is installed."""
    names = [re.split(r"[^\w.-]", each)[0] for each in environment.requirements(project.ROOT)]
    missing = [name for name in names if not _installed(name)]
    shown = ", ".join(
        f"{name} {metadata.version(name)}" for name in ("torch", "diffusers", "ray", "dvc") if name in names
    )
    if missing:
        yield NO, "packages", f"not installed: {', '.join(missing)}: run `make setup`"
    else:
        yield OK, "packages", f"all {len(names)} ({shown})"
    if not shutil.which("git"):
        yield NOTE, "git", "not found: `dvc exp` needs it"


def _installed(name: str) -> bool:
    try:
        return bool(metadata.version(name))
    except metadata.PackageNotFoundError:
        return False


def of_settings() -> Iterator[Finding]:
    """The profile in force, and whether the pretrained parts that it names are there and fit."""
    try:
        chosen = settings.load()
    except LikenessError as error:
        yield NO, "settings", str(error)
        return
    yield OK, "profile", f"{chosen.profile}: {', '.join(chosen.methods)}"
    yield from fit.examine(chosen)


def of_disk() -> Finding:
    """What is free where the project lies."""
    free = shutil.disk_usage(project.ROOT).free
    return _enough("disk", free, DISK, "free")


def of_memory() -> Finding:
    """What is free of memory, where the system says it."""
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return NOTE, "memory", "this system does not say how much there is"
    return _enough("memory", whole, MEMORY, f"({free / GB:.1f} GB unused now)")


def _enough(about: str, found: int, needed: int, words: str) -> Finding:
    said = f"{found / GB:.1f} GB {words}"
    return (OK, about, said) if found >= needed else (NOTE, about, f"{said}; the demo needs {needed / GB:.0f} GB")


def of_accelerators() -> Finding:
    """What torch can calculate on."""
    try:
        import torch
    except ImportError as error:
        return NO, "torch", f"cannot be imported ({error}): run `make setup`"
    cores = f"{os.cpu_count()} cores"
    if not torch.cuda.is_available():
        return OK, "accelerators", f"none: everything runs on {cores}"
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return OK, "accelerators", f"{', '.join(names)}; {cores}"


def of_ray() -> Finding:
    """The Ray that the stages would run on."""
    address = os.environ.get("RAY_ADDRESS")
    if not address:
        return OK, "Ray", "each stage starts its own on this machine (RAY_ADDRESS is not set)"
    host, _, port = address.rpartition("/")[2].rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=RAY_SECONDS).close()
    except (OSError, ValueError) as error:
        return NO, "Ray", f"nothing answers at RAY_ADDRESS={address} ({error}): `ray start --head`, or unset it"
    return OK, "Ray", f"RAY_ADDRESS={address} answers"
