"""Diversity of the clips that a system samples for one input. Neither a high nor a low value is good by itself.

Y. A. Li, R. Kumar and Z. Jin, "DMOSpeech: direct metric optimization via distilled diffusion model in zero-shot speech
synthesis", https://arxiv.org/abs/2410.11097, sample one input fifty times and report the coefficient of variation of
F0 and, between student and teacher, 1-Wasserstein distances of pitch and energy. The paper does not say how these were
computed. The metrics here are reconstructions, and their values are not comparable with the published ones (.70 and .58
for ``cv_f0``, which the mean F0 of one voice cannot reach).

An input is an utterance given to the model of one training seed; its draws are identified by their number. With k
different draws of an input, variances over them are multiplied by k / (k - 1). Rows may be repeated, because the
bootstrap resamples utterances with all their draws: copies of a draw count as one draw, and an input is weighted by its
rows. ``reduce`` returns NaN if no input has two draws.

    cv_f0            standard deviation over draws of a clip's mean F0, over its mean; mean over inputs. The standard
                     deviation of few draws is biased (by -20 % at k = 2, -8 % at k = 4): compare at equal k
    diversity_mel    root of the variance over draws of a clip's mean level in each of 16 mel bands, mean over bands
                     and inputs. Means need no alignment; they reflect timbre and balance, not timing
    w1_same_input    1-Wasserstein distance between the distributions in two clips, mean over pairs of draws of an input
    w1_different_input   the same over pairs of clips of different texts, of one speaker and training seed
    w1_different_speaker   the same over pairs of clips of different speakers, of one training seed

The distance between two clips is that between their 32 quantiles, mean |a_(i) - b_(i)|, which is exact for
distributions of 32 values. For F0 it is in semitones over voiced frames, for energy in dB relative to the clip's own
level over frames of speech. If w1_same_input is small relative to w1_different_input, a system reads each text in its
own way, and always in the same way.

The sum of |a - b| over all pairs of n sorted values is sum_i (2 i - n - 1) a_(i), which avoids a loop over pairs.

Empty or silent clips raise ``MeasurementError``, as do clips without voiced frames if a metric needs F0.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ttsbench.audio import frames
from ttsbench.audio.codes import code_of
from ttsbench.audio.f0_trackers import F0Tracker
from ttsbench.audio.pitch import F0_MAX, F0_MIN
from ttsbench.audio.prosody import f0_signature, voiced_log_f0
from ttsbench.audio.usable import usable_at
from ttsbench.types import Behaviour, Clip, MetricInfo

QUANTILES = 32
QUANTILE_COLUMNS = tuple(f"quantile_{index}" for index in range(QUANTILES))
PAPER = "Li et al. 2024, https://arxiv.org/abs/2410.11097; a reconstruction, because no formula is published"
F0_BEHAVIOUR = Behaviour(noise="refused")
NO_NEEDS: frozenset[str] = frozenset()

Values = NDArray[np.float64]
Labels = NDArray[np.int64]


def _group_labels(*columns: Values) -> Labels:
    """Return integer labels (n,) from 0 that are equal where all columns (n,) are equal."""
    labels = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        values, index = np.unique(column, return_inverse=True)
        labels = labels * len(values) + index
    return np.unique(labels, return_inverse=True)[1]


def _variance_over_draws(rows: Values) -> tuple[Values, Values, Values]:
    """Return mean (inputs, C), unbiased variance over draws (inputs, C) and number of rows (inputs,) of each input.

    ``rows`` (n, 3 + C) hold utterance, seed, draw and C values. The variance of a single draw is NaN.
    """
    input_ = _group_labels(rows[:, 0], rows[:, 1])
    draw = _group_labels(rows[:, 0], rows[:, 1], rows[:, 2])
    size = np.bincount(input_).astype(np.float64)
    draws = np.bincount(input_[np.unique(draw, return_index=True)[1]]).astype(np.float64)
    values = rows[:, 3:]
    mean = np.stack([np.bincount(input_, column) for column in values.T], axis=1) / size[:, None]
    squares = (values - mean[input_]) ** 2
    spread = np.stack([np.bincount(input_, column) for column in squares.T], axis=1) / size[:, None]
    factor = np.divide(draws, draws - 1, out=np.full_like(draws, np.nan), where=draws > 1)
    return mean, spread * factor[:, None], size


def _mean_over_inputs(values: Values, size: Values) -> float:
    """Return the mean of the values (inputs,) that are not NaN, weighted by rows; NaN if all are NaN."""
    known = ~np.isnan(values)
    return float(np.average(values[known], weights=size[known])) if known.any() else float("nan")


@dataclass(frozen=True)
class _Quantity:
    """A quantity with a distribution within a clip at 16 kHz: ``values`` returns it, (N,), N >= 1."""

    unit: str
    signature: str
    values: Callable[[Clip], Values]
    behaviour: Behaviour
    version: str = "v1"
    require: Callable[[], None] = lambda: None


def _f0(f0: str, f0_min: float, f0_max: float) -> _Quantity:
    """Return F0 in semitones over voiced frames, by an extractor and its range in Hz."""
    tracker = F0Tracker(f0, f0_min, f0_max)

    def semitones(clip: Clip) -> Values:
        values: Values = 12 / np.log(2) * voiced_log_f0(clip, tracker)
        return values

    return _Quantity(
        "semitones", f"{f0_signature(tracker)}|semitones|frames:voiced", semitones, F0_BEHAVIOUR, "v2", tracker.require
    )


def _levels(clip: Clip) -> Values:
    levels = clip.feature(frames.levels)
    return levels.overall[levels.speech]


ENERGY = _Quantity("dB", frames.SIGNATURE, _levels, Behaviour(noise="answered"))


class F0Variation:
    """Coefficient of variation of F0 over draws of one input; NaN if no input has two draws."""

    def __init__(self, f0: str = "world", f0_min: float = F0_MIN, f0_max: float = F0_MAX) -> None:
        self._tracker = F0Tracker(f0, f0_min, f0_max)
        self.info = MetricInfo(
            name="cv_f0",
            title="Coefficient of variation of F0 over draws",
            unit="ratio",
            higher_is_better=None,
            columns=("utterance_code", "seed_code", "draw_code", "mean_f0_hz"),
            signature=(
                f"cv_f0|{f0_signature(self._tracker)}|mean:voiced-frames|Hz|std:draws/mean:draws|mean:inputs|v2"
            ),
            paper=PAPER,
            needs=NO_NEEDS,
            sample_rate=frames.SAMPLE_RATE,
            behaviour=F0_BEHAVIOUR,
        )

    def require(self) -> None:
        """Raise ``ConfigError`` if the extractor's package is missing."""
        self._tracker.require()

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return the clip's identity and mean F0; raise ``MeasurementError`` if no frame is voiced."""
        log_f0 = voiced_log_f0(usable_at(clip, frames.SAMPLE_RATE), self._tracker)
        return (code_of(clip.id), float(clip.seed), float(clip.draw), float(np.exp(log_f0).mean()))

    def reduce(self, rows: Values) -> float:
        """Return the mean over inputs, rows (n, 4)."""
        mean, variance, size = _variance_over_draws(rows)
        return _mean_over_inputs(np.sqrt(variance[:, 0]) / mean[:, 0], size)


