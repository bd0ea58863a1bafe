import pytest

from pipeline import plugins
from pipeline.errors import SettingsError


def test_files_are_the_registry() -> None:
    assert "uniportrait" in plugins.names("methods")
    assert plugins.load("methods", "uniportrait").__name__ == "pipeline.methods.uniportrait"


def test_a_misspelt_name_is_answered_with_the_right_one() -> None:
    with pytest.raises(SettingsError, match=r"no uni_portrait\.py in pipeline/methods/; did you mean uniportrait\?"):
        plugins.load("methods", "uni_portrait")
