"""Tiny untrained models and random batches: what the checks of an adapter run on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
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
CHANNELS: dict[Role, int] = {"acoustic": 20, "prosody": 2}  # not 80: a number of mel bins written into a plug-in shows
N_PHONES, N_SPEAKERS = 11, 3
PHONES = (9, 6, 4)  # per utterance of the batch
SEEDS = (101, 102, 103)
STEPS = 12  # optimizer steps within which every network must have had a loss
PADDING = 5  # steps by which a batch is lengthened
TOLERANCE = 1e-4  # of the largest value, and of 1 at least: float32 sums in another order
MOST_NFE = 32  # above it, a grid is sampled at its smallest and its middle only
Losses = dict[str, Tensor]


@dataclass(frozen=True)
class Tiny:
    """An adapter in one role, at a size at which everything takes milliseconds."""

    name: str
    role: Role

    @property
    def channels(self) -> int:
        """C of the target."""
        return CHANNELS[self.role]

    @cached_property
    def info(self) -> AdapterInfo:
        """What the adapter says of itself."""
        info: AdapterInfo = registry.trainable(self.name).info
        return info

    @cached_property
    def nfe(self) -> tuple[int, ...]:
        """The function evaluations to try, rising."""
        grid = sorted(set(self.info.nfe))
        return tuple(grid) if grid[-1] <= MOST_NFE else tuple(sorted({grid[0], grid[len(grid) // 2]}))

    @cached_property
    def raw(self) -> RawBatch:
        """Three utterances of different lengths."""
        return collate(self._items(), self.role)

    def alone(self, row: int) -> RawBatch:
        """One utterance of ``raw`` without padding."""
        return collate(self._items()[row : row + 1], self.role)

    def _items(self) -> list[Item]:
        """With prompts for an adapter that always has one."""
        rng = np.random.default_rng(7)
        items = [self._item(rng, phones) for phones in PHONES]
        if getattr(registry.trainable(self.name), "prompted", False) is not True:
            return items
        return [prompted(one, self._item(rng, PHONES[0])) for one in items]

    def _item(self, rng: np.random.Generator, phones: int) -> Item:
        durations = rng.integers(1, 6, phones)
        alignment = np.repeat(np.arange(phones), durations)
        steps = len(alignment) if self.role == "acoustic" else phones
        features = rng.standard_normal((len(alignment), 4)).astype(np.float32)
        target = rng.standard_normal((steps, self.channels)).astype(np.float32)
        labels = rng.integers(1, N_PHONES + 1, phones)
        return Item(labels, int(rng.integers(N_SPEAKERS)), durations, alignment, features, target)

    def model(self, seed: int = 0, options: Mapping[str, Any] | None = None) -> SpeechModel:
        """An untrained model: the same weights for the same seed, sources included whatever the seed."""
        options = options or {}
        sources = {name: freeze(Tiny(name, self.role).model(999)) for name in registry.starts_from(self.name, options)}
        shape = {"n_phones": N_PHONES, "n_speakers": N_SPEAKERS, "channels": self.channels}
        with global_seed(seed):
            model = SpeechModel(self.name, options, self.role, SIZE, shape, sources)
            _wake(model)
        return model

    def batch(self, model: SpeechModel) -> Batch:
        """``raw`` through the model's conditioner."""
        return Batch(self.raw.target, model(self.raw))

    def losses(self, model: SpeechModel, batch: Batch, step: int) -> Losses:
        """The losses of one step, with noise that depends on the step alone."""
        return dict(model.adapter.losses(batch, step, Noise([seed + 1000 * step for seed in SEEDS])))

    def sample(
        self, model: SpeechModel, batch: Batch, nfe: int, seeds: Sequence[int] = SEEDS, temperature: float = 1.0
    ) -> Tensor:
        """A draw (B, T, C), as the synthesize stage takes it."""
        with torch.no_grad():
            return model.sample(batch.cond, nfe, Noise(list(seeds)), temperature)

    def sampler(self, seed: int = 0) -> tuple[SpeechModel, Batch]:
        """An untrained model in evaluation mode, frozen, and its batch."""
        model = freeze(self.model(seed))
        with torch.no_grad():
            return model, self.batch(model)


def _wake(model: SpeechModel) -> None:
    """Weights that start at zero hide what lies behind them: give them small values from the global generator."""
    for parameter in model.parameters():
        if parameter.requires_grad and not bool(parameter.detach().any()):
            with torch.no_grad():
                parameter.normal_(std=0.1)


def scribbled(batch: Batch) -> Batch:
    """The batch with numbers written into the padding of the conditioning sequence and of the target."""
    generator = torch.Generator().manual_seed(3)
    padding = ~batch.mask.unsqueeze(-1)

    def scribble(values: Tensor) -> Tensor:
        return torch.where(padding, 10 * torch.randn(values.shape, generator=generator), values)

    def scribbled_condition(cond: Condition) -> Condition:
        sequence = scribble(cond.sequence)
        states = sequence if cond.durations is None else cond.states  # one and the same for a prosody model
        sources = {name: scribbled_condition(source) for name, source in cond.sources.items()}
        return replace(cond, sequence=sequence, states=states, sources=sources)

    return Batch(scribble(batch.target), scribbled_condition(batch.cond))


def lengthened(batch: Batch) -> Batch:
    """The batch with more padding after every utterance, of its phones as well."""

    def longer(values: Tensor) -> Tensor:
        return functional.pad(values, (*(0, 0) * (values.ndim - 2), 0, PADDING))

    def lengthened_condition(cond: Condition) -> Condition:
        padded: dict[str, Any] = {
            name: longer(values) for name, values in tensors_of(cond).items() if name != "speaker"
        }
        sources = {name: lengthened_condition(source) for name, source in cond.sources.items()}
        return replace(cond, **padded, sources=sources)

    return Batch(longer(batch.target), lengthened_condition(batch.cond))


def tensors_of(cond: Condition) -> dict[str, Tensor]:
    """The tensors of a condition by name, those of its sources left out."""
    values = {field.name: getattr(cond, field.name) for field in fields(cond)}
    return {name: value for name, value in values.items() if isinstance(value, Tensor)}


def close(some: Tensor, others: Tensor) -> str:
    """By how much two tensors differ, nothing where that is rounding."""
    if some.shape != others.shape:
        return f"in shape, {tuple(some.shape)} and {tuple(others.shape)}"
    difference, largest = float((some - others).abs().max()), float(some.abs().max())
    return "" if difference <= TOLERANCE * max(1.0, largest) else f"by up to {difference:.2g}"
