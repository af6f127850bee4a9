"""Divergence of a system's prosody from the known distribution of the `espeak` corpus.

The distribution of prosody in that corpus is a known density (``ttsbench.data.espeak.prosody``). Each phrase draws its
log pitch from two modes and its log rate from a normal distribution, both truncated, independently of the text. A
system is compared with the density itself, so no finite reference sample limits the result.

The metric is the Jensen-Shannon divergence (``ttsbench.audio.histogram``, in bits, 0 to 1) between the histogram of a
system's phrases and the density integrated over the same bins, both relative to the speaker's base, so that speakers
can be pooled. A phrase of the clip is measured against the same words of its reference, which was rendered at a known
pitch p and rate r. With the median F0 f, f' and the durations d, d' of reference and clip,

    log pitch = log p + log f' - log f              log rate = log r + (log d - log d') / .889

The exponent and the errors were measured over the 348 ordered pairs of renderings of one text in the default corpus.
The standard deviation of the error is .017 for the rate. The error of the pitch is below .008 in half and below .032 in
nine tenths of the pairs, which corresponds to a standard deviation of .02. The density is convolved with these errors.
The median F0 alone would miss the drawn pitch by .037, mostly because of the text; this error does not average out over
the few sentences of a test set, and the recordings themselves were at three times the floor.

Phrases are located by their phones: the clip must have the phones of the reference, silence aside, and the attributes
of the utterance hold the extent of the reference's phrases. Pauses cannot separate phrases, since espeak-ng also pauses
within some. Raises ``MeasurementError`` for a clip with other phones than the reference and for empty or silent clips,
and ``NotApplicable`` for a corpus without these attributes.

``floor`` is the mean divergence of an equal number of phrases drawn from the density. To second order it is
(K - 1) / (8 n ln 2) for n phrases and K bins, half of the value for two samples.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from ttsbench.audio.cepstrum import SAMPLE_RATE
from ttsbench.audio.histogram import PAPER, Bins, jensen_shannon
from ttsbench.audio.prosody import F0_SIGNATURE, FRAME_S, MIN_VOICED_SHARE, log_f0_between, speech_phones
from ttsbench.audio.usable import require_usable, usable_at
from ttsbench.data.espeak.prosody import SPEAKERS, TRUNCATION, ProsodyDistribution
from ttsbench.errors import MeasurementError, NotApplicable
from ttsbench.types import Behaviour, Clip, MetricInfo, Phone

PITCH_ERROR = 0.02  # log F0; these three are explained at the top of this file
RATE_ERROR = 0.017
DURATION_EXPONENT = 0.889
SAMPLES = 200  # random draws for a floor
STEPS = 400  # of the integral over the truncated normal distribution

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Span:
    """The extent of a phrase in a clip, in seconds."""

    start_s: float
    end_s: float


@dataclass(frozen=True)
class Phrase:
    """One phrase: the parameters of the reference, and the extent of the phrase in clip and reference."""

    pitch_hz: float
    rate_wpm: float
    clip: Span
    reference: Span


def phrases(clip: Clip, reference: Clip) -> list[Phrase]:
    """Return the phrases of a clip; raises ``NotApplicable`` and ``MeasurementError`` as described above."""
    rendered: Sequence[dict[str, float]] = clip.attributes.get("phrases", ())
    if not rendered or clip.speaker not in SPEAKERS:
        raise NotApplicable(f"the distribution of the prosody of utterance {clip.id!r} is not known")
    own, expected = speech_phones(clip), speech_phones(reference)
    if [phone.label for phone in own] != [phone.label for phone in expected]:
        raise MeasurementError(
            f"the {len(own)} phones of clip {clip.id!r} are not the {len(expected)} of its reference, so its phrases "
            "cannot be located; align the phones of the reference to the clip"
        )
    return [_phrase(phrase, own, expected, clip.id) for phrase in rendered]


def _phrase(rendered: dict[str, float], own: Sequence[Phone], expected: Sequence[Phone], id_: str) -> Phrase:
    """Return a phrase from its attributes and the corresponding phones of clip and reference."""
    start_s, end_s = rendered["start_s"], rendered["end_s"]
    inside = [index for index, phone in enumerate(expected) if start_s <= (phone.start_s + phone.end_s) / 2 < end_s]
    if not inside:
        raise MeasurementError(
            f"no phone of the reference of clip {id_!r} lies from {start_s:g} to {end_s:g} s, the extent of a "
            "phrase; prepare the corpus again"
        )
    clip, reference = (Span(phones[inside[0]].start_s, phones[inside[-1]].end_s) for phones in (own, expected))
    return Phrase(rendered["pitch"], rendered["rate"], clip, reference)


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


class _Known(ABC):
    """The part that both metrics share. Rows hold counts of phrases in K bins and expected counts."""

    bins: Bins

    def _columns(self) -> tuple[str, ...]:
        return tuple(f"{which}_{index}" for which in ("clip", "known") for index in range(self.bins.count))

    @abstractmethod
    def _value(self, clip: Clip, reference: Clip, phrase: Phrase, prosody: ProsodyDistribution) -> float:
        """Return the value of a phrase relative to the speaker's base."""

    @abstractmethod
    def _probabilities(self, prosody: ProsodyDistribution) -> Values:
        """Return the known probability of each bin, (K,)."""

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Return the counts of the clip's phrases and the expected counts; raises like ``phrases``."""
        require_usable(clip, reference)
        measured = phrases(clip, reference)
        prosody = SPEAKERS[clip.speaker].prosody
        values = [self._value(clip, reference, phrase, prosody) for phrase in measured]
        counts = self.bins.histogram(np.array(values)[:, None])[0]
        return (*counts.tolist(), *(len(measured) * self._probabilities(prosody)).tolist())

    def reduce(self, rows: Values) -> float:
        """Return the divergence in bits of the summed counts, rows (n, 2 K)."""
        counts, known = rows.sum(axis=0).reshape(2, -1)
        return float(jensen_shannon(counts, known))

    def reduce_weighted(self, rows: Values, weights: Values) -> Values:
        """Return the divergence for each row of weights (R, n)."""
        counts = (weights @ rows).reshape(len(weights), 2, -1)
        return jensen_shannon(counts[:, 0], counts[:, 1])

    def floor(self, rows: Values, rng: np.random.Generator) -> float:
        """Return the mean divergence in bits of as many phrases drawn from the known distribution."""
        counts, known = rows.sum(axis=0).reshape(2, -1)
        drawn = rng.multinomial(round(counts.sum()), known / known.sum(), size=SAMPLES)
        return float(jensen_shannon(drawn.astype(np.float64), known).mean())


