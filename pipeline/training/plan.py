"""What a training is made from, and how its budget is cut into steps."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline import method as contract
from pipeline import shards
from pipeline.code import code_fingerprint, plugin
from pipeline.settings import Models, TrainSettings


@dataclass(frozen=True)
class TrainingPlan:
    """Everything that a rank needs to know; small and picklable."""

    method: str
    models: Models
    train: TrainSettings
    samples: Path  # data/samples
    photo_keys: tuple[str, ...]  # cache entries, one per training shard
    face_keys: tuple[str, ...]
    null_key: str  # the cache entry of the features of no reference
    cache: Path
    out: Path  # data/weights/<method>

    @property
    def fingerprint(self) -> str:
        """What the trained weights follow from."""
        _, settings = contract.find(self.method)
        shown = ("checkpoint_seconds", "preview_images")  # what changes no weight
        budget = {name: value for name, value in asdict(self.train).items() if name not in shown}
        code = code_fingerprint("pipeline.training.loop", plugin("methods", self.method))
        return shards.fingerprint(self.method, settings, budget, self.photo_keys, self.face_keys, code)


def phase_steps(total: int, shares: Sequence[float]) -> list[int]:
    """Steps of each phase; the last one takes what rounding leaves."""
    steps = [round(total * share) for share in shares[:-1]]
    return [*steps, total - sum(steps)] if shares else []


def earlier_steps(people: Sequence[tuple[int, int]], steps: Sequence[int]) -> list[int]:
    """How many steps on photos of as many people came before each phase: methods cut their budget differently."""
    earlier = [list(zip(people, steps, strict=True))[:number] for number in range(len(people))]
    return [sum(count for shown, count in before if shown == now) for now, before in zip(people, earlier, strict=True)]
