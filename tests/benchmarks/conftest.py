"""The same tiny models as the tests of the backbone."""

from tests.tiny_training import models

__all__ = ["models"]
