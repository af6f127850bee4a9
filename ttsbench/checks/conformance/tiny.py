"""Tiny untrained models and random batches, on which the checks of an adapter run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ttsbench import registry
from ttsbench.config.schema import ModelSize
from ttsbench.data.batching import Item, RawBatch, collate
from ttsbench.data.prompts import prompted
from ttsbench.models.speech_model import SpeechModel, freeze
from ttsbench.rng import global_seed
from ttsbench.types import AdapterInfo, Batch, Condition, Noise, Role

SIZE = ModelSize(dim=32, encoder_layers=1, backbone_layers=2, kernel=3)
CHANNELS: dict[Role, int] = {"acoustic": 20, "prosody": 2}  # not 80, so that a hard-coded number of mel bins fails
N_PHONES, N_SPEAKERS = 11, 3
PHONES = (9, 6, 4)  # per utterance of the batch
SEEDS = (101, 102, 103)
STEPS = 12  # optimizer steps within which every network must have had a loss
HOP = 4  # samples per frame
PADDING = 5  # steps by which a batch is lengthened
TOLERANCE = 1e-4  # relative to the largest value, at least to 1: float32 sums in another order
MOST_NFE = 32  # a grid that exceeds it is sampled at its smallest and middle values only
Losses = dict[str, Tensor]


@dataclass(frozen=True)
class Tiny:
    """An adapter in one role and with some options, at a size at which everything takes milliseconds."""

    name: str
    role: Role
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def channels(self) -> int:
        """C of the target."""
        return CHANNELS[self.role]

    @cached_property
    def info(self) -> AdapterInfo:
        """The adapter's info."""
        info: AdapterInfo = registry.trainable(self.name).info
        return info

    @cached_property
    def nfe(self) -> tuple[int, ...]:
        """The numbers of function evaluations to try, in rising order."""
        grid = sorted(set(self.info.nfe))
        return tuple(grid) if grid[-1] <= MOST_NFE else tuple(sorted({grid[0], grid[len(grid) // 2]}))

    @cached_property
    def raw(self) -> RawBatch:
        """Three utterances of different lengths."""
        return collate(self._items(), self.role)

    def alone(self, row: int) -> RawBatch:
        """Return one utterance of ``raw`` without padding."""
        return collate(self._items()[row : row + 1], self.role)

    def _items(self) -> list[Item]:
        """Items of the batch, with prompts for an adapter that requires them."""
        rng = np.random.default_rng(7)
        items = [self._item(rng, phones) for phones in PHONES]
        if getattr(registry.trainable(self.name), "prompted", False) is not True:
            return items
        return [prompted(item, self._item(rng, PHONES[0])) for item in items]

    def _item(self, rng: np.random.Generator, phones: int) -> Item:
        durations = rng.integers(1, 6, phones)
        alignment = np.repeat(np.arange(phones), durations)
        steps = len(alignment) if self.role == "acoustic" else phones
        features = rng.standard_normal((len(alignment), 4)).astype(np.float32)
        target = rng.standard_normal((steps, self.channels)).astype(np.float32)
        labels = rng.integers(1, N_PHONES + 1, phones)
        speaker = int(rng.integers(N_SPEAKERS))
        waveform = None
        if self.info.waveform and self.role == "acoustic":
            waveform = rng.standard_normal(len(alignment) * HOP).astype(np.float32)
        return Item(labels, speaker, durations, alignment, features, target, waveform=waveform)

    def model(self, seed: int = 0) -> SpeechModel:
        """An untrained model; ``seed`` determines its weights, but not those of the models that it starts from."""
        names = registry.starts_from(self.name, self.options)
        sources = {name: freeze(Tiny(name, self.role).model(999)) for name in names}
        shape = {"n_phones": N_PHONES, "n_speakers": N_SPEAKERS, "channels": self.channels}
        with global_seed(seed):
            model = SpeechModel(self.name, self.options, self.role, SIZE, shape, sources, STEPS)
            _perturb_zero_weights(model)
        return model

    def batch(self, model: SpeechModel) -> Batch:
        """``raw`` through the model's conditioner."""
        return Batch(self.raw.target, model(self.raw), self.raw.waveform)

    def losses(self, model: SpeechModel, batch: Batch, step: int) -> Losses:
        """The losses of one step; their noise depends on the step alone."""
        return dict(model.adapter.losses(batch, step, Noise([seed + 1000 * step for seed in SEEDS])))

    def sample(
        self, model: SpeechModel, batch: Batch, nfe: int, seeds: Sequence[int] = SEEDS, temperature: float = 1.0
    ) -> Tensor:
        """A sample (B, T, C), drawn as the synthesize stage does."""
        with torch.no_grad():
            return model.sample(batch.cond, nfe, Noise(list(seeds)), temperature)

    @cached_property
    def untrained(self) -> SpeechModel:
        """An untrained frozen model in evaluation mode, for checks that change nothing in it."""
        return freeze(self.model())

    def sampler(self) -> tuple[SpeechModel, Batch]:
        """The untrained model and a new batch."""
        with torch.no_grad():
            return self.untrained, self.batch(self.untrained)


def _perturb_zero_weights(model: SpeechModel) -> None:
    """Draw small values for weights that start at zero and would hide the layers before them."""
    for parameter in model.parameters():
        if parameter.requires_grad and not bool(parameter.detach().any()):
            with torch.no_grad():
                parameter.normal_(std=0.1)


def scribbled(batch: Batch) -> Batch:
    """The batch with random numbers in the padding of conditioning sequence, target and samples."""
    generator = torch.Generator().manual_seed(3)
    padding = ~batch.mask.unsqueeze(-1)

    def scribble(values: Tensor) -> Tensor:
        return torch.where(padding, 10 * torch.randn(values.shape, generator=generator), values)

    def scribbled_condition(cond: Condition) -> Condition:
        sequence = scribble(cond.sequence)
        states = sequence if cond.durations is None else cond.states  # a prosody model's states are its sequence
        sources = {name: scribbled_condition(source) for name, source in cond.sources.items()}
        return replace(cond, sequence=sequence, states=states, sources=sources)

    waveform = batch.waveform
    if waveform is not None:
        samples = 10 * torch.randn(waveform.shape, generator=generator)
        waveform = torch.where(padding.squeeze(-1).repeat_interleave(HOP, dim=1), samples, waveform)
    return Batch(scribble(batch.target), scribbled_condition(batch.cond), waveform)


def lengthened(batch: Batch) -> Batch:
    """The batch with more padding after every utterance and after its phones."""

    def longer(values: Tensor) -> Tensor:
        return functional.pad(values, (*(0, 0) * (values.ndim - 2), 0, PADDING))

    def lengthened_condition(cond: Condition) -> Condition:
        padded: dict[str, Any] = {
            name: longer(values) for name, values in tensors_of(cond).items() if name != "speaker"
        }
        sources = {name: lengthened_condition(source) for name, source in cond.sources.items()}
        return replace(cond, **padded, sources=sources)

    waveform = None if batch.waveform is None else functional.pad(batch.waveform, (0, PADDING * HOP))
    return Batch(longer(batch.target), lengthened_condition(batch.cond), waveform)


def tensors_of(cond: Condition) -> dict[str, Tensor]:
    """The tensors of a condition by name, without those of its sources."""
    values = {field.name: getattr(cond, field.name) for field in fields(cond)}
    return {name: value for name, value in values.items() if isinstance(value, Tensor)}


def difference(a: Tensor, b: Tensor) -> str:
    """Describe by how much two tensors differ; empty if it is no more than rounding."""
    if a.shape != b.shape:
        return f"in shape, {tuple(a.shape)} and {tuple(b.shape)}"
    largest_difference, largest = float((a - b).abs().max()), float(a.abs().max())
    return "" if largest_difference <= TOLERANCE * max(1.0, largest) else f"by up to {largest_difference:.2g}"
