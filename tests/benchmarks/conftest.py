"""The same tiny models as the tests of the backbone."""

from tests.backbone.conftest import models

__all__ = ["models"]
