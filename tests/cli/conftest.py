"""The photos, weights and settings of the tests of drawing."""

from tests.inference.conftest import params, photos, weights

__all__ = ["params", "photos", "weights"]
