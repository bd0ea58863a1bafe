"""The one training loop, plain torch: it runs without Ray or DVC, alone or as one of several ranks.

Each rank computes its slice of every batch; gradients are summed once per step in one flat buffer. All that a step
draws follows from its number, so a checkpoint is weights, optimiser state and that number, and a run that was killed
ends with the same weights, bit for bit, as one that was not (same machine, ranks and threads).
"""

import math
import resource
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from pipeline import method as contract
from pipeline import sampler, shards
from pipeline.backbone import load
from pipeline.backbone.batch import to_device
from pipeline.backbone.frozen import FrozenEncoders
from pipeline.backbone.timesteps import FOCUS, stratified_timesteps
from pipeline.errors import TrainingError
from pipeline.images import Pixels, from_unit
from pipeline.method import Dropout, NoisyBatch, Phase
from pipeline.precision import autocast
from pipeline.settings import Models, TrainSettings
from pipeline.shards import training_shards
from pipeline.training import dataset
from pipeline.training.batch_sampler import BucketBatchSampler
from pipeline.training.distributed import SINGLE_PROCESS, Ranks
from pipeline.training.face_crops import close_up
from pipeline.training.logger import EVERY, TrainingLogger
from pipeline.weights import checkpoint

WARM_UP = 0.05  # of a phase's steps
CLIP = 1.0  # norm of the gradient
BETAS = (0.9, 0.99)
WEIGHT_DECAY = 0.01
PREVIEWS = 4  # per phase
PREVIEW = sampler.SamplerSettings(steps=10, guidance=3.0)
# A step, whatever the method: fewest and most people that its phase shows, and how many such steps came before.
StepKey = tuple[int, int, int]


@dataclass(frozen=True)
class TrainingPlan:
    """Everything that a rank needs to know; small and picklable."""

    method: str
    models: Models
    train: TrainSettings
    samples: Path  # data/samples
    photo_keys: tuple[str, ...]  # cache entries, one per training shard
    face_keys: tuple[str, ...]
    cache: Path
    out: Path  # data/weights/<method>

    @property
    def fingerprint(self) -> str:
        """What the trained weights follow from."""
        _, settings = contract.find(self.method)
        shown = ("checkpoint_seconds", "preview_images")  # what changes no weight
        budget = {name: value for name, value in asdict(self.train).items() if name not in shown}
        shared = "pipeline/training", "pipeline/sampler", "pipeline/backbone", "pipeline/method", "pipeline/precision"
        code = shards.code_version(*shared, str(contract.source(self.method)))
        return shards.fingerprint(self.method, settings, budget, self.photo_keys, self.face_keys, code)


def fit(plan: TrainingPlan, ranks: Ranks = SINGLE_PROCESS) -> None:
    """Train one method from where its last checkpoint stands, and write its weights, card and measurements.

    Raises:
        MissingInput: no photo can be trained on, or a weight file is missing.
        SettingsError: the batch cannot be shared among the ranks.
        TrainingError: the loss is not finite.
    """
    trainer = Trainer(plan, ranks)
    first, step = trainer.resume()
    for number, phase in list(enumerate(trainer.phases))[first:]:
        if trainer.steps[number]:
            trainer.run(number, phase, step)
        step = 0
    trainer.finish()


class Gradients:
    """The gradients of some parameters as views of one flat buffer, with room for the loss terms behind them."""

    def __init__(self, parameters: list[torch.nn.Parameter], terms: int) -> None:
        sizes = [parameter.numel() for parameter in parameters]
        self.buffer = torch.zeros(sum(sizes) + terms, device=parameters[0].device)
        self.flat, self.terms = self.buffer[: sum(sizes)], self.buffer[sum(sizes) :]
        for parameter, part in zip(parameters, self.flat.split(sizes), strict=True):
            parameter.grad = part.view_as(parameter)

    def share(self, ranks: Ranks) -> None:
        """Mean over the ranks."""
        ranks.sum(self.buffer)
        self.buffer.div_(ranks.size)

    def clip(self) -> float:
        """Scale to a norm of at most CLIP; the norm that it was."""
        norm = self.flat.norm()
        self.flat.mul_((CLIP / norm.clamp(min=1e-12)).clamp(max=1.0))
        return norm.item()


