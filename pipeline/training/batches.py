"""What a step is given: this rank's photos, references and captions of a batch, and noise on the photos' latents."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from pipeline.backbone.batch import to_device
from pipeline.backbone.load import Backbone
from pipeline.backbone.timesteps import FOCUS, stratified_timesteps
from pipeline.method import Dropout, Method, NoisyBatch, Phase
from pipeline.settings import TrainSettings
from pipeline.training import randomness
from pipeline.training.dataset import Example, TrainingSet
from pipeline.training.distributed import Ranks
from pipeline.training.face_crops import close_up
from pipeline.training.randomness import StepKey, StepRandomness


class NoisyBatches:
    """Makes the batches of a method's steps, for one rank."""

    def __init__(
        self, data: TrainingSet, backbone: Backbone, method: Method, train: TrainSettings, ranks: Ranks
    ) -> None:
        self._data, self._backbone, self._method, self._train = data, backbone, method, train
        self._random = StepRandomness(train.seed)
        self._slice = slice(ranks.rank, None, ranks.size)
        self._empty = to_device(backbone.encode_text([""]), torch.device("cpu"))  # examples are put together there

    def at(self, phase: Phase, key: StepKey, photos: Sequence[int]) -> NoisyBatch:
        """This rank's slice of a step's batch of `photos`, with noise, on the backbone's device."""
        backbone = self._backbone
        example = self._example(phase, key, photos)
        size = len(photos), backbone.channels, *example.batch.size
        mean, deviation = example.moments.chunk(2, dim=1)
        latents = mean + deviation * self._normal(key, randomness.LATENT, size)
        noise = self._normal(key, randomness.NOISE, size)
        times = self._times(key, len(photos))
        return NoisyBatch(
            batch=example.batch,
            latents=latents,
            noisy=backbone.noisy(latents, noise, times),
            times=times,
            target=backbone.target(latents, noise, times),
            weights=backbone.weights(times, self._train.min_snr_gamma),
            face_weight=self._train.face_weight,
            embeddings=example.embeddings,
            backbone=backbone,
        )

    def still(self, phase: Phase, photos: Sequence[int]) -> Example:
        """Photos with their references as every preview of a phase shows them: nothing is dropped."""
        entropy = [[self._train.seed, photo] for photo in photos]
        still = replace(phase, dropout=Dropout(0.0, 0.0, 0.0))
        return to_device(self._data.example(photos, still, self._method, self._empty, entropy), self._backbone.device)

    def references(self, phase: Phase, key: StepKey) -> int:
        """How many photos of each person a step shows, from one to the phase's most: a user may give any number."""
        return int(self._random.rng(key, randomness.COUNT).integers(1, phase.references, endpoint=True))

    def _example(self, phase: Phase, key: StepKey, photos: Sequence[int]) -> Example:
        entropy = [self._random.entropy(key, randomness.REFERENCES, row) for row in range(len(photos))][self._slice]
        shown = replace(phase, references=self.references(phase, key))
        example = self._data.example(photos[self._slice], shown, self._method, self._empty, entropy)
        if self._close_up_due(phase, key):
            example = close_up(example, [np.random.default_rng([*each, randomness.CLOSE_UPS]) for each in entropy])
        return to_device(example, self._backbone.device)

    def _close_up_due(self, phase: Phase, key: StepKey) -> bool:
        """Whether a step shows close-ups; in photos of several people everybody is wanted."""
        uniform = self._random.rng(key, randomness.CLOSE_UPS).random()
        return phase.people[1] == 1 and uniform < self._train.close_ups

    def _normal(self, key: StepKey, stream: int, size: Sequence[int]) -> torch.Tensor:
        return self._random.normal(key, stream, size).to(self._backbone.device)[self._slice]

    def _times(self, key: StepKey, count: int) -> torch.Tensor:
        generator = self._random.generator(key, randomness.TIMES)
        times = stratified_timesteps(count, self._backbone.steps, FOCUS, generator)
        return times[self._slice].to(self._backbone.device)