class MelDiversity:
    """Root mean square deviation over draws of the mean level in mel bands, relative to the clip's own level."""

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="diversity_mel",
            title="Standard deviation of mel bands over draws",
            unit="dB",
            higher_is_better=None,
            columns=("utterance_code", "seed_code", "draw_code", *(f"band_{band}_db" for band in range(frames.BANDS))),
            signature=f"diversity_mel|{frames.SIGNATURE}|bands:16|mean:frames|var:draws|root-mean:bands,inputs|v1",
            paper="of this project: the variation between repetitions that Li et al. 2024 describe, in mel bands",
            needs=NO_NEEDS,
            sample_rate=frames.SAMPLE_RATE,
            behaviour=ENERGY.behaviour,
        )

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return the clip's identity and the mean level of each band over frames of speech."""
        levels = usable_at(clip, frames.SAMPLE_RATE).feature(frames.levels)
        bands = levels.bands[levels.speech].mean(axis=0)
        return (code_of(clip.id), float(clip.seed), float(clip.draw), *bands.tolist())

    def reduce(self, rows: Values) -> float:
        """Return the root of the mean variance over inputs, rows (n, 19)."""
        _, variance, size = _variance_over_draws(rows)
        return float(np.sqrt(_mean_over_inputs(variance.mean(axis=1), size)))


