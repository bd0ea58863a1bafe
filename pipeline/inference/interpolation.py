"""ID interpolation: one face between two persons, for methods whose file has an `interpolate`."""

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from pipeline import plugins
from pipeline.backbone.batch import Batch, Condition
from pipeline.backbone.decoupled import IdCondition
from pipeline.backbone.load import Backbone
from pipeline.errors import SettingsError
from pipeline.method import Method

Mix = Callable[[Tensor, Tensor, float], Tensor]


class InterpolatedMethod(Method):
    """A trained method that reads two persons and draws one, `share` of the way from the first to the second.

    Raises:
        SettingsError: the method has no ID interpolation, or the share is not in [0, 1].
    """

    def __init__(self, method: Method, backbone: Backbone, name: str, share: float) -> None:
        super().__init__(backbone, {}, method.settings)
        self.inner, self._share, self._mix = method, share, _mix(name)
        if not 0 <= share <= 1:
            raise SettingsError(f"the share of an interpolation must be from 0 to 1, found {share}")

    @property
    def null_features(self) -> dict[str, Tensor]:
        """The unconditional features."""
        return self.inner.null_features

    def condition(self, batch: Batch) -> Condition:
        """The method's condition of both persons, with one row of tokens between theirs."""
        found = self.inner.condition(batch)
        faces: IdCondition = found.faces
        tokens = self._mix(faces.tokens[:, :1], faces.tokens[:, 1:2], self._share)
        return replace(found, faces=replace(faces, tokens=tokens, present=faces.present[:, :1]))

    def condition_at(self, condition: Condition, progress: float) -> Condition:
        """As the method has it."""
        return self.inner.condition_at(condition, progress)

    def predict(self, backbone: Backbone, noisy: Tensor, times: Tensor, condition: Condition) -> Tensor:
        """As the method does."""
        return self.inner.predict(backbone, noisy, times, condition)


def _mix(name: str) -> Mix:
    base = name.partition("-")[0]
    known = plugins.having("methods", "interpolate")
    if base not in known:
        raise SettingsError(f"{base} has no ID interpolation; methods that have: {', '.join(known)}")
    return plugins.load("methods", base).interpolate
