"""Divergence of a system's prosody from the distribution that the `espeak` corpus was drawn from.

On that corpus the truth is no sample but a density (``ttsbench.data.espeak.prosody``): each phrase drew its log pitch
from two modes and its log rate from a normal distribution, both truncated, whatever the text. So a system that speaks
its test sentences is compared with the density itself, and no reference keeps a system from 0 by being finite.

What is taken is the Jensen-Shannon divergence (``ttsbench.audio.histogram``, in bits, 0 to 1) of the histogram of a
system's phrases from the density integrated over the same bins, both relative to the speaker's own base, so that
speakers can be put together. A phrase of the clip is read against the same words of its reference, rendered at a known
pitch p and rate r. With f, f' the median F0 and d, d' the durations of reference and clip,

    log pitch = log p + log f' - log f              log rate = log r + (log d - log d') / .889

Measured on the default corpus, over the 348 ordered pairs of renderings of one text: duration goes with rate to the
power of -.889, and then the rate read off another rendering errs by a standard deviation of .017; the pitch errs by
less than .008 in half and less than .032 in nine tenths of all, as a standard deviation of .02 would have the latter.
The density is first convolved with these errors. (The median F0 by itself misses the drawn pitch by .037, much of it
the text's doing and the same in all its renderings. The few sentences of a test set do not average that out: by it the
recordings themselves were at three times the floor.)

A phrase is found by its phones: they are those of the reference, silence aside, and where the reference's phrases lie
is in the attributes of the utterance. Pauses do not tell phrases apart, since espeak-ng also pauses within some. A clip
whose phones are not those of the reference is refused with ``MeasurementError``, as are empty and silent clips; to a
corpus without attributes the question does not apply (``NotApplicable``).

``floor`` is the mean divergence of as many phrases drawn from the density itself. To second order it is
(K - 1) / (8 n ln 2) for n phrases and K bins, half of what two samples have.
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
from ttsbench.audio.prosody import F0_SIGNATURE, FRAME_S, LEAST_VOICED, log_f0_between, speech_phones
from ttsbench.audio.usable import require_usable, usable_at
from ttsbench.data.espeak.prosody import SPEAKERS, TRUNCATION, ProsodyDistribution
from ttsbench.errors import MeasurementError, NotApplicable
from ttsbench.types import Behaviour, Clip, MetricInfo, Phone

PITCH_ERROR = 0.02  # log F0; see the top of this file for these three
RATE_ERROR = 0.017
DURATION_EXPONENT = 0.889
SAMPLES = 200  # drawn for a floor
STEPS = 400  # of the integral over the truncated normal distribution

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Span:
    """Where a phrase lies in a clip, in seconds."""

    start_s: float
    end_s: float


@dataclass(frozen=True)
class Phrase:
    """One phrase: what the reference was rendered with, and where it lies in clip and reference."""

    pitch_hz: float
    rate_wpm: float
    clip: Span
    reference: Span


def phrases(clip: Clip, reference: Clip) -> list[Phrase]:
    """The phrases of a clip. Raises ``NotApplicable`` and ``MeasurementError`` as the top of this file says."""
    known: Sequence[dict[str, float]] = clip.attributes.get("phrases", ())
    if not known or clip.speaker not in SPEAKERS:
        raise NotApplicable(f"the distribution that the prosody of utterance {clip.id!r} came from is not known")
    said, told = speech_phones(clip), speech_phones(reference)
    if [phone.label for phone in said] != [phone.label for phone in told]:
        raise MeasurementError(
            f"the {len(said)} phones of clip {clip.id!r} are not the {len(told)} of its reference, so that its phrases "
            "cannot be found; time the phones of the reference in it"
        )
    return [_phrase(one, said, told, clip.id) for one in known]


def _phrase(known: dict[str, float], said: Sequence[Phone], told: Sequence[Phone], id_: str) -> Phrase:
    """One phrase, from its attributes, the phones of the clip and those of the reference, which correspond."""
    start_s, end_s = known["start_s"], known["end_s"]
    inside = [index for index, phone in enumerate(told) if start_s <= (phone.start_s + phone.end_s) / 2 < end_s]
    if not inside:
        raise MeasurementError(
            f"no phone of the reference of clip {id_!r} lies from {start_s:g} to {end_s:g} s, where it should have a "
            "phrase; prepare the corpus again"
        )
    clip, reference = (Span(phones[inside[0]].start_s, phones[inside[-1]].end_s) for phones in (said, told))
    return Phrase(known["pitch"], known["rate"], clip, reference)


def integrated(centres: Sequence[float], std: float, error: float, bins: Bins) -> Values:
    """Probability of each bin (K,) under normal modes of equal weight, truncated, convolved with a normal error."""
    z = (np.arange(STEPS) + 0.5) / STEPS * 2 * TRUNCATION - TRUNCATION
    weight = np.exp(-0.5 * z**2) / np.exp(-0.5 * z**2).sum() / len(centres)
    edges = bins.inner_edges[:, None]
    below = np.sum([ndtr((edges - centre - std * z) / error) @ weight for centre in centres], axis=0)
    probabilities: Values = np.maximum(np.diff(below, prepend=0.0, append=1.0), 0.0)
    return probabilities


class _Known(ABC):
    """What the two share. Rows are the counts of a clip's phrases in K bins, and how many were to be expected there."""

    bins: Bins

    def _columns(self) -> tuple[str, ...]:
        return tuple(f"{which}_{index}" for which in ("clip", "known") for index in range(self.bins.count))

    @abstractmethod
    def _value(self, clip: Clip, reference: Clip, phrase: Phrase, prosody: ProsodyDistribution) -> float:
        """The value of a phrase, relative to the speaker's base."""

    @abstractmethod
    def _probabilities(self, prosody: ProsodyDistribution) -> Values:
        """The known probability of each bin, (K,)."""

    def measure(self, clip: Clip, reference: Clip) -> tuple[float, ...]:
        """Counts of the clip's phrases, and of as many by the known distribution; raises as ``phrases`` does."""
        require_usable(clip, reference)
        spoken = phrases(clip, reference)
        prosody = SPEAKERS[clip.speaker].prosody
        values = [self._value(clip, reference, phrase, prosody) for phrase in spoken]
        counts = self.bins.histogram(np.array(values)[:, None])[0]
        return (*counts.tolist(), *(len(spoken) * self._probabilities(prosody)).tolist())

    def reduce(self, rows: Values) -> float:
        """Divergence in bits of the summed counts, rows (n, 2 K)."""
        counts, known = rows.sum(axis=0).reshape(2, -1)
        return float(jensen_shannon(counts, known))

    def reduce_weighted(self, rows: Values, weights: Values) -> Values:
        """The same for each row of weights (R, n)."""
        counts = (weights @ rows).reshape(len(weights), 2, -1)
        return jensen_shannon(counts[:, 0], counts[:, 1])

    def floor(self, rows: Values, rng: np.random.Generator) -> float:
        """Mean divergence in bits of as many phrases drawn from the known distribution."""
        counts, known = rows.sum(axis=0).reshape(2, -1)
        drawn = rng.multinomial(round(counts.sum()), known / known.sum(), size=SAMPLES)
        return float(jensen_shannon(drawn.astype(np.float64), known).mean())


