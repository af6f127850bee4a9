"""The prepared corpus that later stages read: manifest, phone inventory and normalisation statistics."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ttsbench.data.features import Features, load_features
from ttsbench.data.splits import Split
from ttsbench.engine.store import read_json


@dataclass(frozen=True)
class PreparedUtterance:
    """A line of the manifest."""

    id: str
    speaker: str
    text: str
    split: Split
    audio: str  # path of the recording
    features: str  # path of the cached features
    phones: tuple[str, ...]
    frames: int
    alignment: str  # textgrid or pocketsphinx
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Normalisation:
    """Means and standard deviations over the training split."""

    mel_mean: float
    mel_std: float
    log_f0_mean: float
    log_f0_std: float
    log_duration_mean: float
    log_duration_std: float

    def mel(self, log_mel: NDArray[np.float32]) -> NDArray[np.float32]:
        """Normalise a log-mel (T, M) to zero mean and unit variance."""
        return (log_mel - np.float32(self.mel_mean)) / np.float32(self.mel_std)

    def prosody(self, features: Features) -> NDArray[np.float32]:
        """Return normalised phone log-F0 and log-duration, (P, 2)."""
        log_f0 = (features.phone_log_f0 - self.log_f0_mean) / self.log_f0_std
        log_duration = (np.log(features.durations) - self.log_duration_mean) / self.log_duration_std
        return np.stack([log_f0, log_duration], axis=1).astype(np.float32)


class PreparedCorpus:
    """The corpus that the prepare stage wrote to ``folder``."""

    def __init__(self, folder: Path) -> None:
        lines = (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()
        self.utterances = [parse_utterance(json.loads(line)) for line in lines]
        statistics = read_json(folder / "statistics.json")
        self.norm = Normalisation(**statistics["normalisation"])
        self.phones: Sequence[str] = statistics["phones"]
        self.speakers: Sequence[str] = statistics["speakers"]
        self._log_f0: Mapping[str, NDArray[np.float32]] = {}

    def split(self, name: Split) -> list[PreparedUtterance]:
        """Return the utterances of a split in the order of the manifest (by id)."""
        return [utterance for utterance in self.utterances if utterance.split == name]

    @cached_property
    def by_id(self) -> Mapping[str, PreparedUtterance]:
        """Utterances by their id."""
        return {utterance.id: utterance for utterance in self.utterances}

    @cached_property
    def _phone_index(self) -> Mapping[str, int]:
        return {phone: index + 1 for index, phone in enumerate(self.phones)}  # 0 is padding

    def phone_ids(self, utterance: PreparedUtterance) -> NDArray[np.int64]:
        """Return the phones as numbers from 1, (P,)."""
        return np.array([self._phone_index[phone] for phone in utterance.phones])

    def features(self, utterance: PreparedUtterance) -> Features:
        """Load the utterance's features from the cache."""
        features = load_features(Path(utterance.features))
        log_f0 = self._log_f0.get(utterance.id)
        return features if log_f0 is None else replace(features, phone_log_f0=log_f0)

    def with_share(self, share: float) -> PreparedCorpus:
        """Return the corpus with that share of its training speech, by duration; at least one utterance.

        Speakers alternate, each in the order of a hash of the ids, so a smaller share is a subset of a larger one.
        Normalisation is that of the whole corpus.
        """
        train = sorted(self.split("train"), key=lambda utterance: hashlib.sha256(utterance.id.encode()).digest())
        count, turn = Counter[str](), dict[str, int]()
        for utterance in train:
            turn[utterance.id] = count[utterance.speaker]
            count[utterance.speaker] += 1
        train.sort(key=lambda utterance: turn[utterance.id])
        ends = np.cumsum([utterance.frames for utterance in train])
        size = max(1, int(np.searchsorted(ends, share * ends[-1], side="right")))
        selected = {utterance.id for utterance in train[:size]}
        other = copy(self)
        other.utterances = [each for each in self.utterances if each.split != "train" or each.id in selected]
        return other

    def with_log_f0(self, log_f0: Mapping[str, NDArray[np.float32]]) -> PreparedCorpus:
        """Return the corpus with other phone log-F0 (P,), by utterance id."""
        other = copy(self)
        other._log_f0 = log_f0
        return other


def parse_utterance(values: Mapping[str, Any]) -> PreparedUtterance:
    """Return the utterance of a line of the manifest."""
    return PreparedUtterance(**{**values, "phones": tuple(values["phones"])})


def dump_utterance(utterance: PreparedUtterance) -> str:
    """Return the line of the manifest for an utterance."""
    return json.dumps(asdict(utterance), ensure_ascii=False)


def normalisation(features: Sequence[Features]) -> Normalisation:
    """Compute the statistics of the training split in one pass over the clips."""
    mel = _Moments()
    log_f0 = _Moments()
    log_duration = _Moments()
    for clip in features:
        mel.add(clip.mel)
        log_f0.add(clip.phone_log_f0)
        log_duration.add(np.log(clip.durations))
    return Normalisation(*mel.result(), *log_f0.result(), *log_duration.result())


class _Moments:
    """Running mean and standard deviation; the latter is at least 1e-3, so that a constant can be normalised."""

    def __init__(self) -> None:
        self._count, self._sum, self._square = 0, 0.0, 0.0

    def add(self, values: NDArray[Any]) -> None:
        doubles = values.astype(np.float64)
        self._count += doubles.size
        self._sum += float(doubles.sum())
        self._square += float((doubles**2).sum())

    def result(self) -> tuple[float, float]:
        mean = self._sum / self._count
        variance = max(0.0, self._square / self._count - mean**2)
        return mean, max(variance**0.5, 1e-3)
