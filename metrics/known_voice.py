"""Divergence of a system's voice quality from the known distribution of the `espeak` corpus.

Each phrase of that corpus draws a vocal effort from two modes, soft and loud, and a formant scale from a normal
distribution, independently of everything that models are given (``ttsbench.data.espeak.quality``). A model of the
conditional mean speaks neither softly nor loudly, at a divergence near 1 bit. ``ttsbench.data.espeak.known_density``
describes the divergence.

A phrase of the clip is measured against the same words of its reference, whose voice quality is known
(``ttsbench.data.espeak.estimate``), by the spectral envelopes of WORLD in the voiced frames of vowels. Over the ordered
pairs of renderings of one text in the default corpus the standard deviation of the error is .42 dB per octave, with the
modes 5 apart, and .006 in the log formant scale, whose standard deviation is .035.

Raises ``MeasurementError`` for a clip with other phones than the reference, for empty or silent clips, and for a phrase
with fewer than two voiced vowels; ``NotApplicable`` for other corpora.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ttsbench.audio.cepstrum import ALPHA, ORDER, SAMPLE_RATE
from ttsbench.audio.f0_trackers import FRAME_S, WORLD
from ttsbench.audio.histogram import PAPER, Bins
from ttsbench.audio.usable import usable_at
from ttsbench.audio.world import analyse
from ttsbench.data.espeak.estimate import FREQUENCIES_HZ, VOWELS, QualityDifference, compare
from ttsbench.data.espeak.known_density import KnownDensityDivergence, MeasuredPhrase, Values, integrated
from ttsbench.data.espeak.quality import QUALITY
from ttsbench.errors import MeasurementError, NotApplicable
from ttsbench.types import Behaviour, Clip, MetricInfo, Phone

EFFORT_ERROR = 0.42  # dB per octave; see the top of this file
FORMANT_ERROR = 0.006  # log scale
MIN_VOWELS = 2
MIN_FRAMES = 2  # voiced frames of a vowel
DECIBELS = 20 / np.log(10)  # per natural logarithm of an amplitude


class _KnownQualityDivergence(KnownDensityDivergence):
    """A divergence of voice quality; ``measured`` compares a phrase with its reference."""

    def metric_info(self, name: str, title: str, error: float) -> MetricInfo:
        bins = self.bins
        return MetricInfo(
            name=name,
            title=title,
            unit="bits",
            higher_is_better=False,
            columns=self.columns(),
            signature=(
                f"{name}|espeak|world-mcep{ORDER}|{WORLD.signature}|vowels|350-4500Hz|re:reference-drawn"
                f"|bins:{bins.count}x{bins.width:g}@{bins.low:g}|error:{error:g}|log2|v1"
            ),
            paper=PAPER,
            needs=frozenset({"reference", "phones"}),
            sample_rate=SAMPLE_RATE,
            behaviour=Behaviour(gain=0.05, shift=0.1, resample=0.05, noise="refused"),
        )

    def measured(self, clip: Clip, reference: Clip, phrase: MeasuredPhrase) -> QualityDifference:
        if "effort" not in phrase.drawn:
            raise NotApplicable(f"the voice quality of utterance {clip.id!r} was not drawn from a known distribution")
        own, expected = (_vowels(c, p) for c, p in ((clip, phrase.clip), (reference, phrase.reference)))
        pairs = [pair for pair in zip(own, expected, strict=True) if min(len(side) for side in pair) >= MIN_FRAMES]
        if len(pairs) < MIN_VOWELS:
            raise MeasurementError(
                f"clip {clip.id!r} or its reference has {len(pairs)} voiced vowels from {phrase.clip[0].start_s:.2f} "
                f"to {phrase.clip[-1].end_s:.2f} s, a whole phrase, and {MIN_VOWELS} are needed; listen to it"
            )
        weights = np.array([min(len(side) for side in pair) for pair in pairs], dtype=np.float64)
        clip_db, reference_db = (np.array([frames.mean(axis=0) for frames in side]) @ _cosines() * DECIBELS
                                 for side in zip(*pairs, strict=True))  # fmt: skip
        return compare(clip_db, reference_db, weights)


def _vowels(clip: Clip, phones: Sequence[Phone]) -> list[Values]:
    """Return the mel-cepstra (frames, order + 1) of the voiced frames of each vowel."""
    analysis = usable_at(clip, SAMPLE_RATE).feature(analyse)
    frames = []
    for phone in phones:
        if phone.label.startswith(VOWELS):
            part = slice(round(phone.start_s / FRAME_S), round(phone.end_s / FRAME_S))
            frames.append(analysis.mcep[part][analysis.f0[part] > 0])
    return frames


def _cosines() -> Values:
    """Return the map from mel-cepstra to log amplitudes at ``FREQUENCIES_HZ``, (order + 1, U)."""
    omega = 2 * np.pi * FREQUENCIES_HZ / SAMPLE_RATE
    warped = omega + 2 * np.arctan2(ALPHA * np.sin(omega), 1 - ALPHA * np.cos(omega))
    cosines: Values = np.cos(np.outer(np.arange(ORDER + 1), warped))
    return cosines


class KnownEffortDivergence(_KnownQualityDivergence):
    """Divergence of the vocal effort of phrases from the known mixture; bins of .5 resolve its modes, 5 apart."""

    bins = Bins(-4.0, 0.5, 16)

    def __init__(self) -> None:
        title = "JS divergence of phrase effort from the known density"
        self.info = self.metric_info("js_known_effort", title, EFFORT_ERROR)

    def value(self, clip: Clip, reference: Clip, phrase: MeasuredPhrase) -> float:
        """Return the effort of a phrase in dB per octave."""
        difference = self.measured(clip, reference, phrase).effort
        return float(phrase.drawn["effort"]) + difference

    def probabilities(self, speaker: str) -> Values:
        """Return the known probability of each bin, (16,), equal for all speakers."""
        return integrated([-QUALITY.effort_mode, QUALITY.effort_mode], QUALITY.effort_std, EFFORT_ERROR, self.bins)


class KnownFormantDivergence(_KnownQualityDivergence):
    """Divergence of the log formant scale of phrases from the known truncated normal distribution; bins of .02."""

    bins = Bins(-0.12, 0.02, 12)

    def __init__(self) -> None:
        title = "JS divergence of phrase formant scale from the known density"
        self.info = self.metric_info("js_known_formant_scale", title, FORMANT_ERROR)

    def value(self, clip: Clip, reference: Clip, phrase: MeasuredPhrase) -> float:
        """Return the log formant scale of a phrase."""
        difference = self.measured(clip, reference, phrase).log_formant_scale
        return float(np.log(phrase.drawn["formant_scale"])) + difference

    def probabilities(self, speaker: str) -> Values:
        """Return the known probability of each bin, (12,), equal for all speakers."""
        return integrated([0.0], QUALITY.formant_std, FORMANT_ERROR, self.bins)
