"""The same tiny models as the tests of the backbone."""

from tests.backbone.conftest import any_models, models

__all__ = ["any_models", "models"]
