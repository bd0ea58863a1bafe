"""The one training loop, plain torch: it runs without Ray or DVC, alone or as one of several ranks.

Each rank computes its slice of every batch; gradients are summed once per step in one flat buffer. All that is random
in a step follows from its key, so a checkpoint is weights, optimiser state and the step's number, and a run that was
killed ends with the same weights, bit for bit, as one that was not (same machine, ranks and threads).
"""

import math
import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from pipeline import method as contract
from pipeline import sampler, shards
from pipeline.backbone import load
from pipeline.backbone.frozen import FrozenEncoders
from pipeline.errors import TrainingError
from pipeline.images import Pixels, from_unit
from pipeline.method import Phase
from pipeline.precision import autocast
from pipeline.shards import training_shards
from pipeline.training import cache, randomness
from pipeline.training.batch_sampler import BucketBatchSampler
from pipeline.training.batches import NoisyBatches
from pipeline.training.dataset import TrainingSet
from pipeline.training.distributed import SINGLE_PROCESS, Ranks
from pipeline.training.logger import EVERY, TrainingLogger
from pipeline.training.optimiser import Gradients, PhaseOptimiser
from pipeline.training.plan import TrainingPlan, earlier_steps, phase_steps
from pipeline.training.randomness import StepKey, StepRandomness, torch_seed
from pipeline.weights import checkpoint

PREVIEWS = 4  # per phase
PREVIEW = sampler.SamplerSettings(steps=10, guidance=3.0)


def fit(plan: TrainingPlan, ranks: Ranks = SINGLE_PROCESS) -> None:
    """Train one method from where its last checkpoint stands, and write its weights, card and measurements.

    Raises:
        MissingInput: no photo can be trained on, or a weight file is missing.
        TrainingError: the batch cannot be shared among the ranks, a phase computes other losses than it names, or the
            loss is not finite.
    """
    trainer = Trainer(plan, ranks)
    first, step = trainer.resume()
    for number, phase in list(enumerate(trainer.phases))[first:]:
        if trainer.steps[number]:
            trainer.run(number, phase, step)
        step = 0
    trainer.finish()


