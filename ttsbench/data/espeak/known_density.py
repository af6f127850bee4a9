"""Divergence of a system's phrases from a known density of the `espeak` corpus: the part that its metrics share.

In that corpus the distribution of a phrase's prosody and voice quality is a known density, so that a system is compared
with the density itself and no finite reference sample limits the result. The metric is the Jensen-Shannon divergence
(``ttsbench.audio.histogram``, in bits, 0 to 1) between the histogram of a system's phrases and the density, convolved
with the error of the measurement and integrated over the same bins.

Phrases are located by their phones: the clip must have the phones of the reference, silence aside, and the attributes
of the utterance hold the extent of the reference's phrases. Pauses cannot separate phrases, since espeak-ng also pauses
within some.

``floor`` is the mean divergence of an equal number of phrases drawn from the density. To second order it is
(K - 1) / (8 n ln 2) for n phrases and K bins, half of the value for two samples.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from ttsbench.audio.histogram import Bins, jensen_shannon
from ttsbench.audio.prosody import speech_phones
from ttsbench.audio.usable import require_usable
from ttsbench.data.espeak.prosody import SPEAKERS, TRUNCATION
from ttsbench.errors import MeasurementError, NotApplicable
from ttsbench.types import Clip, Phone

SAMPLES = 200  # random draws for a floor
STEPS = 400  # of the integral over the truncated normal distribution

Values = NDArray[np.float64]


@dataclass(frozen=True)
class MeasuredPhrase:
    """A phrase: the drawn values of the reference, and its corresponding phones in clip and reference."""

    drawn: Mapping[str, Any]
    clip: tuple[Phone, ...]
    reference: tuple[Phone, ...]


def phrases(clip: Clip, reference: Clip) -> list[MeasuredPhrase]:
    """Return the phrases of a clip.

    Raises ``MeasurementError`` for a clip with other phones than the reference, and ``NotApplicable`` for a corpus
    without the attributes of the `espeak` corpus.
    """
    drawn: Sequence[Mapping[str, Any]] = clip.attributes.get("phrases", ())
    if not drawn or clip.speaker not in SPEAKERS:
        raise NotApplicable(f"the distribution of the phrases of utterance {clip.id!r} is not known")
    own, expected = speech_phones(clip), speech_phones(reference)
    if [phone.label for phone in own] != [phone.label for phone in expected]:
        raise MeasurementError(
            f"the {len(own)} phones of clip {clip.id!r} are not the {len(expected)} of its reference, so its phrases "
            "cannot be located; align the phones of the reference to the clip"
        )
    return [_phrase(phrase, own, expected, clip.id) for phrase in drawn]


def _phrase(drawn: Mapping[str, Any], own: Sequence[Phone], expected: Sequence[Phone], id_: str) -> MeasuredPhrase:
    """Return a phrase from its attributes and the corresponding phones of clip and reference."""
    start_s, end_s = drawn["start_s"], drawn["end_s"]
    inside = [index for index, phone in enumerate(expected) if start_s <= (phone.start_s + phone.end_s) / 2 < end_s]
    if not inside:
        raise MeasurementError(
            f"no phone of the reference of clip {id_!r} lies from {start_s:g} to {end_s:g} s, the extent of a "
            "phrase; prepare the corpus again"
        )
    part = slice(inside[0], inside[-1] + 1)
    return MeasuredPhrase(drawn, tuple(own[part]), tuple(expected[part]))


def integrated(centres: Sequence[float], std: float, error: float, bins: Bins) -> Values:
    """Return the probability of each bin (K,) for equally weighted truncated normal modes with a normal error.

    >>> integrated([0.0], std=0.1, error=0.001, bins=Bins(-0.1, 0.1, 2)).round(3).tolist()
    [0.5, 0.5]
    """
    z = (np.arange(STEPS) + 0.5) / STEPS * 2 * TRUNCATION - TRUNCATION
    weight = np.exp(-0.5 * z**2) / np.exp(-0.5 * z**2).sum() / len(centres)
    edges = bins.inner_edges[:, None]
    below = np.sum([ndtr((edges - centre - std * z) / error) @ weight for centre in centres], axis=0)
    probabilities: Values = np.maximum(np.diff(below, prepend=0.0, append=1.0), 0.0)
    return probabilities


class KnownDensityDivergence(ABC):
    """A metric whose rows hold the counts of a clip's phrases in K bins, and the expected counts."""

    bins: Bins

    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns of a row, (2 K,)."""
        return tuple(f"{side}_{index}" for side in ("clip", "known") for index in range(self.bins.count))

    @abstractmethod
    def value(self, clip: Clip, reference: Clip, phrase: MeasuredPhrase) -> float:
        """Return the measured value of a phrase."""

    @abstractmethod
    def probabilities(self, speaker: str) -> Values:
        """Return the known probability of each bin, (K,)."""

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return the counts of the clip's phrases and the expected counts; raises like ``phrases``."""
        require_usable(clip, reference)
        measured = phrases(clip, reference)
        values = [self.value(clip, reference, phrase) for phrase in measured]
        counts = self.bins.histogram(np.array(values)[:, None])[0]
        return (*counts.tolist(), *(len(measured) * self.probabilities(clip.speaker)).tolist())

    def reduce(self, rows: Values) -> float:
        """Return the divergence in bits of the summed counts, rows (n, 2 K)."""
        counts, known = rows.sum(axis=0).reshape(2, -1)
        return float(jensen_shannon(counts, known))

    def reduce_weighted(self, rows: Values, weights: Values) -> Values:
        """Return the divergence for each row of weights (R, n)."""
        counts = (weights @ rows).reshape(len(weights), 2, -1)
        return jensen_shannon(counts[:, 0], counts[:, 1])

    def floor(self, rows: Values, rng: np.random.Generator) -> float:
        """Return the mean divergence in bits of as many phrases drawn from the known density."""
        counts, known = rows.sum(axis=0).reshape(2, -1)
        drawn = rng.multinomial(round(counts.sum()), known / known.sum(), size=SAMPLES)
        return float(jensen_shannon(drawn.astype(np.float64), known).mean())
