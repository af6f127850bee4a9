"""Padded batches of features, with every random choice a function of (seed, step).

The order of the data and the crops do not depend on the system: all objectives of an experiment train on the same
frames in the same order, and a resumed training continues exactly as an uninterrupted one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ttsbench.data.corpus import Normalisation, PreparedCorpus, PreparedUtterance
from ttsbench.devices import upload
from ttsbench.types import Noise, Role

Prompter = Callable[["Item", PreparedUtterance, np.random.Generator], "Item"]  # adds the prompt of an utterance
GROUP = 8  # batches that are filled by length
WithWaveform = Callable[["Item", PreparedUtterance], "Item"]  # adds the samples of an utterance


@dataclass(frozen=True)
class Prosody:
    """Durations in frames (P,) and phone-level log-F0 (P,), from a recording or a prosody model."""

    durations: NDArray[np.int64]
    phone_log_f0: NDArray[np.float32]


@dataclass(frozen=True)
class RawBatch:
    """Padded inputs of the conditioner and the normalised target."""

    phones: Tensor  # (B, P) int64, 0 at padding
    phone_mask: Tensor  # (B, P) bool
    speaker: Tensor  # (B,) int64
    durations: Tensor  # (B, P) int64 frames
    alignment: Tensor  # (B, T) int64, the phone of each frame
    frame_features: Tensor  # (B, T, 4): position in phone, 1 - position, log duration, F0
    mask: Tensor  # (B, T) bool
    target: Tensor  # (B, T, C)
    prompt: RawBatch | None = None  # other recordings of the speakers
    waveform: Tensor | None = None  # (B, T * hop_length) samples of the frames

    def to(self, device: torch.device) -> RawBatch:
        """Return the batch on ``device``; the host does not wait for the copy to a GPU."""
        return self._with(lambda tensor: upload(tensor, device))

    def noise(self, seeds: list[int], moved: RawBatch) -> Noise:
        """Return the noise of this batch for ``moved``, the same batch on a device, which is not waited for."""
        noise = Noise(seeds)
        noise.remember(moved.mask, self.mask.sum(dim=1).tolist())
        noise.remember(moved.phone_mask, self.phone_mask.sum(dim=1).tolist())
        return noise

    def part(self, rank: int, world: int) -> RawBatch:
        """Return every ``world``-th row from ``rank`` on, the share of one device."""
        return self._with(lambda tensor: tensor[rank::world])

    def _with(self, change: Callable[[Tensor], Tensor]) -> RawBatch:
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "prompt"}
        tensors: dict[str, Any] = {name: None if x is None else change(x) for name, x in values.items()}
        return RawBatch(**tensors, prompt=self.prompt._with(change) if self.prompt else None)


@dataclass(frozen=True)
class Item:
    """An utterance or a crop of it, before padding."""

    phones: NDArray[np.int64]
    speaker: int
    durations: NDArray[np.int64]
    alignment: NDArray[np.int64]
    frame_features: NDArray[np.float32]
    target: NDArray[np.float32]
    prompt: Item | None = None
    waveform: NDArray[np.float32] | None = None  # (T * hop_length,)


def regulate(prosody: Prosody, norm: Normalisation) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the phone of each frame (T,) and the frame features (T, 4) for the prosody of P phones.

    T is the sum of the durations. F0 is the phones' log-F0, interpolated linearly between their centres.
    """
    durations = prosody.durations
    ends = np.cumsum(durations)
    alignment = np.repeat(np.arange(len(durations)), durations)
    frames = np.arange(ends[-1]) + 0.5
    position = (frames - (ends - durations)[alignment]) / durations[alignment]
    contour = np.interp(frames, ends - durations / 2, prosody.phone_log_f0)
    log_duration = np.log(durations)[alignment]
    features = np.stack(
        [
            position,
            1 - position,
            (log_duration - norm.log_duration_mean) / norm.log_duration_std,
            (contour - norm.log_f0_mean) / norm.log_f0_std,
        ],
        axis=1,
    )
    return alignment, features.astype(np.float32)


def item(corpus: PreparedCorpus, utterance: PreparedUtterance, role: Role, prosody: Prosody | None = None) -> Item:
    """Return an utterance with its target; with other ``prosody`` than the recording's an acoustic target is zero."""
    features = corpus.features(utterance)
    phones = corpus.phone_ids(utterance)
    speaker = corpus.speakers.index(utterance.speaker)
    conditioning = prosody or Prosody(features.durations, features.phone_log_f0)
    alignment, frame_features = regulate(conditioning, corpus.norm)
    if role == "prosody":
        target = corpus.norm.prosody(features)
    elif prosody is None:
        target = corpus.norm.mel(features.mel)
    else:
        target = np.zeros((len(alignment), features.mel.shape[1]), dtype=np.float32)
    return Item(phones, speaker, conditioning.durations, alignment, frame_features, target)


