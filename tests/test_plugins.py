import re
from pathlib import Path

import pytest

from pipeline import plugins
from pipeline.errors import SettingsError


def test_files_are_the_registry() -> None:
    assert "uniportrait" in plugins.names("methods")
    assert plugins.load("methods", "uniportrait").__name__ == "pipeline.methods.uniportrait"


def test_a_folder_is_a_plugin_whose_files_import_no_other_plugin() -> None:
    """One plug-in can be read, copied and deleted without another."""
    found = 0
    for kind in ("methods", "metrics"):
        for name in plugins.names(kind):
            module = Path(str(plugins.load(kind, name).__file__))
            for path in module.parent.glob("*.py") if module.stem == "__init__" else [module]:
                imported = set(re.findall(rf"pipeline\.{kind}\.(\w+)", path.read_text()))
                assert imported <= {name}, f"{path} imports {imported - {name}}"
                found += bool(imported)
    assert found


def test_a_misspelt_name_is_answered_with_the_right_one() -> None:
    with pytest.raises(SettingsError, match=r"no uni_portrait\.py in pipeline/methods/; did you mean uniportrait\?"):
        plugins.load("methods", "uni_portrait")
