"""Plug-ins are files, or folders: a method is one in pipeline/methods/, a metric one in pipeline/metrics/.

Its name is the registry key, so there is no list to keep in step. A folder is a package: what is asked for (`METHOD`,
`CARDS` and the like) stands in its `__init__.py`, and its files import each other and no other plug-in.
"""

import importlib
import pkgutil
from types import ModuleType

from pipeline.errors import SettingsError, did_you_mean


def names(folder: str) -> list[str]:
    """The plug-ins in pipeline/<folder>/, sorted; names that begin with an underscore are not plug-ins."""
    package = importlib.import_module(f"pipeline.{folder}")
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_"))


def having(folder: str, name: str) -> list[str]:
    """The plug-ins that have something of a name which not all have, like `RELEASED`."""
    return [each for each in names(folder) if hasattr(load(folder, each), name)]


def check(folder: str, name: str) -> None:
    """Refuse a name that no plug-in has, at once: nothing is imported.

    Raises:
        SettingsError: there is neither a file nor a folder of that name; the message names the closest one that exists.
    """
    known = names(folder)
    if name not in known:
        raise SettingsError(f"no {name}.py in pipeline/{folder}/{did_you_mean(name, known)}")


def load(folder: str, name: str) -> ModuleType:
    """Import pipeline/<folder>/<name>.py or the folder pipeline/<folder>/<name>/.

    Raises:
        SettingsError: there is neither, as `check` has it.
    """
    check(folder, name)
    return importlib.import_module(f"pipeline.{folder}.{name}")