def crop(whole: Item, frames: int, rng: np.random.Generator, reach: int) -> Item:
    """Return ``frames`` consecutive frames of an acoustic item, with their phones and ``reach`` more on either side.

    If ``reach`` covers the encoder's receptive field, the frames are conditioned exactly as in the whole sentence, at a
    fraction of the cost.
    """
    start = int(rng.integers(0, max(0, len(whole.alignment) - frames) + 1))
    part = slice(start, start + frames)
    alignment = whole.alignment[part]
    first = max(0, int(alignment[0]) - reach)
    phones = slice(first, int(alignment[-1]) + reach + 1)
    hop = 0 if whole.waveform is None else len(whole.waveform) // len(whole.alignment)
    return Item(
        whole.phones[phones],
        whole.speaker,
        whole.durations[phones],
        alignment - first,
        whole.frame_features[part],
        whole.target[part],
        whole.prompt,
        None if whole.waveform is None else whole.waveform[start * hop : (start + len(alignment)) * hop],
    )


def collate(items: Sequence[Item], role: Role) -> RawBatch:
    """Pad items to the longest. Either all items have a prompt or none has, and so for samples."""
    waveforms = [each.waveform for each in items if each.waveform is not None]
    prompts = [each.prompt for each in items if each.prompt is not None]
    phone_counts = torch.tensor([len(each.phones) for each in items])
    frame_counts = torch.tensor([len(each.alignment) for each in items])
    phone_mask = _mask(phone_counts)
    mask = phone_mask if role == "prosody" else _mask(frame_counts)
    return RawBatch(
        phones=_pad([each.phones for each in items]),
        phone_mask=phone_mask,
        speaker=torch.tensor([each.speaker for each in items]),
        durations=_pad([each.durations for each in items]),
        alignment=_pad([each.alignment for each in items]),
        frame_features=_pad([each.frame_features for each in items]),
        mask=mask,
        target=_pad([each.target for each in items]),
        prompt=collate(prompts, role) if prompts else None,
        waveform=_pad(waveforms) if waveforms else None,
    )


class Batches:
    """The training batches of a role; ``batches(step)`` is a pure function of the seed and the step."""

    def __init__(
        self, corpus: PreparedCorpus, role: Role, batch_size: int, crop_frames: int | None, seed: int, reach: int,
        prompt: Prompter | None = None, waveform: WithWaveform | None = None,
    ) -> None:  # fmt: skip
        """Keep ``reach`` phones on either side of a crop; ``prompt`` and ``waveform`` add what each utterance needs."""
        self._corpus, self._role, self._crop, self._seed, self._reach = corpus, role, crop_frames, seed, reach
        self._utterances = corpus.split("train")
        self._size = min(batch_size, len(self._utterances))
        self._lengths = np.array([utterance.frames for utterance in self._utterances])
        self._epoch, self._order = -1, np.empty((0, self._size), dtype=np.int64)
        self._cache: dict[str, Item] = {}
        self._prompt, self._waveform = prompt, waveform

    def __call__(self, step: int) -> RawBatch:
        """Return the batch of optimizer step ``step``."""
        rng = np.random.default_rng([self._seed, step, 1])
        utterances = [self._utterances[index] for index in self._indices(step)]
        items = [self._item(utterance) for utterance in utterances]
        if self._prompt is not None:
            draws = np.random.default_rng([self._seed, step, 2])
            items = [self._prompt(whole, each, draws) for whole, each in zip(items, utterances, strict=True)]
        if self._waveform is not None:
            items = [self._waveform(whole, each) for whole, each in zip(items, utterances, strict=True)]
        if self._role == "acoustic" and self._crop is not None:
            items = [crop(whole, self._crop, rng, self._reach) for whole in items]
        return collate(items, self._role)

    def _indices(self, step: int) -> NDArray[np.int64]:
        """Return the indices of a batch: every epoch divides the training split anew, but for a remainder."""
        epoch, position = divmod(step, len(self._utterances) // self._size)
        if epoch != self._epoch:
            rng = np.random.default_rng([self._seed, epoch, 0])
            self._epoch, self._order = epoch, batches_of_similar_length(self._lengths, self._size, rng)
        batch: NDArray[np.int64] = self._order[position]
        return batch

    def _item(self, utterance: PreparedUtterance) -> Item:
        if utterance.id not in self._cache:
            self._cache[utterance.id] = item(self._corpus, utterance, self._role)
        return self._cache[utterance.id]


def batches_of_similar_length(
    lengths: NDArray[np.int64], size: int, rng: np.random.Generator
) -> NDArray[np.int64]:  # fmt: skip
    """Return the batches of one epoch, (number of batches, size) indices of utterances, in random order.

    A random order is sorted by length within groups of ``GROUP`` batches, so that little of a batch is padding and its
    composition still changes from epoch to epoch. Utterances that do not fill a batch are left out, others each time.
    """
    order = rng.permutation(len(lengths))[: len(lengths) // size * size]
    groups = [order[start : start + GROUP * size] for start in range(0, len(order), GROUP * size)]
    batches = np.concatenate([group[np.argsort(lengths[group], kind="stable")] for group in groups]).reshape(-1, size)
    return rng.permutation(batches)


def _mask(counts: Tensor) -> Tensor:
    return torch.arange(int(counts.max())).unsqueeze(0) < counts.unsqueeze(1)


def _pad(arrays: Sequence[NDArray[np.generic]]) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence([torch.from_numpy(array) for array in arrays], batch_first=True)