class Trainer:
    """A method in training: models, data, and the state that a checkpoint holds."""

    TERMS = 8  # room for loss terms in the shared buffer

    def __init__(self, plan: TrainingPlan, ranks: Ranks) -> None:
        torch.set_num_threads(1)  # two ranks of one thread use two cores; spinning threads of several processes do not
        self.plan, self.ranks = plan, ranks
        if plan.train.batch % ranks.size:
            raise TrainingError(f"train.batch {plan.train.batch} cannot be shared evenly by {ranks.size} ranks")
        self.backbone = load.load(plan.models.backbone)
        torch.manual_seed(plan.train.seed)
        frozen = FrozenEncoders(plan.models, self.backbone)
        self.method = checkpoint.create(plan.method, self.backbone, frozen)
        self.method.to(self.backbone.device).attach(self.backbone.unet)
        self.method.prepare(frozen)
        self.empty = to_device(self.backbone.encode_text([""]), torch.device("cpu"))  # examples are put together there
        self.data = dataset.TrainingSet(plan.samples, plan.photo_keys, plan.face_keys, plan.cache)
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
        """Train one phase from step `start`."""
        if start == 0:
            self.method.on_phase_start(phase)
        self.method.on_phase_resume(phase)
        parameters, optimiser = self._optimiser(phase)
        gradients = Gradients(parameters, self.TERMS)
        eligible = self.data.eligible(phase.people)
        sizes = [self.data.photos[photo].size for photo in eligible]
        order = BucketBatchSampler(eligible, sizes, self.plan.train.batch, [self.plan.train.seed, *phase.people])
        before = sum(self.steps[:number]) * self.plan.train.batch
        with TrainingLogger(self.plan.out, self.ranks.rank == 0, before + start * self.plan.train.batch) as journal:
            for step in range(start, self.steps[number]):
                rate = learning_rate_factor(step, self.steps[number])
                for group in optimiser.param_groups:
                    group["lr"] = self.plan.train.learning_rate * group["factor"] * rate
                place = (*phase.people, self.starts[number] + step)
                terms = self._step(phase, place, order.at(place[-1]), gradients)
                optimiser.step()
                journal.add(terms, before + (step + 1) * self.plan.train.batch)
                if self._checkpoint_due(step + 1):
                    self._save(number, step + 1, optimiser)
                if self.ranks.rank == 0 and preview_due(step, self.steps[number]):
                    journal.show(self._preview(phase, eligible))
        self.last = journal.last()
        self._optimiser_state = {}

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

    def _step(self, phase: Phase, place: StepKey, photos: list[int], gradients: Gradients) -> dict[str, float]:
        """Gradients and loss terms of one step, the mean over all ranks."""
        gradients.buffer.zero_()
        self.method.train()
        torch.manual_seed(torch_seed(self._seed(place, dataset.LAYERS, self.ranks.rank)))
        with autocast(self.backbone.device, self.plan.train.half):
            terms = self.method.objective(phase, self._given(phase, place, photos))
        torch.stack(list(terms.values())).sum().backward()
        for index, value in enumerate(terms.values()):
            gradients.terms[index] = value.detach()
        gradients.share(self.ranks)
        norm = gradients.clip()
        found = dict(zip(terms, gradients.terms.tolist(), strict=False))
        # A gradient may be infinite where the loss is not: the step after it would be the first to show it.
        seen = found | {"the gradient's norm": norm}
        if wrong := [f"{name} is {value}" for name, value in seen.items() if not math.isfinite(value)]:
            raise TrainingError(
                f"{self.plan.method}: the loss is not finite in phase {phase.name} at step {place[-1]} "
                f"({', '.join(wrong)}): lower train.learning_rate and train again from the start"
            )
        return found

    def _given(self, phase: Phase, place: StepKey, photos: list[int]) -> NoisyBatch:
        """This rank's slice of a batch, with noise."""
        mine = slice(self.ranks.rank, None, self.ranks.size)
        seeds = [self._seed(place, dataset.REFERENCES, row) for row in range(len(photos))]
        shown = replace(phase, references=self._references(phase, place))
        example = self.data.example(photos[mine], shown, self.method, self.empty, seeds[mine])
        if self._close_up_due(phase, place):
            example = close_up(example, [np.random.default_rng([*seed, dataset.CLOSE_UPS]) for seed in seeds[mine]])
        example = to_device(example, self.backbone.device)
        size = len(photos), self.backbone.channels, *example.batch.size
        mean, deviation = example.moments.chunk(2, dim=1)
        latents = mean + deviation * self._normal(place, dataset.LATENT, size)[mine]
        noise = self._normal(place, dataset.NOISE, size)[mine]
        times = stratified_timesteps(len(photos), self.backbone.steps, FOCUS, self._generator(place, dataset.TIMES))
        times = times[mine].to(self.backbone.device)
        noisy = self.backbone.noisy(latents, noise, times)
        return NoisyBatch(
            batch=example.batch,
            latents=latents,
            noisy=noisy,
            times=times,
            target=self.backbone.target(latents, noise, times),
            weights=self.backbone.weights(times, self.plan.train.min_snr_gamma),
            face_weight=self.plan.train.face_weight,
            embeddings=example.embeddings,
            backbone=self.backbone,
        )

    def _close_up_due(self, phase: Phase, place: StepKey) -> bool:
        """Whether a step shows close-ups; in photos of several people everybody is wanted."""
        lot = np.random.default_rng(self._seed(place, dataset.CLOSE_UPS)).random()
        return phase.people[1] == 1 and lot < self.plan.train.close_ups

    def _references(self, phase: Phase, place: StepKey) -> int:
        """How many photos of each person a step shows: drawing may give any number of them."""
        draw = np.random.default_rng(self._seed(place, dataset.COUNT))
        return int(draw.integers(1, phase.references, endpoint=True))

    def _optimiser(self, phase: Phase) -> tuple[list[torch.nn.Parameter], torch.optim.AdamW]:
        """The phase's parameters and their optimiser, with the state of a checkpoint where one was read."""
        rates = contract.trainable(self.method, phase)
        for name, parameter in self.method.named_parameters():
            parameter.requires_grad_(name in rates)
        parameters = {name: parameter for name, parameter in self.method.named_parameters() if name in rates}
        groups = [
            {"params": [parameters[name] for name in parameters if rates[name] == factor], "factor": factor}
            for factor in sorted(set(rates.values()))
        ]
        optimiser = torch.optim.AdamW(groups, betas=BETAS, weight_decay=WEIGHT_DECAY, fused=True)
        checkpoint.restore(optimiser, self._optimiser_state)
        return list(parameters.values()), optimiser

    def _checkpoint_due(self, step: int) -> bool:
        """Only between two lines of the journal, so that a run that was killed writes the same curve."""
        waited = self.checkpoint.due(self.plan.train.checkpoint_seconds)
        return self.ranks.rank == 0 and step % EVERY == 0 and waited

    def _save(self, phase: int, step: int, optimiser: torch.optim.Optimizer) -> None:
        seconds = self.seconds + time.monotonic() - self._started
        state = checkpoint.TrainingState(self.method.state_dict(), checkpoint.state_of(optimiser), phase, step, seconds)
        self.checkpoint.write(state)

    def _preview(self, phase: Phase, eligible: Sequence[int]) -> Pixels:
        """Drawings of the first photos' captions and people, side by side: the same ones all through a phase."""
        size = self.data.photos[eligible[0]].size
        photos = [photo for photo in eligible if self.data.photos[photo].size == size][: self.plan.train.preview_images]
        seeds = [[self.plan.train.seed, photo] for photo in photos]
        still = replace(phase, dropout=Dropout(0.0, 0.0, 0.0))
        example = to_device(self.data.example(photos, still, self.method, self.empty, seeds), self.backbone.device)
        batch = replace(example.batch, places=None)
        images = sampler.sample(self.backbone, self.method, batch, photos, PREVIEW)
        return from_unit(torch.cat(list(images), dim=2).permute(1, 2, 0).cpu().numpy())

    def _seed(self, place: StepKey, stream: int, row: int = 0) -> list[int]:
        return [self.plan.train.seed, *place, stream, row]

    def _generator(self, place: StepKey, stream: int) -> torch.Generator:
        return torch.Generator().manual_seed(torch_seed(self._seed(place, stream)))

    def _normal(self, place: StepKey, stream: int, size: tuple[int, ...]) -> Tensor:
        """Noise of the whole batch, so that a photo's noise does not depend on the number of ranks."""
        return torch.randn(size, generator=self._generator(place, stream)).to(self.backbone.device)