class KnownLogF0Divergence(_Known):
    """Divergence of the log pitch of phrases from the known mixture; bins of .05 resolve its modes, .28 apart."""

    bins = Bins(-0.4, 0.05, 16)

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="js_known_log_f0",
            title="JS divergence of phrase log-F0 from the known density",
            unit="bits",
            higher_is_better=False,
            columns=self._columns(),
            signature=(
                f"js_known_log_f0|espeak|{F0_SIGNATURE}|median:phrase|re:reference-drawn|bins:16x0.05@-0.4"
                f"|error:{PITCH_ERROR:g}|log2|v1"
            ),
            paper=PAPER,
            needs=frozenset({"reference", "phones"}),
            sample_rate=SAMPLE_RATE,
            behaviour=Behaviour(gain=0.05, shift=0.05, resample=0.05, noise="refused"),
        )

    def _value(self, clip: Clip, reference: Clip, phrase: Phrase, prosody: ProsodyDistribution) -> float:
        difference = _median_log_f0(clip, phrase.clip) - _median_log_f0(reference, phrase.reference)
        return float(np.log(phrase.pitch_hz / prosody.base_pitch_hz)) + difference

    def _probabilities(self, prosody: ProsodyDistribution) -> Values:
        return integrated([-prosody.register_log, prosody.register_log], prosody.pitch_std, PITCH_ERROR, self.bins)


def _median_log_f0(clip: Clip, span: Span) -> float:
    voiced = log_f0_between(usable_at(clip, SAMPLE_RATE), span.start_s, span.end_s)
    if len(voiced) * FRAME_S <= MIN_VOICED_SHARE * _duration_s(span):
        raise MeasurementError(
            f"less than {MIN_VOICED_SHARE:.0%} of clip {clip.id!r} is voiced from {span.start_s:.2f} to "
            f"{span.end_s:.2f} s, a whole phrase; listen to it: its voicing is lost"
        )
    return float(np.median(voiced))


class KnownRateDivergence(_Known):
    """Divergence of the log speaking rate of phrases from the known truncated normal distribution; bins of .06."""

    bins = Bins(-0.42, 0.06, 14)

    def __init__(self) -> None:
        self.info = MetricInfo(
            name="js_known_rate",
            title="JS divergence of phrase rate from the known density",
            unit="bits",
            higher_is_better=False,
            columns=self._columns(),
            signature=(
                f"js_known_rate|espeak|phones|duration:rate^-{DURATION_EXPONENT:g}|re:reference-drawn"
                f"|bins:14x0.06@-0.42|error:{RATE_ERROR:g}|log2|v1"
            ),
            paper=PAPER,
            needs=frozenset({"reference", "phones"}),
            behaviour=Behaviour(gain=0.001, shift=0.001, resample=0.001, worsens=frozenset({"stretch"})),
        )

    def _value(self, clip: Clip, reference: Clip, phrase: Phrase, prosody: ProsodyDistribution) -> float:
        log_ratio = np.log(_duration_s(phrase.reference) / _duration_s(phrase.clip))
        return float(np.log(phrase.rate_wpm / prosody.base_rate_wpm) + log_ratio / DURATION_EXPONENT)

    def _probabilities(self, prosody: ProsodyDistribution) -> Values:
        return integrated([0.0], prosody.rate_std, RATE_ERROR, self.bins)


def _duration_s(span: Span) -> float:
    return span.end_s - span.start_s