class KnownLogF0Divergence(_Known):
    """Divergence of the log pitch of phrases from the known mixture; bins of .05 keep its modes, .28 apart, apart."""

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
        moved = _median_log_f0(clip, phrase.clip) - _median_log_f0(reference, phrase.reference)
        return float(np.log(phrase.pitch_hz / prosody.base_pitch_hz)) + moved

    def _probabilities(self, prosody: ProsodyDistribution) -> Values:
        return integrated([-prosody.register_log, prosody.register_log], prosody.pitch_std, PITCH_ERROR, self.bins)


def _median_log_f0(clip: Clip, span: Span) -> float:
    voiced = log_f0_between(usable_at(clip, SAMPLE_RATE), span.start_s, span.end_s)
    if len(voiced) * FRAME_S <= LEAST_VOICED * _duration_s(span):
        raise MeasurementError(
            f"less than {LEAST_VOICED:.0%} of clip {clip.id!r} is voiced from {span.start_s:.2f} to {span.end_s:.2f} "
            "s, a whole phrase; listen to it, its voicing is lost"
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
        shorter = np.log(_duration_s(phrase.reference) / _duration_s(phrase.clip))
        return float(np.log(phrase.rate_wpm / prosody.base_rate_wpm) + shorter / DURATION_EXPONENT)

    def _probabilities(self, prosody: ProsodyDistribution) -> Values:
        return integrated([0.0], prosody.rate_std, RATE_ERROR, self.bins)


def _duration_s(span: Span) -> float:
    return span.end_s - span.start_s