def phase_steps(total: int, shares: Sequence[float]) -> list[int]:
    """Steps of each phase; the last one takes what rounding leaves."""
    steps = [round(total * share) for share in shares[:-1]]
    return [*steps, total - sum(steps)] if shares else []


def earlier_steps(people: Sequence[tuple[int, int]], steps: Sequence[int]) -> list[int]:
    """How many steps on photos of as many people came before each phase: methods cut their budget differently."""
    earlier = [list(zip(people, steps, strict=True))[:number] for number in range(len(people))]
    return [sum(count for shown, count in before if shown == now) for now, before in zip(people, earlier, strict=True)]


def learning_rate_factor(step: int, steps: int) -> float:
    """Factor of the learning rate: a short linear rise, then a cosine to zero."""
    rise = max(WARM_UP * steps, 1.0)
    if step < rise:
        return (step + 1) / (rise + 1)
    return 0.5 + 0.5 * math.cos(math.pi * (step - rise) / max(steps - rise, 1.0))


def preview_due(step: int, steps: int) -> bool:
    """At the end of every quarter of a phase."""
    return (step + 1) * PREVIEWS // steps > step * PREVIEWS // steps


def torch_seed(seed: Sequence[int]) -> int:
    """One seed for torch from a list of whole numbers."""
    return int(np.random.SeedSequence(seed).generate_state(1)[0])


def peak_memory_mb() -> float:
    """Most memory that this process ever held, in MB (Linux counts in kB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