class Trainer:
    """A method in training: models, data, and the state that a checkpoint holds."""

    def __init__(self, plan: TrainingPlan, ranks: Ranks) -> None:
        torch.set_num_threads(1)  # two ranks of one thread use two cores; spinning threads of several processes do not
        self.plan, self.ranks = plan, ranks
        if plan.train.batch % ranks.size:
            raise TrainingError(f"train.batch {plan.train.batch} cannot be shared evenly by {ranks.size} ranks")
        self.backbone = load.load(plan.models.backbone)
        torch.manual_seed(plan.train.seed)
        frozen = FrozenEncoders(plan.models, self.backbone)
        self.method = checkpoint.with_null(plan.method, self.backbone, cache.read(plan.null_key, plan.cache))
        self.method.to(self.backbone.device).attach(self.backbone.unet)
        self.method.prepare(frozen)
        self.data = TrainingSet(plan.samples, plan.photo_keys, plan.face_keys, plan.cache)
        self.random = StepRandomness(plan.train.seed)
        self.batches = NoisyBatches(self.data, self.backbone, self.method, plan.train, ranks)
        self.phases = self.method.phases()
        self.steps = phase_steps(plan.train.images // plan.train.batch, [phase.share for phase in self.phases])
        self.starts = earlier_steps([phase.people for phase in self.phases], self.steps)
        self.checkpoint = checkpoint.Checkpoint(plan.out / "checkpoint.safetensors", plan.fingerprint)
        self.seconds, self._started = 0.0, time.monotonic()
        self.last: dict[str, float] = {}
        self._optimiser_state: dict[str, Tensor] = {}

    def resume(self) -> tuple[int, int]:
        """Phase and step to go on with."""
        state = self.checkpoint.read()
        if state is None:
            return 0, 0
        self._optimiser_state = state.optimiser
        self.method.load_state_dict(state.weights)
        self.seconds = state.seconds
        return state.phase, state.step

    def run(self, number: int, phase: Phase, start: int) -> None:
        """Train phase `number` from its step `start`."""
        if start == 0:
            self.method.on_phase_start(phase)
        self.method.on_phase_resume(phase)
        optimiser = self.optimiser(phase)
        gradients = Gradients(optimiser.parameters, len(phase.losses))
        eligible, steps, batch = self.data.eligible(phase.people), self.steps[number], self.plan.train.batch
        order = self._order(phase, eligible)
        before = sum(self.steps[:number]) * batch  # images that earlier phases saw
        with TrainingLogger(self.plan.out, self.ranks.rank == 0, before + start * batch) as logger:
            for step in range(start, steps):
                key = StepKey(*phase.people, self.starts[number] + step)
                terms = self._step(phase, key, order.at(key.step), gradients)
                optimiser.step(step, steps)
                logger.add(terms, before + (step + 1) * batch)
                if self._checkpoint_due(step + 1):
                    self._save(number, step + 1, optimiser)
                if self.ranks.rank == 0 and self.plan.train.preview_images and preview_due(step, steps):
                    logger.show(self._preview(phase, eligible))
        self.last = logger.last()
        self._optimiser_state = {}

    def optimiser(self, phase: Phase) -> PhaseOptimiser:
        """The optimiser of a phase, with the state of a checkpoint where one was read."""
        return PhaseOptimiser(self.method, phase, self.plan.train.learning_rate, self._optimiser_state)

    def finish(self) -> None:
        """Write the weights and their card; a checkpoint is not needed any more."""
        if self.ranks.rank:
            return
        seconds = self.seconds + time.monotonic() - self._started
        plan, seen = self.plan, sum(self.steps) * self.plan.train.batch
        counts = {phase.name: contract.parameters(self.method, phase) for phase in self.phases}
        shown = shards.fingerprint(*(path.name for path in training_shards(plan.samples)))
        origin = checkpoint.Origin(plan.method, plan.fingerprint, shown, plan.models, plan.train, seen, counts)
        checkpoint.save(plan.out, self.method, checkpoint.card(self.method, origin))
        measured = {
            "images_seen": seen,
            "seconds": seconds,
            "images_per_second": seen / seconds,
            "peak_memory_mb": peak_memory_mb(),
            "loss": self.last,
        }
        shards.write_metrics(plan.out, measured)
        self.checkpoint.remove()

    def _order(self, phase: Phase, eligible: Sequence[int]) -> BucketBatchSampler:
        sizes = [self.data.photos[photo].size for photo in eligible]
        return BucketBatchSampler(eligible, sizes, self.plan.train.batch, [self.plan.train.seed, *phase.people])

    def _step(self, phase: Phase, key: StepKey, photos: list[int], gradients: Gradients) -> dict[str, float]:
        """Gradients and loss terms of one step, the mean over all ranks."""
        gradients.buffer.zero_()
        self.method.train()
        torch.manual_seed(torch_seed(self.random.entropy(key, randomness.LAYERS, self.ranks.rank)))
        with autocast(self.backbone.device, self.plan.train.half):
            terms = self.method.objective(phase, self.batches.at(phase, key, photos))
        self._check_named(terms, phase)
        torch.stack(list(terms.values())).sum().backward()
        for index, value in enumerate(terms.values()):
            gradients.terms[index] = value.detach()
        gradients.share(self.ranks)
        norm = gradients.clip()
        found = dict(zip(terms, gradients.terms.tolist(), strict=True))
        # A gradient may be infinite where the loss is not: the step after it would be the first to show it.
        self._check_finite(found | {"the gradient's norm": norm}, phase, key)
        return found

    def _check_named(self, terms: Mapping[str, Tensor], phase: Phase) -> None:
        if set(terms) != set(phase.losses):
            raise TrainingError(
                f"{self.plan.method}: phase {phase.name} names the losses {', '.join(phase.losses)} and computes "
                f"{', '.join(terms)}: let `phases` and `objective` of its file say the same"
            )

    def _check_finite(self, values: dict[str, float], phase: Phase, key: StepKey) -> None:
        if wrong := [f"{name} is {value}" for name, value in values.items() if not math.isfinite(value)]:
            raise TrainingError(
                f"{self.plan.method}: the loss is not finite in phase {phase.name} at step {key[-1]} "
                f"({', '.join(wrong)}): lower train.learning_rate and train again from the start"
            )

    def _checkpoint_due(self, step: int) -> bool:
        """Only between two lines of the loss curve, so that a run that was killed writes the same curve."""
        waited = self.checkpoint.due(self.plan.train.checkpoint_seconds)
        return self.ranks.rank == 0 and step % EVERY == 0 and waited

    def _save(self, phase: int, step: int, optimiser: PhaseOptimiser) -> None:
        seconds = self.seconds + time.monotonic() - self._started
        state = checkpoint.TrainingState(self.method.state_dict(), optimiser.state(), phase, step, seconds)
        self.checkpoint.write(state)

    def _preview(self, phase: Phase, eligible: Sequence[int]) -> Pixels:
        """Images of the first photos' captions and people, side by side: the same ones all through a phase."""
        size = self.data.photos[eligible[0]].size
        photos = [photo for photo in eligible if self.data.photos[photo].size == size][: self.plan.train.preview_images]
        batch = replace(self.batches.still(phase, photos).batch, layout=None)
        images = sampler.sample(self.backbone, self.method, batch, photos, PREVIEW)
        return from_unit(torch.cat(list(images), dim=2).permute(1, 2, 0).cpu().numpy())


def preview_due(step: int, steps: int) -> bool:
    """At the end of every quarter of a phase."""
    return (step + 1) * PREVIEWS // steps > step * PREVIEWS // steps


def peak_memory_mb() -> float:
    """Most memory that this process ever held, in MB (Linux counts in kB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
