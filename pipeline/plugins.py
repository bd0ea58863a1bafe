"""Plug-ins are files: a method is a file in pipeline/methods/, a metric a file in pipeline/metrics/.

The file name is the registry key, so there is no list to keep in step.
"""

import importlib
import pkgutil
from types import ModuleType

from pipeline.errors import SettingsError, did_you_mean


def names(folder: str) -> list[str]:
    """The plug-ins in pipeline/<folder>/, sorted; files that begin with an underscore are not plug-ins."""
    package = importlib.import_module(f"pipeline.{folder}")
    return sorted(module.name for module in pkgutil.iter_modules(package.__path__) if not module.name.startswith("_"))


def having(folder: str, name: str) -> list[str]:
    """The plug-ins whose file has something of a name that is not everybody's."""
    return [each for each in names(folder) if hasattr(load(folder, each), name)]


def load(folder: str, name: str) -> ModuleType:
    """Import pipeline/<folder>/<name>.py.

    Raises:
        SettingsError: there is no such file; the message names the closest one that exists.
    """
    known = names(folder)
    if name not in known:
        raise SettingsError(f"no {name}.py in pipeline/{folder}/{did_you_mean(name, known)}")
    return importlib.import_module(f"pipeline.{folder}.{name}")