class _Wasserstein(ABC):
    """Base of the six distances, between clips of the same group and seed and of different members of the group.

    A row holds codes of group, seed and member, and the quantiles of a clip.
    """

    group: str
    member: str

    def __init__(self, name: str, title: str, quantity: _Quantity) -> None:
        pairs = f"pairs:one-{self.group},one-seed,other-{self.member}"
        self._quantity = quantity
        self.info = MetricInfo(
            name=name,
            title=title,
            unit=quantity.unit,
            higher_is_better=None,
            columns=(
                f"{self.group}_code",
                "seed_code",
                f"{self.member}_code",
                *(f"quantile_{index}" for index in range(QUANTILES)),
            ),
            signature=f"{name}|{quantity.signature}|quantiles:{QUANTILES}|{pairs}|mean:rows|{quantity.version}",
            paper=PAPER,
            needs=NO_NEEDS,
            sample_rate=frames.SAMPLE_RATE,
            behaviour=quantity.behaviour,
        )

    def require(self) -> None:
        """Raise ``ConfigError`` if the package of the F0 extractor is missing."""
        self._quantity.require()

    @abstractmethod
    def _codes(self, clip: Clip) -> tuple[float, float]:
        """Return the codes of group and member."""

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return codes and quantiles of a clip; raise ``MeasurementError`` if it has no values."""
        values = self._quantity.values(usable_at(clip, frames.SAMPLE_RATE))
        at = (np.arange(QUANTILES) + 0.5) / QUANTILES
        group, member = self._codes(clip)
        return (group, float(clip.seed), member, *np.quantile(values, at, method="hazen").tolist())

    def reduce(self, rows: Values) -> float:
        """Return the mean distance of pairs within groups, each group weighted by its rows; NaN without a pair."""
        group = _group_labels(rows[:, 0], rows[:, 1])
        member = _group_labels(rows[:, 0], rows[:, 1], rows[:, 2])
        group_of_member = group[np.unique(member, return_index=True)[1]]
        distance, pairs = _pair_distances(group, rows[:, 3:])
        within, pairs_within = _pair_distances(member, rows[:, 3:])
        distance -= np.bincount(group_of_member, within)
        pairs -= np.bincount(group_of_member, pairs_within)
        mean = np.divide(distance, pairs, out=np.full_like(pairs, np.nan), where=pairs > 0)
        return _mean_over_inputs(mean, np.bincount(group).astype(np.float64))


class _SameInput(_Wasserstein):
    group, member = "utterance", "draw"

    def _codes(self, clip: Clip) -> tuple[float, float]:
        return code_of(clip.id), float(clip.draw)


class _DifferentInput(_Wasserstein):
    group, member = "speaker", "text"

    def _codes(self, clip: Clip) -> tuple[float, float]:
        return code_of(clip.speaker), code_of(clip.text or clip.id)


class _DifferentSpeaker(_Wasserstein):
    group, member = "corpus", "speaker"

    def _codes(self, clip: Clip) -> tuple[float, float]:
        return 0.0, code_of(clip.speaker)


class SameInputF0(_SameInput):
    """Mean 1-Wasserstein distance of F0 between two draws of one input; NaN if no input has two draws."""

    def __init__(self, f0: str = "world", f0_min: float = F0_MIN, f0_max: float = F0_MAX) -> None:
        super().__init__("w1_same_input_f0", "W1 distance of F0 between draws of one input", _f0(f0, f0_min, f0_max))


class DifferentInputF0(_DifferentInput):
    """Mean 1-Wasserstein distance of F0 between clips of different texts; NaN if no speaker has two texts."""

    def __init__(self, f0: str = "world", f0_min: float = F0_MIN, f0_max: float = F0_MAX) -> None:
        super().__init__("w1_different_input_f0", "W1 distance of F0 between different texts", _f0(f0, f0_min, f0_max))


class SameInputEnergy(_SameInput):
    """Mean 1-Wasserstein distance of level between two draws of one input; NaN if no input has two draws."""

    def __init__(self) -> None:
        super().__init__("w1_same_input_energy", "W1 distance of energy between draws of one input", ENERGY)


class DifferentInputEnergy(_DifferentInput):
    """Mean 1-Wasserstein distance of level between clips of different texts; NaN if no speaker has two texts."""

    def __init__(self) -> None:
        super().__init__("w1_different_input_energy", "W1 distance of energy between different texts", ENERGY)


class DifferentSpeakerF0(_DifferentSpeaker):
    """Mean 1-Wasserstein distance of F0 between clips of different speakers; NaN for a single speaker."""

    def __init__(self, f0: str = "world", f0_min: float = F0_MIN, f0_max: float = F0_MAX) -> None:
        super().__init__(
            "w1_different_speaker_f0", "W1 distance of F0 between different speakers", _f0(f0, f0_min, f0_max)
        )


class DifferentSpeakerEnergy(_DifferentSpeaker):
    """Mean 1-Wasserstein distance of level between clips of different speakers; NaN for a single speaker."""

    def __init__(self) -> None:
        super().__init__("w1_different_speaker_energy", "W1 distance of energy between different speakers", ENERGY)


def _pair_distances(group: Labels, quantiles: Values) -> tuple[Values, Values]:
    """Return the sum of the distances of all pairs in each group and the number of pairs, (groups,) each."""
    size = np.bincount(group)
    order = np.sort(group)
    offset = 2.0 * (np.ptp(quantiles) + 1.0)  # separates the groups, so that a single sort sorts each of them
    sorted_ = np.sort(quantiles + offset * group[:, None], axis=0) - offset * order[:, None]
    rank = np.arange(len(group)) - (np.cumsum(size) - size)[order]
    weight = 2.0 * rank - size[order] + 1
    distance = np.bincount(order, weight * sorted_.mean(axis=1)).astype(np.float64)
    return distance, size * (size - 1) / 2
